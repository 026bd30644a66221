"""A file made of millions of parts is refused at once; one of as many as a camera or a program writes is read."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from pillow_heif import from_pillow

from model_store import parts
from model_store.images import open_photo
from tests.refusals import refuse_at_once

ROOT = Path(__file__).parent.parent.parent
UPLOAD_BYTES = 19_900_000


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return Image.linear_gradient("L").resize((400, 300)).convert("RGB")


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def segment(kind: int, body: bytes = b"") -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def box(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


IN_HEADER = {
    "application segments": segment(0xE0),
    "comments": segment(0xFE),
    "tables of nothing": segment(0xDB),
    "fill bytes": b"\xff\xff\xff\xff",
    "escaped bytes": b"\xff\x00",
    "zeros": b"\0\0\0\0",
    "ends": b"\xff\xd9",
    "restarts": b"\xff\xd0",
    "extensions, which have no length for Pillow": b"\xff\xf0\xff\xff" + segment(0xE0) * 16_000,
    "full tables": segment(0xDB, bytes(65) * 1008),
    "frames of 21,842 channels": segment(0xC0, struct.pack(">BHHB", 8, 300, 400, 3) + b"\1\x11\0" * 21_842),
    "Photoshop's blocks": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\1\0\0\0\0\0\0" * 5400),
    "EXIF": segment(0xE1, b"Exif\0\0" + bytes(10_000)),
}


@pytest.mark.parametrize("part", IN_HEADER.values(), ids=IN_HEADER)
def test_a_jpeg_with_one_part_again_and_again_is_refused(scene, part):
    jpeg = encode(scene, "JPEG")
    refuse_at_once(jpeg[:20] + part * (UPLOAD_BYTES // len(part)) + jpeg[20:])  # behind the JFIF segment


def test_a_jpeg_with_endless_segments_between_scans_is_refused(scene):
    refuse_at_once(encode(scene, "JPEG")[:-2] + segment(0xE0) * (UPLOAD_BYTES // 4) + b"\xff\xd9")


def test_a_jpeg_without_a_scan_is_refused(scene):
    jpeg = encode(scene, "JPEG")
    refuse_at_once(jpeg[: jpeg.rindex(b"\xff\xda")] + b"\0" * UPLOAD_BYTES)


def test_a_phones_jpeg_with_a_second_picture_in_its_header_is_read(scene):
    extended = b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)
    profile = b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 10]) + bytes(60_000)) for number in range(1, 11))
    exif = segment(0xE1, b"Exif\0\0" + bytes(65_000))
    jpeg = encode(scene, "JPEG", progressive=True)
    behind = segment(0xE1, extended) * 290 + profile + exif
    assert len(behind) > 19_000_000
    assert open_photo(jpeg[:20] + behind + jpeg[20:]).rgb.shape == (300, 400, 3)


def test_restarts_within_scans_are_no_segments(scene):
    jpeg = encode(scene.resize((1600, 1600)), "JPEG", progressive=True, restart_marker_blocks=1)
    assert sum(jpeg.count(bytes([0xFF, 0xD0 + number])) for number in range(8)) > parts.LIMIT_SEGMENTS
    assert open_photo(jpeg).rgb.shape == (800, 800, 3)


def test_a_second_picture_behind_a_jpeg_is_not_looked_at(scene):
    jpeg = encode(scene, "JPEG")
    assert open_photo(jpeg + jpeg * 2_000).rgb.shape == (300, 400, 3)


CHUNKS = {
    "unknown": chunk(b"aaAa"),
    "private": chunk(b"prVa"),
    "texts": chunk(b"tEXt", b"a\0b"),
    "profiles that unpack to 1 MB": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))),
    "texts that unpack to 1 MB and are no text": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"\xff" * 1_000_000)),
    "pixels of nothing": chunk(b"IDAT"),
}


@pytest.mark.parametrize("part", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("place", ["before the pixels", "behind them"])
def test_a_png_with_one_chunk_again_and_again_is_refused(scene, part, place):
    png = encode(scene, "PNG")
    at = png.index(b"IDAT") - 4 if place == "before the pixels" else len(png) - len(chunk(b"IEND"))
    refuse_at_once(png[:at] + part * (UPLOAD_BYTES // len(part)) + png[at:])


@pytest.mark.parametrize("size", [8192, 1024])
def test_a_png_of_20_mb_whose_pixels_come_in_small_chunks_is_read(size):
    image = Image.new("RGB", (2500, 2640))
    header, pixels = encode(image, "PNG")[:33], zlib.compress(bytes((1 + 2500 * 3) * 2640), level=0)
    assert len(pixels) > 19_500_000
    chunks = [chunk(b"IDAT", pixels[start : start + size]) for start in range(0, len(pixels), size)]
    assert open_photo(header + b"".join(chunks) + chunk(b"IEND")).notes == ("scaled_down",)


def test_what_lies_behind_the_end_of_a_png_is_not_looked_at(scene):
    assert open_photo(encode(scene, "PNG") + chunk(b"tIME") * 100_000).rgb.shape == (300, 400, 3)


def avif_with_properties(scene: Image.Image, filling: bytes) -> bytes:
    """An AVIF with more boxes in the list of its pictures' properties (ISO 23008-12, ipco)."""
    avif = bytearray(encode(scene, "AVIF"))
    for name in (b"meta", b"iprp", b"ipco"):
        start = avif.index(name) - 4
        size = struct.unpack_from(">I", avif, start)[0]
        struct.pack_into(">I", avif, start, size + len(filling))
    return bytes(avif[: start + size] + filling + avif[start + size :])


def test_an_avif_with_endless_properties_is_refused(scene):
    refuse_at_once(avif_with_properties(scene, box(b"free") * (UPLOAD_BYTES // 8)))


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_endless_boxes_behind_a_heic_or_avif_are_refused(scene, kind):
    file = io.BytesIO()
    from_pillow(scene).save(file) if kind == "HEIC" else scene.save(file, kind)
    refuse_at_once(file.getvalue() + box(b"free") * (UPLOAD_BYTES // 8))


@pytest.mark.parametrize("behind", [b"SEFT\0\0\0\0" * 50_000, box(b"mpvd", bytes(1_000_000)), bytes(100_000)])
def test_what_phones_append_to_a_heic_is_not_looked_at(scene, behind):
    file = io.BytesIO()
    from_pillow(scene).save(file)
    assert open_photo(file.getvalue() + behind).rgb.shape == (300, 400, 3)


def test_exif_that_cannot_be_read_puts_nothing_into_the_log(scene, tmp_path):
    entries = b"".join(struct.pack("<HHII", tag, 7, 1_000_000_000, 8) for tag in range(5_000))
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 5_000) + entries
    png = encode(scene, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(png[:33] + chunk(b"eXIf", exif) + png[33:])
    # In a process of its own, since pytest has its own way with warnings.
    code = (
        f"import pathlib; from model_store import images; images.open_photo(pathlib.Path({str(path)!r}).read_bytes())"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
