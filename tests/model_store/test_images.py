import io
import logging
import struct
import warnings
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps

from model_store import images
from model_store.errors import PhotoError
from model_store.images import LIMIT_MEGAPIXELS, LIMIT_PX, SIGNATURE_BYTES, is_known, open_photo
from model_store.preprocessing import InputSpec, prepare
from tests.conftest import draw_lesion


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A soft, coloured picture without symmetry, 120 x 90."""
    noise = np.random.default_rng(0).integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, kind, **options)
    return file.getvalue()


def png_with_header(width: int, height: int) -> bytes:
    """Write a PNG that promises a size and holds almost nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def refusal(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    return caught.value


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("quality", [75, 95])
def test_a_plain_jpeg_gives_exactly_pillows_upright_pixels(scene, orientation, quality):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(scene, "JPEG", exif=exif, quality=quality)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    photo = open_photo(data)
    np.testing.assert_array_equal(photo.rgb, expected)
    assert photo.notes == (() if orientation == 1 else ("rotated",))


@pytest.mark.parametrize("size", [(512, 512), (1023, 1023), (2600, 1023)])
def test_a_photo_with_a_side_below_1024_px_is_never_scaled(scene, size):
    data = encode(scene.resize(size), "JPEG")
    photo = open_photo(data)
    np.testing.assert_array_equal(photo.rgb, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert photo.notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_a_large_photo_of_any_format_is_scaled_but_keeps_512_px(scene, kind):
    photo = open_photo(encode(scene.resize((2200, 2060)), kind))
    assert photo.notes == ("scaled_down",)
    assert min(photo.rgb.shape[:2]) >= 512
    small = Image.fromarray(photo.rgb).resize(scene.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, dtype=int) - np.asarray(scene, dtype=int)).mean() < 6


@pytest.mark.parametrize("size", [(1024, 1024), (1600, 1200), (4000, 3000)])
def test_scaled_decoding_shows_the_network_what_full_decoding_would(size):
    data = encode(draw_lesion(3, size), "JPEG", quality=90)
    full = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    scaled = open_photo(data)
    assert scaled.notes == ("scaled_down",)
    spec = InputSpec()
    difference = np.abs(prepare(scaled.rgb, spec) - prepare(full, spec))
    assert difference.mean() < 1  # of 255
    assert np.percentile(difference, 99) < 5


@pytest.mark.parametrize("size", [(256, 256), (600, 450), (1022, 767)])
def test_photos_as_small_as_those_of_training_are_not_touched(size):
    data = encode(draw_lesion(3, size), "JPEG", quality=75)
    np.testing.assert_array_equal(open_photo(data).rgb, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_long_strip_is_scaled_too_since_its_pixels_would_take_the_memory(scene, kind):
    photo = open_photo(encode(scene.resize((10_000, 1_000)), kind))
    assert photo.notes == ("scaled_down",)
    assert photo.rgb.shape == (500, 5_000, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
def test_scaling_in_bands_gives_what_scaling_at_once_would(scene, mode):
    image = scene.resize((2310, 2170)).convert(mode)
    if "A" in mode:
        image.putalpha(scene.resize(image.size).getchannel("R"))
    small = image.reduce(4)
    expected = small.convert("RGB")
    if "A" in mode:
        expected = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small.convert("RGBA")).convert("RGB")
    np.testing.assert_array_equal(open_photo(encode(image, "PNG")).rgb, np.asarray(expected))


def heic_with_header(width: int, height: int, mode: str = "RGB", chroma: int = 420) -> bytes:
    """Write a HEIC that promises a size and holds 64 x 64 pixels; mode "RGB;16" gives one of 10 bits."""
    file = io.BytesIO()
    pixels = bytes(64 * 64 * len(mode.removesuffix(";16")) * (2 if mode.endswith("16") else 1))
    pillow_heif.from_bytes(mode, (64, 64), pixels).save(file, chroma=chroma)
    return file.getvalue().replace(struct.pack(">II", 64, 64), struct.pack(">II", width, height))


@pytest.mark.parametrize(
    ("mode", "chroma", "limit"), [("RGB", 420, 38), ("RGBA", 420, 14), ("RGB;16", 420, 14), ("RGB", 444, 14)]
)
def test_a_heic_of_large_copies_has_a_lower_limit_than_one_of_a_phone(mode, chroma, limit):
    over, under = (heic_with_header(1000 * (limit + more), 1000, mode, chroma) for more in (1, -1))
    error = refusal(over)
    assert (error.code, error.details) == ("image_too_large", {"limit_megapixels": limit})
    with pillow_heif.HeifImageFile(io.BytesIO(under)) as image:
        images._check_size(image)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_formats_that_decode_into_many_copies_have_lower_limits(scene, kind):
    size = (8000, 4200)
    details = refusal(encode(scene.resize(size), kind, **({"speed": 10} if kind == "AVIF" else {"method": 0}))).details
    assert details["limit_megapixels"] < LIMIT_MEGAPIXELS


@pytest.mark.parametrize(("kind", "tolerance"), [("PNG", 0), ("WEBP", 8), ("HEIF", 8), ("AVIF", 8), ("JPEG", 8)])
def test_every_format_shows_the_same_picture(scene, kind, tolerance):
    photo = open_photo(encode(scene, kind))
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.shape == (90, 120, 3)
    assert np.abs(photo.rgb.astype(int) - np.asarray(scene, dtype=int)).mean() <= tolerance


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_orientation_is_applied_in_other_formats_too(scene, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = open_photo(encode(scene, kind, exif=exif))
    assert photo.rgb.shape == (120, 90, 3)
    turned = np.asarray(scene.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert np.abs(photo.rgb.astype(int) - turned).mean() < 8


def test_a_heic_is_turned_once(scene):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = open_photo(encode(scene, "HEIF", exif=exif.tobytes()))
    turned = np.asarray(scene.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert photo.rgb.shape == turned.shape
    assert np.abs(photo.rgb.astype(int) - turned).mean() < 8


def test_transparency_lies_on_white(scene):
    alpha = Image.new("L", scene.size, 255)
    alpha.paste(0, (0, 0, 60, 90))
    see_through = scene.copy()
    see_through.putalpha(alpha)
    photo = open_photo(encode(see_through, "PNG"))
    assert (photo.rgb[:, :60] == 255).all()
    np.testing.assert_array_equal(photo.rgb[:, 60:], np.asarray(scene)[:, 60:])
    assert photo.notes == ("transparency",)


def test_half_transparent_black_on_white_is_mid_grey():
    photo = open_photo(encode(Image.new("LA", (80, 80), (0, 128)), "PNG"))
    assert set(np.unique(photo.rgb)) == {127}
    assert photo.notes == ("transparency", "greyscale")


def test_an_opaque_alpha_channel_changes_nothing(scene):
    photo = open_photo(encode(scene.convert("RGBA"), "PNG"))
    np.testing.assert_array_equal(photo.rgb, np.asarray(scene))
    assert photo.notes == ()


def test_a_palette_with_a_transparent_colour_lies_on_white():
    image = Image.new("P", (80, 80), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (40, 0, 80, 80))
    photo = open_photo(encode(image, "PNG", transparency=0))
    assert (photo.rgb[:, :40] == 255).all()
    assert (photo.rgb[:, 40:] == (200, 100, 50)).all()


def test_16_bit_grey_keeps_its_brightness():
    ramp = np.linspace(0, 65535, 100, dtype=np.uint16)[None, :].repeat(80, axis=0)
    photo = open_photo(encode(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(photo.rgb[..., 0], ramp >> 8)
    assert photo.notes == ("16_bit", "greyscale")


def test_grey_and_black_and_white_become_three_equal_channels(scene):
    for mode in ("L", "1"):
        photo = open_photo(encode(scene.convert(mode), "PNG"))
        np.testing.assert_array_equal(photo.rgb, np.asarray(scene.convert(mode).convert("RGB")))
        assert photo.notes == ("greyscale",)


def test_cmyk_becomes_rgb(scene):
    photo = open_photo(encode(scene.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(photo.rgb.astype(int) - np.asarray(scene, dtype=int)).mean() < 8
    assert photo.notes == ("cmyk",)


def test_a_profile_of_another_colour_space_is_left_out(scene):
    grey = scene.convert("L")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = open_photo(encode(grey, "PNG", icc_profile=profile))
    assert photo.notes == ("greyscale", "colour_profile_unreadable")
    np.testing.assert_array_equal(photo.rgb, np.asarray(grey.convert("RGB")))


def swapped_primaries() -> bytes:
    """The sRGB profile with its red and blue primaries exchanged: a valid profile whose effect is plain to see."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    offsets = {}
    for index in range(struct.unpack(">I", profile[128:132])[0]):
        start = 132 + 12 * index
        offsets[bytes(profile[start : start + 4])] = struct.unpack(">I", profile[start + 4 : start + 8])[0]
    red, blue = offsets[b"rXYZ"], offsets[b"bXYZ"]
    profile[red : red + 20], profile[blue : blue + 20] = profile[blue : blue + 20], profile[red : red + 20]
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_a_colour_profile_is_applied(scene):
    photo = open_photo(encode(scene, "PNG", icc_profile=swapped_primaries()))
    assert photo.notes == ("colour_profile",)
    assert np.abs(photo.rgb[..., ::-1].astype(int) - np.asarray(scene, dtype=int)).mean() < 3


def test_an_srgb_profile_changes_no_pixel(scene):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = open_photo(encode(scene, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(photo.rgb, np.asarray(scene))
    assert photo.notes == ()


def test_a_broken_colour_profile_is_left_out(scene):
    photo = open_photo(encode(scene, "PNG", icc_profile=b"not a profile at all"))
    np.testing.assert_array_equal(photo.rgb, np.asarray(scene))
    assert photo.notes == ("colour_profile_unreadable",)


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(scene, kind):
    data = encode(scene, kind, save_all=True, append_images=[ImageOps.invert(scene)], duration=100)
    photo = open_photo(data)
    assert photo.notes == ("first_of_several",)
    assert np.abs(photo.rgb.astype(int) - np.asarray(scene, dtype=int)).mean() < 8


def test_unreadable_exif_does_not_refuse_a_photo(scene):
    photo = open_photo(encode(scene, "PNG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff"))
    np.testing.assert_array_equal(photo.rgb, np.asarray(scene))


HOSTILE = {
    "nothing": (b"", "empty_file"),
    "one byte": (b"\xff", "unsupported_format"),
    "text": (b"I am a photo, trust me. " * 50, "unsupported_format"),
    "html": (b"<!doctype html><img src=x onerror=alert(1)>", "unsupported_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "unsupported_format"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "unsupported_format"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "unsupported_format"),
    "zip": (b"PK\x03\x04" + bytes(60), "unsupported_format"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(60), "unsupported_format"),
    "bare jpeg signature": (b"\xff\xd8\xff", "damaged_image"),
    "bare png signature": (b"\x89PNG\r\n\x1a\n", "damaged_image"),
    "bare webp signature": (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged_image"),
    "bare heic signature": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged_image"),
    "bare avif signature": (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "damaged_image"),
    "endless ftyp box": (b"\xff\xff\xff\xffftypavif", "damaged_image"),
    "png of no size": (png_with_header(0, 0), "damaged_image"),
    "png without its pixels": (png_with_header(200, 200), "damaged_image"),
    "png bomb": (png_with_header(60_000, 60_000), "image_too_large"),
    "png just over Pillow's own warning": (png_with_header(10_000, 9_000), "image_too_large"),
    "png strip": (png_with_header(2_000_000, 63), "image_too_large"),
}


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_its_reason(data, code):
    assert refusal(data).code == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_a_type_that_is_read_is_known_by_its_first_bytes(scene, kind):
    assert is_known(encode(scene, kind)[:SIGNATURE_BYTES])


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_known_by_its_first_bytes_is_what_is_not_unsupported(data, code):
    assert is_known(data[:SIGNATURE_BYTES]) == (code not in ("empty_file", "unsupported_format"))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "ICO", "PPM"])
def test_a_format_outside_the_five_is_unsupported_even_if_pillow_reads_it(scene, kind):
    assert refusal(encode(scene, kind)).code == "unsupported_format"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("part", [0.03, 0.2, 0.5, 0.9, 0.98])
def test_a_truncated_photo_is_refused(scene, kind, part):
    data = encode(scene, kind)
    assert refusal(data[: int(len(data) * part)]).code == "damaged_image"


def test_a_jpeg_with_thousands_of_scans_is_refused_before_decoding(scene):
    data = encode(scene, "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert refusal(data[:-2] + last_scan * 5000 + b"\xff\xd9").code == "damaged_image"
    assert open_photo(data[:-2] + last_scan * 5 + b"\xff\xd9").rgb.shape == (90, 120, 3)


@pytest.fixture(scope="module")
def large_progressive() -> bytes:
    """A progressive JPEG of 48 megapixels, as the largest phone sensors store; 10 scans."""
    return encode(Image.new("RGB", (8000, 6000), (200, 150, 120)), "JPEG", progressive=True)


def test_many_scans_over_many_pixels_are_refused_before_decoding(large_progressive):
    last_scan = large_progressive[large_progressive.rindex(b"\xff\xda") : -2]
    error = refusal(large_progressive[:-2] + last_scan * 15 + b"\xff\xd9")
    assert (error.code, error.details) == ("image_too_large", {"limit_megapixels": 32})


def test_a_progressive_photo_of_the_largest_phones_is_read(large_progressive):
    assert open_photo(large_progressive).notes == ("scaled_down",)


def test_scans_behind_a_marker_without_a_length_are_counted(scene):
    data = encode(scene, "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    hidden = b"\xff\x01" + last_scan * 200  # read as a length, the FF DA behind FF 01 would skip them all
    assert len(hidden) < 0xFFDA
    assert refusal(data[:-2] + hidden + b"\xff\xd9").code == "damaged_image"


@pytest.mark.parametrize("length", [0, 1])
def test_a_jpeg_segment_shorter_than_its_own_length_field_is_refused(scene, length):
    data = encode(scene, "JPEG")
    assert refusal(data[:-2] + b"\xff\xfe" + bytes([0, length]) + b"\xff\xd9").code == "damaged_image"


def test_a_motion_photo_is_read_whatever_its_video_holds(scene):
    data = encode(scene, "JPEG")
    photo = open_photo(data + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 5000)
    np.testing.assert_array_equal(photo.rgb, open_photo(data).rgb)


def test_an_ordinary_progressive_jpeg_is_read(scene):
    assert open_photo(encode(scene, "JPEG", progressive=True)).rgb.shape == (90, 120, 3)


@pytest.mark.parametrize("size", [(63, 200), (200, 63), (1, 1)])
def test_a_side_below_the_limit_is_too_small(scene, size):
    error = refusal(encode(scene.resize(size), "PNG"))
    assert (error.code, error.details) == ("image_too_small", {"limit_px": LIMIT_PX})


def test_the_smallest_photo_passes(scene):
    assert open_photo(encode(scene.resize((64, 64)), "PNG")).rgb.shape == (64, 64, 3)


def test_the_pixel_limit_is_told_with_the_refusal():
    assert refusal(png_with_header(60_000, 60_000)).details == {"limit_megapixels": LIMIT_MEGAPIXELS}


def test_pillows_own_registry_and_limits_stay_as_they_were(scene):
    Image.init()
    before = (dict(Image.OPEN), Image.MAX_IMAGE_PIXELS, warnings.filters[:])
    open_photo(encode(scene, "HEIF"))
    refusal(png_with_header(60_000, 60_000))
    assert (dict(Image.OPEN), Image.MAX_IMAGE_PIXELS, warnings.filters[:]) == before
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_a_file_with_random_damage_is_read_or_refused_and_nothing_else(scene, kind):
    generator = np.random.default_rng(0)
    original = encode(scene, kind)
    outcomes = set()
    for _ in range(100):
        data = bytearray(original)
        places = generator.integers(0, min(len(data), 300), size=generator.integers(1, 9))
        for place in places:
            data[place] = generator.integers(0, 256)
        try:
            outcomes.add(open_photo(bytes(data)).rgb.dtype.name)
        except PhotoError as error:
            outcomes.add(error.code)
    assert outcomes <= {"uint8", "damaged_image", "unsupported_format", "image_too_large", "image_too_small"}
    assert "damaged_image" in outcomes


def test_even_a_log_that_tells_everything_says_nothing_of_what_the_camera_wrote(scene, caplog):
    exif = Image.Exif()
    exif[0x010E] = "Marked-Place-4711"
    data = encode(scene, "JPEG", exif=exif)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        open_photo(data)
    assert caplog.text == ""
