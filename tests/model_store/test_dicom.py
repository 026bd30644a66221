"""A photo in a DICOM file opens like any other, and nothing of the patient comes with it."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from model_store.errors import PhotoError
from model_store.images import open_photo
from tests.refusals import refuse_at_once

ROOT = Path(__file__).parent.parent.parent
DERMOSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.7"


@pytest.fixture
def lesion(draw_photo) -> np.ndarray:
    return np.asarray(draw_photo(size=(120, 90)))


def file_of(pixels: bytes, syntax=ExplicitVRLittleEndian, **fields) -> bytes:
    """A file as a dermatoscope writes it, with a patient and a sequence of undefined length in it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DERMOSCOPY, generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = DERMOSCOPY, meta.MediaStorageSOPInstanceUID
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Сәуле^Ахметова", "770101", "19770101"
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "40983000", "SCT", "Arm"
    region.is_undefined_length_sequence_item = True
    dataset.AnatomicRegionSequence = Sequence([region])
    dataset["AnatomicRegionSequence"].is_undefined_length = True
    described = {"Rows": 90, "Columns": 120, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB",
                 "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
                 "PixelRepresentation": 0, **fields}  # fmt: skip
    for name, value in described.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def jpeg_of(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_plain_pixels_come_out_as_they_are(lesion, syntax):
    photo = open_photo(file_of(lesion.tobytes(), syntax))
    assert np.array_equal(photo.rgb, lesion)
    assert photo.notes == ()


def test_planes_one_after_the_other_are_put_together(lesion):
    planes = lesion.transpose(2, 0, 1).tobytes()
    assert np.array_equal(open_photo(file_of(planes, PlanarConfiguration=1)).rgb, lesion)


def test_luma_and_chroma_become_colours(lesion):
    data = file_of(Image.fromarray(lesion).convert("YCbCr").tobytes(), PhotometricInterpretation="YBR_FULL")
    assert np.abs(open_photo(data).rgb.astype(int) - lesion).max() <= 3


@pytest.mark.parametrize(("meaning", "invert"), [("MONOCHROME2", False), ("MONOCHROME1", True)])
def test_grey_pictures_are_upright_in_brightness(lesion, meaning, invert):
    grey = lesion[..., 1]
    data = file_of((255 - grey if invert else grey).tobytes(), PhotometricInterpretation=meaning, SamplesPerPixel=1)
    photo = open_photo(data)
    assert np.array_equal(photo.rgb[..., 0], grey)
    assert photo.notes == ("greyscale",)


def test_a_jpeg_inside_is_decoded_as_it_would_be_alone(lesion):
    jpeg = jpeg_of(lesion)
    data = file_of(encapsulate([jpeg]), JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422")
    assert np.array_equal(open_photo(data).rgb, open_photo(jpeg).rgb)


def test_a_jpeg_of_red_green_and_blue_keeps_its_colours(lesion):
    jpeg = jpeg_of(lesion, keep_rgb=True)
    if b"Adobe" in jpeg:  # without its own mark, as many cameras leave it
        at = jpeg.index(b"\xff\xee")
        jpeg = jpeg[:at] + jpeg[at + 16 :]
    data = file_of(encapsulate([jpeg]), JPEGBaseline8Bit, PhotometricInterpretation="RGB")
    assert np.abs(open_photo(data).rgb.astype(int) - lesion).mean() < 4


def test_of_several_frames_the_first_is_taken(lesion):
    frames = [jpeg_of(lesion), jpeg_of(255 - lesion)]
    data = file_of(encapsulate(frames), JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422", NumberOfFrames=2)
    photo = open_photo(data)
    assert np.array_equal(photo.rgb, open_photo(frames[0]).rgb)
    assert photo.notes == ("first_of_several",)


@pytest.mark.parametrize(
    ("fields", "encoding"),
    [
        ({"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, "16 bits"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, "YBR_FULL_422"),
        ({"PhotometricInterpretation": "AHMETOVA"}, "unknown colours"),
    ],
)
def test_other_pixels_are_refused_by_name(lesion, fields, encoding):
    with pytest.raises(PhotoError) as caught:
        open_photo(file_of(lesion.tobytes() * 2, **fields))
    assert (caught.value.code, caught.value.details) == ("unsupported_format", {"encoding": encoding})


@pytest.mark.parametrize(
    ("syntax", "encoding"),
    [
        (RLELossless, "RLE Lossless"),
        (JPEGLSLossless, "JPEG-LS Lossless Image Compression"),
        (JPEGLosslessSV1, "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])"),
        (JPEG2000, "JPEG 2000 Image Compression"),
        (JPEG2000Lossless, "JPEG 2000 Image Compression (Lossless Only)"),
        (UID("1.2.3.4.5"), "unknown"),
    ],
)
def test_other_compressions_are_refused_by_name(lesion, syntax, encoding):
    with pytest.raises(PhotoError) as caught:
        open_photo(file_of(encapsulate([jpeg_of(lesion)]), syntax))
    assert (caught.value.code, caught.value.details) == ("unsupported_format", {"encoding": encoding})


@pytest.mark.parametrize("meaning", ["MONOCHROME1", "PALETTE COLOR"])
def test_a_jpeg_that_its_decoder_would_show_in_wrong_colours_is_refused(lesion, meaning):
    buffer = io.BytesIO()
    Image.fromarray(lesion[..., 1]).save(buffer, "JPEG")
    data = file_of(
        encapsulate([buffer.getvalue()]), JPEGBaseline8Bit, PhotometricInterpretation=meaning, SamplesPerPixel=1
    )
    with pytest.raises(PhotoError, match=f"unsupported_format encoding={meaning}"):
        open_photo(data)


def test_a_grey_jpeg_inside_is_decoded(lesion):
    buffer = io.BytesIO()
    Image.fromarray(lesion[..., 1]).save(buffer, "JPEG")
    data = file_of(
        encapsulate([buffer.getvalue()]), JPEGBaseline8Bit, PhotometricInterpretation="MONOCHROME2", SamplesPerPixel=1
    )
    assert open_photo(data).notes == ("greyscale",)


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(lesion):
    data = file_of(bytes(30_000_000), DeflatedExplicitVRLittleEndian, Rows=3000, Columns=3333)
    assert len(data) < 100_000
    with pytest.raises(PhotoError, match="unsupported_format"):
        open_photo(data)


@pytest.mark.parametrize("fields", [{"Rows": 65535, "Columns": 65535}, {"Rows": 0}, {"Rows": 91}])
def test_a_size_that_the_pixels_do_not_fill_is_refused(lesion, fields):
    with pytest.raises(PhotoError, match="damaged_image|image_too_small"):
        open_photo(file_of(lesion.tobytes(), **fields))


def test_every_cut_and_every_flipped_byte_is_a_photo_or_a_photo_error(lesion):
    data = file_of(lesion.tobytes())
    generator = np.random.default_rng(0)
    codes = {"none": 0}
    for _ in range(300):
        broken = bytearray(data[: generator.integers(132, len(data))])
        broken[generator.integers(132, min(len(broken), 900)) - 1] = generator.integers(0, 256)
        try:
            open_photo(bytes(broken))
        except PhotoError as error:
            codes[error.code] = codes.get(error.code, 0) + 1
    assert codes.keys() <= {"none", "damaged_image", "unsupported_format", "image_too_small", "image_too_large"}
    assert codes["damaged_image"] > 100


def test_deeply_nested_sequences_end_in_an_error_not_in_a_crash(lesion):
    data = file_of(lesion.tobytes())
    start = data.index(b"\x08\x00\x18\x22")  # the anatomic region
    nested = b"\x08\x00\x18\x22SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 40_000
    with pytest.raises(PhotoError, match="damaged_image"):
        open_photo(data[:start] + nested + data[start:])


def element(group: int, number: int, kind: bytes, length: int) -> bytes:
    """The head of an element of an explicit file; the longest kinds have a length of four bytes."""
    tag = struct.pack("<HH", group, number) + kind
    return tag + (b"\0\0" + struct.pack("<I", length) if kind in (b"SQ", b"OB", b"UN") else struct.pack("<H", length))


ENDLESS, EMPTY_ITEM = 0xFFFFFFFF, b"\xfe\xff\x00\xe0\0\0\0\0"
IN_HEADER = {
    "items": element(8, 0x1140, b"SQ", ENDLESS) + EMPTY_ITEM * 100_000,
    "ends of items": element(8, 0x1140, b"SQ", ENDLESS) + b"\xfe\xff\x0d\xe0\0\0\0\0" * 100_000,
    "elements in place of items": element(8, 0x1140, b"SQ", ENDLESS) + b"\x08\0\x40\x11\0\0\0\0" * 100_000,
    "elements": b"".join(element(9 + (n >> 16), n & 0xFFFF, b"LO", 0) for n in range(100_000)),
    "sequences": b"".join(element(9 + (n >> 16), n & 0xFFFF, b"SQ", 0) for n in range(60_000)),
}


@pytest.mark.parametrize("part", IN_HEADER.values(), ids=IN_HEADER)
def test_a_header_of_very_many_parts_is_refused_in_no_time(lesion, part):
    data = file_of(lesion.tobytes())
    start = data.index(b"\x28\x00\x02\x00")  # samples per pixel
    refuse_at_once(data[:start] + part + b"\xfe\xff\xdd\xe0\0\0\0\0" * (b"SQ\0\0\xff" in part) + data[start:])


def test_items_before_the_transfer_syntax_are_refused_in_no_time(lesion):
    data = file_of(lesion.tobytes())
    start = data.index(b"\x02\x00\x10\x00")
    items = element(2, 3, b"SQ", ENDLESS) + EMPTY_ITEM * 100_000 + b"\xfe\xff\xdd\xe0\0\0\0\0"
    refuse_at_once(data[:start] + items + data[start:])


@pytest.mark.parametrize("frames", [1, 2, 2_400_000])
def test_pixels_in_very_many_fragments_are_refused(lesion, frames):
    fields = {"PhotometricInterpretation": "YBR_FULL_422", "NumberOfFrames": frames}
    data = file_of(encapsulate([jpeg_of(lesion)]), JPEGBaseline8Bit, **fields)
    end = data.rindex(b"\xfe\xff\xdd\xe0")
    with pytest.raises(PhotoError, match="damaged_image"):
        open_photo(data[:end] + EMPTY_ITEM * 2_400_000 + data[end:])


def test_a_table_of_very_many_frames_is_refused(lesion):
    fields = {"PhotometricInterpretation": "YBR_FULL_422", "NumberOfFrames": 2}
    data = file_of(encapsulate([jpeg_of(lesion)], has_bot=False), JPEGBaseline8Bit, **fields)
    table = data.rindex(EMPTY_ITEM)
    frames = 4_000_000
    with pytest.raises(PhotoError, match="damaged_image"):
        open_photo(data[: table + 4] + struct.pack("<I", 4 * frames) + bytes(4 * frames) + data[table + 8 :])


def test_a_film_of_hundreds_of_frames_is_read(lesion):
    fields = {"PhotometricInterpretation": "YBR_FULL_422", "NumberOfFrames": 900}
    jpeg = jpeg_of(lesion)
    for has_table in (True, False):
        data = file_of(encapsulate([jpeg] * 900, has_bot=has_table), JPEGBaseline8Bit, **fields)
        assert np.array_equal(open_photo(data).rgb, open_photo(jpeg).rgb)


def test_a_jpeg_of_very_many_segments_inside_is_refused(lesion):
    jpeg = jpeg_of(lesion)
    data = file_of(
        encapsulate([jpeg[:2] + b"\xff\xe0\x00\x02" * 500_000 + jpeg[2:]]),
        JPEGBaseline8Bit,
        PhotometricInterpretation="YBR_FULL_422",
    )
    with pytest.raises(PhotoError, match="damaged_image"):
        open_photo(data)


def test_nothing_is_said_of_what_cannot_be_read(lesion, tmp_path):
    path = tmp_path / "lesion.dcm"
    path.write_bytes(file_of(lesion.tobytes()).replace(b"ISO_IR 192", b"NOBODY 192"))
    # In a process of its own, since pytest has its own way with warnings.
    code = (
        f"import pathlib; from model_store import images; images.open_photo(pathlib.Path({str(path)!r}).read_bytes())"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
