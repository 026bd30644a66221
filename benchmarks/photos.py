"""Lesions drawn in code, since a photo of a person would need its owner's licence here.

The shipped bundle gives them a full answer (tests/test_shipped_bundle.py): an answer that "cannot be judged" is a
shorter page and holds no probabilities, so neither a time nor a comparison of it says anything. What the bundle knows
are photos of a few hundred pixels, so they are drawn as one of those and enlarged, as a phone's lens would.
"""

import io
import math

import numpy as np
import pillow_heif
from PIL import Image

_DRAWN_PX = 192  # the shorter side, before it is enlarged


def jpeg(megapixels: float) -> bytes:
    """A lesion as a phone stores it: 4 to 3, JPEG, 0.15 to 0.3 MB a megapixel."""
    height = math.isqrt(round(megapixels * 1_000_000 * 3 / 4))
    return encode(lesion(0, (height * 4 // 3, height)), "JPEG", quality=90)


def lesion(seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw a brown spot on skin, another one for each seed; size is width and height, pixels."""
    generator = np.random.default_rng(seed)
    width, height = (_DRAWN_PX * side // min(size) for side in size)
    # Distance from the middle, 1 at the spot's border, which waves.
    across, down = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    radius = _DRAWN_PX * generator.uniform(0.2, 0.28)
    distance = np.hypot(across / 1.2, down) / radius + 0.12 * _mottling(generator, 24, (width, height))
    spot = 1 / (1 + np.exp(12 * (distance - 1)))[..., None]
    skin = np.array([222, 178, 156]) + 4 * _mottling(generator, 24, (width, height))[..., None]
    pigment = np.array([130, 84, 62]) + np.array([30, 24, 16]) * (distance - 0.6)[..., None]
    pigment += 10 * _mottling(generator, 14, (width, height))[..., None]
    drawn = skin * (1 - spot) + pigment * spot + generator.normal(0, 5, (height, width, 1))
    return _with_noise(_to_image(drawn).resize(size, Image.Resampling.BICUBIC), generator)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    """Store an image in one of Pillow's formats, or as "HEIF"."""
    file = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, kind, **options)
    return file.getvalue()


def _mottling(generator: np.random.Generator, cell_px: int, size: tuple[int, int]) -> np.ndarray:
    """Soft patches of so many pixels, shape (H, W): 0 on average, about 1 at their brightest."""
    width, height = size
    cells = generator.normal(0, 1, (height // cell_px + 1, width // cell_px + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))


def _with_noise(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Add a sensor's noise, which is what makes a file as large as a phone's."""
    noise = 5 * generator.standard_normal((image.height, image.width, 1), np.float32)
    return _to_image(np.asarray(image) + noise)


def _to_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
