"""Bytes of a photo become an upright sRGB array, whatever a stranger sent. Nothing is written anywhere.

The type is told from the content, never from a name. Each decoder is called by itself instead of through
`Image.open`: nothing has to be registered in Pillow for the whole process, no other of Pillow's forty formats can
be reached, and an oversized header is refused without Pillow's warning about it.
"""

import io
import logging
import math
import warnings
from dataclasses import dataclass

import numpy as np
import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from model_store import cpus, dicom, parts
from model_store.errors import PhotoError

# Left alone, one takes the host's processors and the other four, whatever the container's quota.
AvifImagePlugin.DEFAULT_MAX_THREADS = pillow_heif.options.DECODE_THREADS = cpus.available()

# Pillow warns of every entry of EXIF that it cannot read: 65,535 lines in the log for one photo, about what is in it.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Whoever lets the log tell everything would read the place where each photo was taken.
logging.getLogger("PIL").setLevel(logging.WARNING)

LIMIT_MEGAPIXELS = 50  # the largest phone sensors in wide use store 48 or 50 megapixels
# Their decoders hold several copies of the whole picture; at these sizes they need as much memory as a PNG of 50.
_LIMIT_MEGAPIXELS_OF = {WebPImageFile: 16, AvifImageFile: 26, HeifImageFile: 38}
_LIMIT_MEGAPIXELS_CMYK = 32
# With more than 8 bits, transparency, or colour at full resolution, each copy of a HEIC is larger.
_LIMIT_MEGAPIXELS_RICH_HEIC = 14
LIMIT_PX = 64  # a shorter side below this shows no structure of a lesion

# A side may be decoded smaller, but never below this: twice the resolution that photos are compared at.
_KEPT_PX = 512
# Unless it would be one of a very long strip, of which the middle is looked at.
_KEPT_PIXELS = 8_000_000
_BAND_ROWS = 64  # a large photo is scaled down in bands of so many rows, since most steps copy what they change

# Each scan goes over every pixel again: 16 of them over 50 megapixels, or 66 over 12, take about a second.
_LIMIT_SCANNED_MEGAPIXELS = 800

SIGNATURE_BYTES = 132  # how much of a file tells its type: DICOM's stands last, behind 128 bytes of anything
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}

_UPRIGHT = {  # EXIF 2.32, tag 0x0112
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        rgb: shape (H, W, 3), uint8, upright sRGB.
        notes: what was changed on the way, in order, of "first_of_several", "16_bit", "scaled_down", "rotated",
            "transparency", "colour_profile", "colour_profile_unreadable", "cmyk", "greyscale".
    """

    rgb: np.ndarray
    notes: tuple[str, ...] = ()


def open_photo(data: bytes) -> Photo:
    """Decode a JPEG, PNG, WebP, HEIC or AVIF photo, or the one in a DICOM file.

    Orientation and colour profile are applied, transparency lies on white, 16 bits become 8, greyscale and CMYK become
    RGB, and of several frames the first (in HEIC the primary one) is taken. A photo with both sides of 1024 px or more
    is scaled down by a whole factor, to sides of 512 px or more: the network is shown half of that, and decoding costs
    a fraction. So is a long strip of more than 8 megapixels. A plain 8-bit RGB file below that gives exactly the
    decoder's pixels.

    Args:
        data: the whole file.

    Returns:
        The photo, as its viewer would see it.

    Raises:
        PhotoError: `empty_file`; `unsupported_format` (none of the six); `image_too_large` (more than
            `limit_megapixels`, told from the header; fewer for a JPEG of unusually many scans); `image_too_small` (a
            side below `limit_px`); `damaged_image` (cut off, not what its header says, or of far too many parts).
    """
    notes: list[str] = []
    with _read_header(data, notes) as image:
        _check_size(image)
        _decode(image, notes)
        _check_size(image)  # a HEIC's header may have promised another size
        orientation, profile = _orientation(image), image.info.get("icc_profile")
        pixels = _scale_down(image, notes)
        pixels = _turn_upright(pixels, orientation, notes)
        pixels = _lay_on_white(pixels, notes)
        pixels = _to_srgb(pixels, profile, notes)
        return Photo(np.asarray(pixels), tuple(notes))  # not a copy; it cannot be written to


def is_known(start: bytes) -> bool:
    """Whether a file whose first `SIGNATURE_BYTES` these are is of a type that `open_photo` reads."""
    return dicom.is_dicom(start) or _decoder(start) is not None


def _decoder(data: bytes) -> type[ImageFile] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 128)
        brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return AvifImageFile
        if brands & _HEIF_BRANDS:
            return HeifImageFile
    return None


def _read_header(data: bytes, notes: list[str]) -> Image.Image:
    if not data:
        raise PhotoError("empty_file")
    if dicom.is_dicom(data):
        picture = dicom.first_picture(data)
        if picture.several:
            notes.append("first_of_several")
        if picture.image:
            return picture.image
        data = picture.jpeg
    decoder = _decoder(data)
    if decoder is None:
        raise PhotoError("unsupported_format")
    scans = parts.count_scans(data) if decoder is JpegImageFile else 0
    if decoder is PngImageFile:
        parts.check_chunks(data)
    elif decoder in (HeifImageFile, AvifImageFile):
        parts.check_boxes(data)
    try:
        image = decoder(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise PhotoError("image_too_large", limit_megapixels=LIMIT_MEGAPIXELS) from error
    except Exception as error:  # on hostile bytes a decoder raises whatever comes
        raise PhotoError("damaged_image") from error
    if scans:
        _check_scans(scans, image.size)
    return image


def _check_scans(scans: int, size: tuple[int, int]) -> None:
    width, height = size
    if scans * width * height > _LIMIT_SCANNED_MEGAPIXELS * 1_000_000:
        limit = min(LIMIT_MEGAPIXELS, _LIMIT_SCANNED_MEGAPIXELS // scans)
        raise PhotoError("image_too_large", limit_megapixels=limit)


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    limit = _limit_megapixels(image)
    if width * height > limit * 1_000_000:
        raise PhotoError("image_too_large", limit_megapixels=limit)
    if min(width, height) < LIMIT_PX:
        raise PhotoError("image_too_small", limit_px=LIMIT_PX)


def _limit_megapixels(image: Image.Image) -> int:
    if image.mode == "CMYK":
        return _LIMIT_MEGAPIXELS_CMYK
    if isinstance(image, HeifImageFile) and not _is_plain(image):
        return _LIMIT_MEGAPIXELS_RICH_HEIC
    return _LIMIT_MEGAPIXELS_OF.get(type(image), LIMIT_MEGAPIXELS)


def _is_plain(heic: HeifImageFile) -> bool:
    """Whether a HEIC is stored as nearly every phone does: 8 bits, opaque, colour at half the resolution."""
    return heic.info.get("bit_depth") == 8 and heic.mode != "RGBA" and heic.info.get("chroma") in (400, 420)


def _decode(image: Image.Image, notes: list[str]) -> None:
    if getattr(image, "n_frames", 1) > 1:
        notes.append("first_of_several")
    full_size = image.size
    if isinstance(image, JpegImageFile):  # it scales by halves while decoding, which saves most of the work
        factor = _factor(full_size)
        image.draft(None, (full_size[0] // factor, full_size[1] // factor))
    if image.size != full_size:
        notes.append("scaled_down")
    try:
        image.load()
    except Exception as error:  # on hostile bytes a decoder raises whatever comes
        raise PhotoError("damaged_image") from error


def _factor(size: tuple[int, int]) -> int:
    """By how much a photo is scaled down; 1 leaves it alone."""
    width, height = size
    return max(1, min(size) // _KEPT_PX, math.ceil(math.sqrt(width * height / _KEPT_PIXELS)))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # unreadable EXIF says nothing about the pixels
        return 1


def _to_8_bits(image: Image.Image, notes: list[str]) -> Image.Image:
    """Bring any mode to L, LA, RGB, RGBA or CMYK, 8 bits a channel."""
    if image.mode.startswith("I;16"):
        if "16_bit" not in notes:
            notes.append("16_bit")
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # the high byte, as Pillow does for colour
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        return image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _scale_down(image: Image.Image, notes: list[str]) -> Image.Image:
    """Bring a photo to 8 bits and, if it is large, down by a whole factor."""
    factor = _factor(image.size)
    if factor == 1:
        return _to_8_bits(image, notes)
    width, height = image.size
    rows = _BAND_ROWS * factor
    bands = [
        _to_8_bits(image.crop((0, top, width, min(top + rows, height))), notes).reduce(factor)
        for top in range(0, height, rows)
    ]
    if "scaled_down" not in notes:
        notes.append("scaled_down")
    small = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    for number, band in enumerate(bands):
        small.paste(band, (0, number * _BAND_ROWS))
    return small


def _turn_upright(image: Image.Image, orientation: int, notes: list[str]) -> Image.Image:
    if orientation not in _UPRIGHT:
        return image
    notes.append("rotated")
    return image.transpose(_UPRIGHT[orientation])


def _lay_on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    if image.getchannel("A").getextrema() != (255, 255):
        notes.append("transparency")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert(image.mode.removesuffix("A"))


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if image.mode != "RGB":
        notes.append("cmyk" if image.mode == "CMYK" else "greyscale")
    if not profile:
        return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image  # converting would only add rounding
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # browsers too show a photo whose profile is broken or meant for another colour space
        notes.append("colour_profile_unreadable")
        return image.convert("RGB")
    notes.append("colour_profile")
    return converted
