"""How many parts a photo's file is made of, counted before a decoder is let at it.

Pillow reads the parts in front of the pixels one by one in Python and keeps most of them: millions of empty ones, which
no camera and no program writes, would hold a thread for half a minute; libavif keeps a record of each property. Here
the lengths that the parts state lead from one to the next, as in the decoders, and a limit ends it in milliseconds.
WebP has none: libwebp needs a quarter of a second for 20 MB of empty chunks.
"""

import re

from PIL.JpegImagePlugin import MARKER

from model_store.errors import PhotoError

# Of a JPEG: segments, and the blocks that Photoshop keeps in one. A photo of 20 MB that carries a second picture has
# about 300 segments of 64 kB; one without, 30 at most.
LIMIT_SEGMENTS = 2_000
LIMIT_SCANS = 100  # an encoder writes about ten; thousands, each over the whole picture, would decode for minutes
_LIMIT_PADDING_BYTES = 65_536  # of what lies between segments; Pillow takes it byte by byte
_LIMIT_TABLE_BYTES = 65_536  # of segments that describe the coding; a file has about 1 kB, and Pillow makes lists of it
_LIMIT_EXIF_BYTES = 1_000_000  # of all its segments, to which Pillow adds each by a copy; one is 64 kB at most
_END, _SCAN, _PHOTOSHOP = 0xD9, 0xDA, 0xED
# What Pillow takes for a marker in front of the first scan, and which of them have no length for it.
_HEADER_MARKER = re.compile(rb"\xff[^\x00\xff]")
_WITH_LENGTH = {number & 0xFF for number, (_, _, handler) in MARKER.items() if handler}
_KEPT = {*range(0xE0, 0xF0), 0xFE}  # application segments and comments
# Within scans every marker with a length, and the end. FF 00 is data; FF 01 and FF D0 to D8 stand alone (ITU-T T.81,
# table B.1).
_SCAN_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")

# Of a PNG: the pixels of a large one come in 2,500 chunks of 8 kB, as libpng writes them; some programs write 1 kB.
LIMIT_CHUNKS = 20_000
_PIXELS = (b"IDAT", b"fdAT", b"fcTL")
LIMIT_OTHER_CHUNKS = 1_000
_UNPACKED = (b"iCCP", b"zTXt", b"iTXt")  # each may unpack to 1 MB
LIMIT_UNPACKED_CHUNKS = 50

# Of a HEIC or AVIF: boxes beside each other, and the bytes of those that list pictures and their properties. A photo of
# 48 megapixels in 200 tiles has a list of 10 kB.
LIMIT_BOXES = 1_000
LIMIT_LIST_BYTES = 1_000_000
_LISTS = (b"meta", b"moov")


def count_scans(jpeg: bytes) -> int:
    """How many scans a JPEG has; what lies behind its end, as the video of a motion photo, is not looked at.

    Raises:
        PhotoError: `damaged_image`: it has more parts than any photo, or one shorter than its own length field.
    """
    place, first_scan, segments = _walk_header(jpeg)
    if not first_scan:
        return 0
    scans = 1
    marker = _SCAN_MARKER.search(jpeg, place)
    while marker and jpeg[marker.start() + 1] != _END:
        scans += jpeg[marker.start() + 1] == _SCAN
        segments += 1
        _refuse_if(scans > LIMIT_SCANS or segments > LIMIT_SEGMENTS)
        marker = _SCAN_MARKER.search(jpeg, _end(jpeg, marker.start()))
    return scans


def _walk_header(jpeg: bytes) -> tuple[int, bool, int]:
    """Where the header of the first scan ends, whether there is one, and how many parts lie before it."""
    place, parts, padding, table_bytes, exif_bytes = 2, 0, 0, 0, 0
    while marker := _HEADER_MARKER.search(jpeg, place):
        start, kind = marker.start(), jpeg[marker.start() + 1]
        end = _end(jpeg, start) if kind in _WITH_LENGTH else start + 2
        parts += 1
        padding += start - place
        if kind not in _KEPT:
            table_bytes += end - start
        elif kind == _PHOTOSHOP:
            parts += jpeg.count(b"8BIM", start, end)
        elif jpeg.startswith(b"Exif\0\0", start + 4):
            exif_bytes += end - start
        _refuse_if(parts > LIMIT_SEGMENTS or padding > _LIMIT_PADDING_BYTES)
        _refuse_if(table_bytes > _LIMIT_TABLE_BYTES or exif_bytes > _LIMIT_EXIF_BYTES)
        place = end
        if kind == _SCAN:
            return place, True, parts
    _refuse_if(len(jpeg) - place > _LIMIT_PADDING_BYTES)
    return place, False, parts


def _end(jpeg: bytes, start: int) -> int:
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    _refuse_if(length < 2)  # it counts its own two bytes
    return start + 2 + length


def check_chunks(png: bytes) -> None:
    """Look at how many chunks a PNG has, up to its end.

    Raises:
        PhotoError: `damaged_image`: it has more than any photo.
    """
    place, chunks, others, unpacked = 8, 0, 0, 0
    while place + 8 <= len(png):
        length, name = int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        if name == b"IEND":
            return
        chunks += 1
        others += name not in _PIXELS
        unpacked += name in _UNPACKED
        _refuse_if(chunks > LIMIT_CHUNKS or others > LIMIT_OTHER_CHUNKS or unpacked > LIMIT_UNPACKED_CHUNKS)
        place += length + 12


def check_boxes(heif: bytes) -> None:
    """Look at how many boxes a HEIC or AVIF has, and how long its lists are.

    Raises:
        PhotoError: `damaged_image`: there is more than in any photo.
    """
    place, boxes, size = 0, 0, 8
    while size >= 8 and place + 8 <= len(heif):  # what some phones append is no box
        size, name = int.from_bytes(heif[place : place + 4], "big"), heif[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(heif[place + 8 : place + 16], "big")
        elif size == 0:  # up to the end
            size = len(heif) - place
        boxes += 1
        _refuse_if(boxes > LIMIT_BOXES or (name in _LISTS and size > LIMIT_LIST_BYTES))
        place += size


def _refuse_if(beyond: bool) -> None:
    if beyond:
        raise PhotoError("damaged_image")
