"""Damaged photos without end, each the same again for the same number: `make(number)`."""

import functools
import io
import struct
import zlib

import numpy as np
import pillow_heif
import pydicom
from PIL import Image, ImageChops
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from tests.fuzz.filled import fill

# What breaks parsers: nothing, one, the borders of signed and unsigned numbers.
BORDERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# One in so many is damaged from a photo of 12 megapixels or more; the others are small, so that there can be many.
LARGE_EVERY = 200
# One in so many is whole, but for one part that fills it up to the limit of an upload.
FILLED_EVERY = 50
LARGE = {
    "large JPEG": {"format": "JPEG", "quality": 90},
    "large progressive JPEG": {"format": "JPEG", "progressive": True, "subsampling": 0},
    "large PNG": {"format": "PNG", "compress_level": 1},
    "large WebP": {"format": "WEBP", "method": 0},
}
# Width and height below each one's limit. Nothing in them is sharp: a small file that takes much memory.
LARGE_SMOOTH = {"large HEIC": (7000, 5400), "large AVIF": (5960, 4360), "large DICOM": (8000, 6000)}
# Most of what a decoder trusts stands at the beginning.
HEAD_BYTES = 400


@functools.cache
def originals() -> dict[str, tuple[bytes, ...]]:
    """Whole files of every kind that the site reads, with each kind's variants."""
    noise = np.random.default_rng(0).integers(0, 256, size=(9, 12, 3), dtype=np.uint8)
    scene = Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (51.0, 10.0, 0.0)
    seen_through = scene.copy()
    seen_through.putalpha(scene.getchannel("R"))
    deep = Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257)
    more = [scene.rotate(angle) for angle in (90, 180)]
    return {
        "JPEG": (
            _file(scene, "JPEG", exif=exif),
            _file(scene, "JPEG", progressive=True, subsampling=0),
            _file(scene.convert("CMYK"), "JPEG"),
            _file(scene.convert("L"), "JPEG"),
        ),
        "PNG": (
            _file(scene, "PNG", exif=exif),
            _file(seen_through, "PNG"),
            _file(scene.quantize(16), "PNG", transparency=3),
            _file(deep, "PNG"),
            _file(scene, "PNG", save_all=True, append_images=more),
        ),
        "WebP": (
            _file(scene, "WEBP", exif=exif),
            _file(seen_through, "WEBP", lossless=True),
            _file(scene, "WEBP", save_all=True, append_images=more),
        ),
        "HEIC": (_heif(scene, exif), _heif(seen_through, exif)),
        "AVIF": (_file(scene, "AVIF", exif=exif), _file(scene, "AVIF", save_all=True, append_images=more)),
        "DICOM": (_dicom(scene, ExplicitVRLittleEndian), _dicom(scene, JPEGBaseline8Bit)),
    }


@functools.cache
def large(kind: str) -> bytes:
    """A whole photo, one of `LARGE`, of 12 megapixels with a camera's noise; or one of `LARGE_SMOOTH`."""
    generator = np.random.default_rng(0)
    few = Image.fromarray(generator.integers(0, 256, size=(9, 12, 3), dtype=np.uint8))
    if kind in LARGE_SMOOTH:
        return _smooth(few.resize(LARGE_SMOOTH[kind]), kind)
    noise = Image.fromarray(generator.integers(0, 12, size=(3000, 4000), dtype=np.uint8))
    return _file(ImageChops.subtract(few.resize((4000, 3000)), Image.merge("RGB", [noise] * 3)), **LARGE[kind])


def _smooth(image: Image.Image, kind: str) -> bytes:
    if kind == "large HEIC":
        return _heif(image, Image.Exif(), enc_params={"preset": "ultrafast"})
    if kind == "large AVIF":  # as much memory as AVIF takes: transparency, and colour at full resolution
        return _file(image.convert("RGBA"), "AVIF", speed=10, subsampling="4:4:4")
    return _dicom(image, JPEGBaseline8Bit)


def make(number: int, seed: int = 0) -> tuple[str, bytes]:
    """The damaged file of that number, and its kind; the kinds take turns."""
    generator = np.random.default_rng((seed, number))
    if number % FILLED_EVERY == FILLED_EVERY - 2:
        kinds = originals()
        kind = list(kinds)[number // FILLED_EVERY % len(kinds)]
        return f"filled {kind}", fill(kind, kinds[kind][generator.integers(len(kinds[kind]))], generator)
    if number % LARGE_EVERY == LARGE_EVERY - 1:
        kinds = [*LARGE, *LARGE_SMOOTH]
        kind = kinds[number // LARGE_EVERY % len(kinds)]
        data = bytearray(large(kind))
    else:
        files = originals()
        kind = list(files)[number % len(files)]
        data = bytearray(files[kind][generator.integers(len(files[kind]))])
    for _ in range(generator.integers(1, 4)):
        data = MUTATIONS[generator.integers(len(MUTATIONS))](data, generator)
    if kind.endswith("PNG") and generator.random() < 0.7:
        data = _with_right_checksums(data)  # else the decoder stops at the first chunk that was touched
    return kind, bytes(data)


def _change_bytes(data: bytearray, generator: np.random.Generator) -> bytearray:
    for _ in range(generator.integers(1, 9)):
        data[_place(data, generator)] = generator.integers(256)
    return data


def _set_number(data: bytearray, generator: np.random.Generator) -> bytearray:
    width = (1, 2, 4)[generator.integers(3)]
    value = int(BORDERS[generator.integers(len(BORDERS))]) % 256**width
    place = _place(data, generator)
    data[place : place + width] = value.to_bytes(width, ("big", "little")[generator.integers(2)])
    return data


def _cut_off(data: bytearray, generator: np.random.Generator) -> bytearray:
    return data[: max(12, generator.integers(len(data)))]


def _remove(data: bytearray, generator: np.random.Generator) -> bytearray:
    place = _place(data, generator)
    del data[place : place + int(generator.integers(1, 64))]
    return data


def _repeat(data: bytearray, generator: np.random.Generator) -> bytearray:
    place = _place(data, generator)
    part = data[place : place + int(generator.integers(1, 256))]
    return data[:place] + part * int(generator.integers(2, 200)) + data[place:]


def _splice(data: bytearray, generator: np.random.Generator) -> bytearray:
    others = [file for files in originals().values() for file in files]
    other = others[generator.integers(len(others))]
    place, start = _place(data, generator), int(generator.integers(len(other)))
    return data[:place] + other[start : start + int(generator.integers(1, 4000))] + data[place:]


MUTATIONS = (_change_bytes, _change_bytes, _set_number, _set_number, _cut_off, _remove, _repeat, _splice)


def _place(data: bytearray, generator: np.random.Generator) -> int:
    end = min(len(data), HEAD_BYTES) if generator.random() < 0.6 else len(data)
    return int(generator.integers(max(1, end)))


def _with_right_checksums(data: bytearray) -> bytearray:
    place = 8
    while place + 12 <= len(data):
        length = struct.unpack_from(">I", data, place)[0]
        if place + 12 + length > len(data):
            break
        struct.pack_into(">I", data, place + 8 + length, zlib.crc32(data[place + 4 : place + 8 + length]))
        place += 12 + length
    return data


def _file(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _heif(image: Image.Image, exif: Image.Exif, **options) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, exif=exif.tobytes(), **options)
    return buffer.getvalue()


def _dicom(image: Image.Image, syntax: pydicom.uid.UID) -> bytes:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"  # VL photographic image
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.Modality = "Marked^Patient", "XC"
    dataset.Columns, dataset.Rows = image.size
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    if syntax == JPEGBaseline8Bit:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.PixelData = pydicom.encaps.encapsulate([_file(image, "JPEG")])
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PixelData = image.tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
