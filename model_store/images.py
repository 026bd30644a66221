"""Bytes of a photo become an upright sRGB array. Nothing is written anywhere."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from model_store.errors import PhotoError


@dataclass(frozen=True)
class Photo:
    """A decoded photo: `rgb` is upright sRGB, shape (H, W, 3), uint8; `notes` names what was changed on the way."""

    rgb: np.ndarray
    notes: tuple[str, ...] = ()


def open_photo(data: bytes) -> Photo:
    """Decode a photo (first version)."""
    try:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        return Photo(np.asarray(image.convert("RGB")))
    except OSError as error:
        raise PhotoError("damaged_image") from error
