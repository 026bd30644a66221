"""The overlay is see-through where the model did not look, and strongest where it looked most."""

import base64
import io

import numpy as np
from PIL import Image

from app.overlay import picture


def test_the_strongest_place_is_the_most_opaque_and_an_empty_map_is_invisible():
    saliency = np.zeros((7, 7), np.uint8)
    saliency[1, 5] = 255
    drawn = decode(picture(saliency, 70))
    assert drawn.shape == (70, 70, 4)
    assert np.unravel_index(drawn[..., 3].argmax(), (70, 70))[0] // 10 == 1
    assert drawn[60, 10, 3] == 0
    assert not decode(picture(np.zeros((7, 7), np.uint8), 70))[..., 3].any()


def decode(url: str) -> np.ndarray:
    drawn = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    return np.asarray(drawn.convert("RGBA"))
