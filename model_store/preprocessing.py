"""A decoded photo becomes the network's input: the one way for training, command line and site.

Two steps, because training stores what lies between them:
    `to_common`: the photo's square at the resolution that all photos share, uint8.
    `to_input`: that square at the network's input size, float32.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

FITS = ("crop", "squash", "pad")
RESAMPLINGS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class InputSpec:
    """How a photo is prepared; part of the bundle.

    Attributes:
        size_px: side of the network's square input, pixels.
        fit: "crop" takes the centred square, "squash" changes the aspect, "pad" adds black borders.
        common_px: side that every photo is brought to first, pixels, so that a sharp 12-megapixel photo and a
            256-pixel crop look alike to the network.
        resampling: "bilinear" or "bicubic", for both steps.

    Raises:
        ValueError: a value is none of the above.
    """

    size_px: int = 380
    fit: str = "crop"
    common_px: int = 256
    resampling: str = "bicubic"

    def __post_init__(self) -> None:
        if self.fit not in FITS or self.resampling not in RESAMPLINGS:
            raise ValueError(f"unknown fit or resampling: {self.fit}, {self.resampling}")
        if min(self.size_px, self.common_px) < 1:
            raise ValueError("size_px and common_px must be positive")


def to_common(rgb: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Bring a photo to the square and the resolution that all photos share.

    Args:
        rgb: shape (H, W, 3), uint8, upright sRGB.
        spec: fit, common_px and resampling are used.

    Returns:
        Shape (common_px, common_px, 3), uint8.

    Raises:
        ValueError: `rgb` has another shape or dtype.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"expected uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}")
    return np.asarray(_resize(_square(rgb, spec.fit), spec.common_px, spec.resampling))


def to_input(common: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Bring the common square to the network's input.

    Args:
        common: shape (S, S, 3), uint8, from `to_common`.
        spec: size_px and resampling are used.

    Returns:
        Shape (size_px, size_px, 3), float32, whole numbers in [0, 255]; the network scales them itself.
    """
    return np.asarray(_resize(Image.fromarray(common), spec.size_px, spec.resampling), dtype=np.float32)


def prepare(rgb: np.ndarray, spec: InputSpec) -> np.ndarray:
    """`to_common`, then `to_input`: uint8 (H, W, 3) in, float32 (size_px, size_px, 3) in [0, 255] out."""
    return to_input(to_common(rgb, spec), spec)


def _square(rgb: np.ndarray, fit: str) -> Image.Image:
    height, width = rgb.shape[:2]
    side = min(width, height) if fit == "crop" else max(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if fit == "crop":
        return Image.fromarray(rgb[top : top + side, left : left + side])  # copied once; Pillow would crop a copy
    image = Image.fromarray(rgb)
    if fit == "squash" or width == height:
        return image
    return image.crop((left, top, left + side, top + side))  # beyond the photo's border Pillow gives black


def _resize(image: Image.Image, side_px: int, resampling: str) -> Image.Image:
    return image.resize((side_px, side_px), RESAMPLINGS[resampling])
