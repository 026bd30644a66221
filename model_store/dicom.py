"""The first picture of a DICOM file of visible light or dermoscopy; nothing else in the file is read.

Only what describes the pixels is looked at: names, dates and numbers of a patient are passed over. Pictures come as
plain 8-bit pixels or as one JPEG a frame, which is what cameras and dermatoscopes write; deflated files, the other
compressions (RLE, JPEG 2000, JPEG-LS, video) and other kinds of pixels are refused by name.
"""

import io
import logging
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.filereader import data_element_generator
from pydicom.uid import UID

from model_store.errors import PhotoError

_START = 132  # a preamble of 128 bytes, then "DICM" (PS3.10, section 7.1)
_HEADER_BYTES = 1_000_000  # the list of elements before the pixels; a hostile one may not take seconds to read
# An element or an item of a sequence is read in one to four pieces; a photo has a few hundred of both.
_LIMIT_READS = 20_000
_LIMIT_FRAGMENTS = 50_000  # of the pixels: 400 bytes each in a file of 20 MB
_ITEM = b"\xfe\xff\x00\xe0"
_IMPLICIT, _EXPLICIT, _JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
_TRANSFER_SYNTAX = 0x00020010
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_TAGS = {
    "samples": 0x00280002,
    "colours": 0x00280004,
    "planar": 0x00280006,
    "frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "bits": 0x00280100,
}
_MODES = {"RGB": "RGB", "YBR_FULL": "YCbCr", "MONOCHROME1": "L", "MONOCHROME2": "L"}
# What a JPEG decoder would show as it is, in wrong colours: brightness turned round, and numbers of colours in a table.
_NOT_IN_JPEG = ("MONOCHROME1", "PALETTE COLOR")
_OTHER_COLOURS = (*_NOT_IN_JPEG, "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB")
# An Adobe segment that says "these are red, green and blue" to a JPEG decoder, which would else take them for YCbCr.
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

# pydicom warns of what it cannot read by quoting it, and it may be somebody's name.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\.")


@dataclass(frozen=True)
class Picture:
    """The first frame: a JPEG file, or else an image of mode RGB, YCbCr or L; `several` tells of further frames."""

    jpeg: bytes
    image: Image.Image | None
    several: bool


def is_dicom(data: bytes) -> bool:
    """Whether a file begins as DICOM does."""
    return data[_START - 4 : _START] == b"DICM"


def first_picture(data: bytes) -> Picture:
    """Take the first frame out of a DICOM file.

    Args:
        data: the whole file, one that `is_dicom`.

    Raises:
        PhotoError: `unsupported_format` (another compression, or other pixels than 8-bit colour or grey), with the
            `encoding` that is not read; `damaged_image`.
    """
    try:
        syntax = _transfer_syntax(data)
        if syntax not in (_IMPLICIT, _EXPLICIT, _JPEG):
            raise PhotoError("unsupported_format", encoding=_name_of(syntax))
        values, place = _description(data, implicit=syntax == _IMPLICIT)
        several = values["frames"] > 1
        if syntax == _JPEG:
            return Picture(_jpeg(data[place + 12 :], values), None, several)
        # Tag and length, and in explicit files a type and two empty bytes between them.
        return Picture(b"", _plain(data[place + (8 if syntax == _IMPLICIT else 12) :], values), several)
    except PhotoError:
        raise
    except Exception as error:  # on hostile bytes a reader raises whatever comes
        raise PhotoError("damaged_image") from error


class _Header(io.BytesIO):
    """The elements before the pixels; who reads it in too many pieces is stopped, whatever pydicom takes them for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data[_START : _START + _HEADER_BYTES])
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > _LIMIT_READS:
            raise PhotoError("damaged_image")
        return super().read(size)


def _transfer_syntax(data: bytes) -> str:
    # Read by itself: pydicom would unpack a deflated file, however large, before anybody could look at it.
    elements = data_element_generator(_Header(data), False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    return next(_text(one.value) for one in elements if one.tag == _TRANSFER_SYNTAX)


def _description(data: bytes, implicit: bool) -> tuple[dict, int]:
    """Whatever describes the pixels, and where in the file their element begins."""
    header = _Header(data)
    for _ in data_element_generator(header, False, True, stop_when=lambda tag, *_: tag >> 16 != 2):
        pass
    elements = data_element_generator(
        header, implicit, True, stop_when=lambda tag, *_: tag >= 0x7FE00000, specific_tags=list(_TAGS.values())
    )
    found = {one.tag: one.value for one in elements}
    place = _START + header.tell()
    if data[place : place + 4] != _PIXEL_DATA:
        raise PhotoError("damaged_image")
    values = {name: found.get(tag) for name, tag in _TAGS.items()}
    return {
        **{name: int.from_bytes((values[name] or b"")[:2], "little") for name in _TAGS},
        "colours": _text(values["colours"] or b""),
        "frames": int(_text(values["frames"] or b"1")),
    }, place


def _jpeg(encapsulated: bytes, values: dict) -> bytes:
    # In front of the pixels stands a table with 4 bytes for each frame.
    table_bytes = int.from_bytes(encapsulated[4:8], "little")
    if max(encapsulated.count(_ITEM), table_bytes // 4) > _LIMIT_FRAGMENTS:
        raise PhotoError("damaged_image")
    frame = get_frame(encapsulated, 0, number_of_frames=values["frames"])
    if not frame.startswith(b"\xff\xd8\xff"):
        raise PhotoError("damaged_image")
    if values["colours"] in _NOT_IN_JPEG:
        raise PhotoError("unsupported_format", encoding=values["colours"])
    return frame[:2] + _ADOBE_RGB + frame[2:] if values["colours"] == "RGB" else frame


def _plain(pixels: bytes, values: dict) -> Image.Image:
    mode = _MODES.get(values["colours"])
    samples = 1 if mode == "L" else 3
    if values["bits"] != 8:
        raise PhotoError("unsupported_format", encoding=f"{values['bits']} bits")
    if mode is None or values["samples"] != samples:
        known = values["colours"] in _OTHER_COLOURS  # never a text of the file's own
        raise PhotoError("unsupported_format", encoding=values["colours"] if known else "unknown colours")
    rows, columns = values["rows"], values["columns"]
    first = np.frombuffer(pixels[: rows * columns * samples], np.uint8)
    if values["planar"] and samples == 3:
        first = first.reshape(samples, rows, columns).transpose(1, 2, 0)
    else:
        first = first.reshape(rows, columns, samples)
    if values["colours"] == "MONOCHROME1":  # its 0 is white
        first = 255 - first
    size = (columns, rows)
    return Image.frombytes(mode, size, np.ascontiguousarray(first).tobytes())


def _name_of(syntax: str) -> str:
    name = UID(syntax).name
    return "unknown" if name == syntax else name  # never a text of the file's own


def _text(value: bytes) -> str:
    return value.decode("ascii").strip(" \0")
