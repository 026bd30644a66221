import dataclasses
import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from model_store.preprocessing import FITS, InputSpec
from training import image_facts, synthetic


@pytest.fixture
def picture(rng):
    return synthetic.picture(rng, 0)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


def test_a_coarser_jpeg_is_smaller_and_says_so(picture):
    fine, coarse = (image_facts.of_file(_jpeg(picture, quality)) for quality in (95, 30))
    assert fine["file_bytes_per_pixel"] > coarse["file_bytes_per_pixel"]
    assert fine["file_quantisation"] < coarse["file_quantisation"]
    assert (fine["file_width"], fine["file_height"]) == picture.size


def test_other_formats_have_no_quantisation(picture):
    content = io.BytesIO()
    picture.save(content, "PNG")
    assert np.isnan(image_facts.of_file(content.getvalue())["file_quantisation"])


def test_a_blurred_image_is_less_sharp(picture):
    sharp, soft = (
        image_facts.of_square(np.asarray(image)) for image in (picture, picture.filter(ImageFilter.GaussianBlur(2)))
    )
    assert soft["square_sharpness"] < sharp["square_sharpness"] - 1
    assert soft["square_deflated"] < sharp["square_deflated"]


def test_a_coarse_jpeg_leaves_its_blocks(picture):
    blocks = np.asarray(Image.open(io.BytesIO(_jpeg(picture, 5))))
    assert image_facts.of_square(np.asarray(picture))["square_blockiness"] == pytest.approx(1, abs=0.05)
    assert image_facts.of_square(blocks)["square_blockiness"] > 1.5


def test_the_rim_and_the_mean_colour_are_those_of_the_pixels():
    square = np.zeros((16, 16, 3), np.uint8)
    square[:, 4:] = (200, 100, 60)
    facts = image_facts.of_square(square)
    assert facts["square_dark"] == 0.25
    assert (facts["square_red"], facts["square_green"], facts["square_blue"]) == (150, 75, 45)


def test_what_was_measured_is_not_measured_again(picture, tmp_path):
    (tmp_path / "a.jpg").write_bytes(_jpeg(picture, 90))
    pixels, readable = np.asarray(picture)[None], np.array([True])
    first = image_facts.measure([str(tmp_path / "a.jpg")], pixels, readable, InputSpec(), tmp_path)
    (tmp_path / "a.jpg").unlink()
    again = image_facts.measure([str(tmp_path / "a.jpg")], pixels, readable, InputSpec(), tmp_path)
    np.testing.assert_allclose(first, again)


def test_a_photo_that_was_replaced_is_measured_anew(picture, tmp_path):
    for square in (np.asarray(picture), np.asarray(picture) // 2):
        (tmp_path / "a.jpg").write_bytes(_jpeg(Image.fromarray(square), 90))
        found = image_facts.measure([str(tmp_path / "a.jpg")], square[None], np.array([True]), InputSpec(), tmp_path)
        assert found.square_red[0] == pytest.approx(square[:, :, 0].mean())


def test_images_that_are_prepared_otherwise_are_measured_anew(picture, tmp_path):
    (tmp_path / "a.jpg").write_bytes(_jpeg(picture, 90))
    square, spec, readable = np.asarray(picture), InputSpec(), np.array([True])
    for other, pixels in (
        (spec, square),
        (dataclasses.replace(spec, common_px=spec.common_px // 2), square[::2, ::2]),
        (dataclasses.replace(spec, fit=next(fit for fit in FITS if fit != spec.fit)), square // 2),
    ):
        found = image_facts.measure([str(tmp_path / "a.jpg")], pixels[None], readable, other, tmp_path)
        assert found.square_red[0] == pytest.approx(pixels[:, :, 0].mean())
