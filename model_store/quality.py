"""Judges the photo alone, before any network sees it: can it be judged at all, and is it a close-up of skin?

Everything is measured on a copy of 192 x 192 pixels, so a verdict does not depend on the camera's megapixels and
costs milliseconds. What looks like a lesion and is none (a cat's fur, a burn) is left to the out-of-distribution score.

The limits were set in November 2026 on 2,500 ISIC 2019 crops, 1,175 whole dermoscopy frames and 660 PAD-UFES-20
phone photos: each hard limit lies where at most 2 in 1,000 of a set are beyond it, and together they refuse at most 4
in 1,000 of a set. Dark skin is rare in all three, so darkness is judged far more generously than that. Blur was set by
softening the same photos: a Gaussian of 1 px of the copy refuses hardly any, one of 3 px more than nine in ten of each.
"""

from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

from model_store.images import Photo

_SIDE_PX = 192
_BLOCK_PX = 12
_BLACK = 15  # a dermoscope's round field of view lies in black corners, which say nothing about the exposure

# Hues of skin and of what grows on it, as angles in the plane of YCbCr's -Cb (0 degrees) and Cr (90 degrees): from
# yellow over orange and red to the violet that polarized light gives. Green, cyan and blue lie outside.
_SKIN_HUES = (-10.0, 160.0)


@dataclass(frozen=True)
class Measurements:
    """What was measured on the small copy.

    Attributes:
        shorter_side_px: of the photo itself.
        brightness: mean luma of what is not black, 0 to 255.
        black_share, white_share: of the picture's area; white is 250 or more in every channel.
        colourfulness: mean distance from grey in YCbCr, 0 to about 180.
        colour_spread: how far the colours of different places lie apart: standard deviation over blocks, same unit.
        foreign_share: share of the area that is clearly green, cyan or blue.
        busy_share: share of blocks with strong contrast inside, standard deviation of luma above 30.
        relief: the contrast inside the block at the 90th percentile, luma.
        sharpness: the Laplacian at the 99th percentile, luma.
    """

    shorter_side_px: float
    brightness: float
    black_share: float
    white_share: float
    colourfulness: float
    colour_spread: float
    foreign_share: float
    busy_share: float
    relief: float
    sharpness: float


@dataclass(frozen=True)
class Limit:
    """Beyond `hard` a photo cannot be judged; beyond `mild` its sender should know. `above` says which side is bad."""

    code: str
    measurement: str
    above: bool
    hard: float | None
    mild: float | None


# Several limits may share a code. The first hard one that is broken is the reason given, so what is most useful to
# hear comes first: a picture taken in the dark has no colours either, but the light is what to change.
LIMITS = (
    Limit("too_dark", "brightness", above=False, hard=40, mild=60),
    Limit("too_dark", "black_share", above=True, hard=0.75, mild=None),
    Limit("too_bright", "brightness", above=True, hard=235, mild=215),
    Limit("no_colour", "colourfulness", above=False, hard=2.2, mild=None),
    Limit("not_skin", "colourfulness", above=True, hard=68, mild=None),
    # Not lower: red, black and white in one bleeding tumour reach about 25, and refusing that one would be the worst.
    Limit("not_skin", "colour_spread", above=True, hard=30, mild=None),
    Limit("not_skin", "foreign_share", above=True, hard=0.5, mild=0.3),
    Limit("not_a_close_up", "busy_share", above=True, hard=0.2, mild=0.12),
    Limit("featureless", "relief", above=False, hard=2.3, mild=None),
    Limit("blurred", "sharpness", above=False, hard=6, mild=11),
    Limit("glare", "white_share", above=True, hard=0.3, mild=0.03),
    Limit("low_resolution", "shorter_side_px", above=False, hard=None, mild=_SIDE_PX),
)

# Nothing is measured here: whatever the other pictures of the file show, nobody looked at it.
FIRST_OF_SEVERAL = "first_of_several"
FINDING_CODES = frozenset({FIRST_OF_SEVERAL, *(limit.code for limit in LIMITS)})


@dataclass(frozen=True)
class Finding:
    """Something about a photo that its sender can mend. A mild one only asks for a better photo."""

    code: str
    mild: bool


@dataclass(frozen=True)
class Quality:
    """The verdict on one photo: at most one finding a code, the hard ones first; none is the best."""

    findings: tuple[Finding, ...]
    measurements: Measurements

    @property
    def severe(self) -> tuple[str, ...]:
        """The codes of the findings that make the photo useless."""
        return tuple(finding.code for finding in self.findings if not finding.mild)

    @property
    def mild(self) -> tuple[str, ...]:
        """The codes of those that only make the answer less sure."""
        return tuple(finding.code for finding in self.findings if finding.mild)


def assess(photo: Photo) -> Quality:
    """Judge a photo by `LIMITS`, and remark on one that was not the only picture of its file.

    Args:
        photo: any size from `images.open_photo`.

    Returns:
        Its findings and what they rest on.
    """
    measurements = measure(photo)
    verdicts = {FIRST_OF_SEVERAL: True} if FIRST_OF_SEVERAL in photo.notes else {}
    for limit in LIMITS:
        value = getattr(measurements, limit.measurement)
        if _beyond(value, limit.hard, limit.above):
            verdicts[limit.code] = False
        elif _beyond(value, limit.mild, limit.above):
            verdicts.setdefault(limit.code, True)
    findings = [Finding(code, mild) for code, mild in verdicts.items()]
    return Quality(tuple(sorted(findings, key=lambda finding: finding.mild)), measurements)


def measure(photo: Photo) -> Measurements:
    """Measure a photo on its small copy; see `Measurements`."""
    shorter_side_px = min(photo.rgb.shape[:2])
    rgb = _copy(photo, _SIDE_PX)
    # A photo smaller than the copy would look blurred for being enlarged, so sharpness is measured at its own size.
    sharpness_rgb = rgb if shorter_side_px >= _SIDE_PX else _copy(photo, shorter_side_px)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = _luma(rgb)
    minus_cb = 0.168736 * red + 0.331264 * green - 0.5 * blue
    cr = 0.5 * red - 0.418688 * green - 0.081312 * blue
    chroma = np.hypot(minus_cb, cr)
    hue = np.degrees(np.arctan2(cr, minus_cb))
    foreign = (chroma > 16) & ((hue < _SKIN_HUES[0]) | (hue > _SKIN_HUES[1]))
    lit = luma >= _BLACK
    lit_or_all = lit if lit.any() else np.ones_like(lit)
    lit_blocks = _blocks(lit).all(axis=(1, 3))  # the black corners' edge would count as contrast
    if not lit_blocks.any():
        lit_blocks = np.ones_like(lit_blocks)
    contrast = _blocks(luma).std(axis=(1, 3))[lit_blocks]
    colours = np.stack([_blocks(plane).mean(axis=(1, 3))[lit_blocks] for plane in (minus_cb, cr)])
    values = {
        "shorter_side_px": shorter_side_px,
        "brightness": luma[lit_or_all].mean(),
        "black_share": 1 - lit.mean(),
        "white_share": ((red >= 250) & (green >= 250) & (blue >= 250)).mean(),  # over a short axis NumPy is slow
        "colourfulness": chroma[lit_or_all].mean(),
        "colour_spread": np.sqrt(colours.var(axis=1).sum()),
        "foreign_share": foreign[lit_or_all].mean(),
        "busy_share": (contrast > 30).sum() / lit_blocks.size,
        "relief": np.percentile(contrast, 90),
        "sharpness": np.percentile(np.abs(_laplacian(_luma(sharpness_rgb))), 99),
    }
    return Measurements(**{field.name: float(values[field.name]) for field in fields(Measurements)})


def _copy(photo: Photo, side_px: int) -> np.ndarray:
    resampling = Image.Resampling.BOX if min(photo.rgb.shape[:2]) >= side_px else Image.Resampling.BICUBIC
    copy = Image.fromarray(photo.rgb).resize((side_px, side_px), resampling, reducing_gap=2.0)
    return np.asarray(copy, dtype=np.float32)


def _luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def _beyond(value: float, limit: float | None, above: bool) -> bool:
    return limit is not None and (value > limit if above else value < limit)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Cut a square plane into blocks: axes 0 and 2 count them, 1 and 3 run inside one."""
    count = len(plane) // _BLOCK_PX
    return plane.reshape(count, _BLOCK_PX, count, _BLOCK_PX)


def _laplacian(plane: np.ndarray) -> np.ndarray:
    middle = plane[1:-1, 1:-1]
    return 4 * middle - plane[:-2, 1:-1] - plane[2:, 1:-1] - plane[1:-1, :-2] - plane[1:-1, 2:]
