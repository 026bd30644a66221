"""Whole files in which one part stands again and again, up to the limit of an upload; parsers take each by itself."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from app.config import Config

UPLOAD_BYTES = Config().max_upload_mb * 1_000_000
_BOXES_OF_BOXES = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"moov": 8}  # name to bytes of its head
_LONG_HEADS = (b"OB", b"OW", b"SQ", b"UN", b"UT")
_ITEM, _PIXEL_DATA = b"\xfe\xff\x00\xe0", b"\xe0\x7f\x10\x00"


def fill(kind: str, data: bytes, generator: np.random.Generator) -> bytes:
    """Repeat one segment, chunk, box, element or item of a file where it stands, half of the time an empty one."""
    parts = list(_PARTS[kind](data))
    start, end, empty, outer = parts[generator.integers(len(parts))]
    part = empty if generator.random() < 0.5 else data[start:end]
    filling = part * ((UPLOAD_BYTES - len(data)) // len(part))
    filled = bytearray(data[:start] + filling + data[start:])
    for place, form in outer:
        (size,) = struct.unpack_from(form, filled, place)
        struct.pack_into(form, filled, place, size + len(filling))
    return bytes(filled)


# Each gives, of every part: where it starts and ends, an empty one of its kind, and, of what it lies in, where the
# lengths stand, with their form.
Part = tuple[int, int, bytes, list[tuple[int, str]]]


def _segments(jpeg: bytes) -> Iterator[Part]:
    place = 2
    while jpeg[place] == 0xFF and jpeg[place + 1] != 0xD9:
        end = place + 2 + struct.unpack_from(">H", jpeg, place + 2)[0]
        yield place, end, jpeg[place : place + 2] + b"\0\2", []
        yield place, place + 1, jpeg[place : place + 1], []  # fill bytes
        if jpeg[place + 1] == 0xDA:
            return
        place = end


def _chunks(png: bytes) -> Iterator[Part]:
    place = 8
    while place < len(png):
        end = place + 12 + struct.unpack_from(">I", png, place)[0]
        name = png[place + 4 : place + 8]
        yield place, end, b"\0\0\0\0" + name + struct.pack(">I", zlib.crc32(name)), []
        place = end


def _riff(webp: bytes) -> Iterator[Part]:
    place = 12
    while place < len(webp):
        size = struct.unpack_from("<I", webp, place + 4)[0]
        end = place + 8 + size + size % 2
        yield place, end, webp[place : place + 4] + b"\0\0\0\0", [(4, "<I")]
        place = end


def _boxes(heif: bytes, place: int = 0, end: int | None = None, outer: tuple = ()) -> Iterator[Part]:
    end = len(heif) if end is None else end
    while place + 8 <= end:
        size, name = struct.unpack_from(">I", heif, place)[0] or end - place, heif[place + 4 : place + 8]
        yield place, place + size, b"\0\0\0\x08" + name, list(outer)
        if name in _BOXES_OF_BOXES:
            yield from _boxes(heif, place + _BOXES_OF_BOXES[name], place + size, (*outer, (place, ">I")))
        place += size


def _elements(dicom: bytes) -> Iterator[Part]:
    place, items = 132, _ITEM + b"\0\0\0\0"
    while place < len(dicom):
        kind = dicom[place + 4 : place + 6]
        head = 12 if kind in _LONG_HEADS else 8
        size = struct.unpack_from("<I" if head == 12 else "<H", dicom, place + head - (4 if head == 12 else 2))[0]
        if dicom[place : place + 4] == _PIXEL_DATA:
            if size == 0xFFFFFFFF:
                last = dicom.rindex(b"\xfe\xff\xdd\xe0")
                yield last, last + 8, items, []
            return
        end = place + head + size
        yield place, end, dicom[place : place + 6] + bytes(head - 6), []
        # A sequence that is never closed: what comes are items to its reader, whatever else they are.
        yield place, end, dicom[place : place + 4] + b"SQ\0\0\xff\xff\xff\xff" + items * 200_000, []
        place = end


_PARTS = {
    "JPEG": _segments,
    "PNG": _chunks,
    "WebP": _riff,
    "HEIC": _boxes,
    "AVIF": _boxes,
    "DICOM": _elements,
}
