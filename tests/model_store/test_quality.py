from dataclasses import fields

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_sample_image

from model_store.classifier import refusal
from model_store.images import Photo
from model_store.prediction import Evidence, interpret
from model_store.quality import FIRST_OF_SEVERAL, LIMITS, Finding, Measurements, assess, measure
from tests.conftest import draw_lesion


def verdict(image: Image.Image) -> dict[str, bool]:
    """Give the findings of a photo: code -> mild."""
    return {finding.code: finding.mild for finding in assess(Photo(np.asarray(image))).findings}


def darkened(image: Image.Image, factor: float) -> Image.Image:
    return image.point(lambda value: value * factor)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(256, 256), (400, 300), (300, 400), (1600, 1200)])
def test_a_good_photo_of_a_lesion_has_no_finding(seed, size):
    assert verdict(draw_lesion(seed, size)) == {}


def test_the_verdict_does_not_depend_on_the_number_of_megapixels():
    lesion = draw_lesion(0, (1600, 1200))
    small = measure(Photo(np.asarray(lesion.resize((400, 300), Image.Resampling.LANCZOS))))
    large = measure(Photo(np.asarray(lesion)))
    for field in fields(Measurements):
        if field.name not in ("shorter_side_px", "sharpness"):
            assert getattr(small, field.name) == pytest.approx(getattr(large, field.name), abs=2)


def test_a_dark_photo_is_first_a_mild_and_then_a_hard_finding():
    lesion = draw_lesion()
    assert verdict(darkened(lesion, 0.3))["too_dark"] is True
    assert verdict(darkened(lesion, 0.2))["too_dark"] is False


def test_the_black_corners_of_a_dermoscope_are_no_finding():
    lesion = draw_lesion(0, (400, 400))
    field_of_view = Image.new("L", lesion.size, 0)
    ImageDraw.Draw(field_of_view).ellipse((5, 5, 395, 395), fill=255)
    assert verdict(Image.composite(lesion, Image.new("RGB", lesion.size), field_of_view)) == {}


def test_an_overexposed_photo_is_too_bright():
    washed_out = draw_lesion().point(lambda value: 225 + value * 0.1)
    assert verdict(washed_out)["too_bright"] is False


def test_blur_is_first_a_mild_and_then_a_hard_finding():
    lesion = draw_lesion(0, (400, 300))
    findings = [verdict(lesion.filter(ImageFilter.GaussianBlur(radius))).get("blurred") for radius in (0, 2, 8)]
    assert findings == [None, True, False]


def test_a_small_sharp_photo_is_not_called_blurred():
    assert verdict(draw_lesion(0, (100, 90))) == {"low_resolution": True}


def test_reflections_are_first_a_mild_and_then_a_hard_finding():
    findings = []
    for share in (0.06, 0.4):
        lesion = draw_lesion(0, (400, 300))
        ImageDraw.Draw(lesion).rectangle((0, 0, 400, 300 * share), fill="white")
        findings.append(verdict(lesion)["glare"])
    assert findings == [True, False]


def lines_of_text() -> Image.Image:
    page = Image.new("RGB", (600, 800), "white")
    pen = ImageDraw.Draw(page)
    for y in range(20, 780, 24):
        pen.text((20, y), "Take one tablet twice a day with water. " * 2, fill="black", font=ImageFont.load_default(16))
    return page


NO_LESIONS = {
    "black": (Image.new("RGB", (300, 300)), "too_dark"),
    "white": (Image.new("RGB", (300, 300), "white"), "too_bright"),
    "grey": (Image.new("RGB", (300, 300), "grey"), "no_colour"),
    "blue": (Image.new("RGB", (300, 300), (40, 90, 200)), "not_skin"),
    "green": (Image.new("RGB", (300, 300), (60, 160, 60)), "not_skin"),
    "plain skin colour": (Image.new("RGB", (300, 300), (222, 178, 156)), "featureless"),
    "a page of text": (lines_of_text(), "no_colour"),
    "coloured noise": (
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)),
        "not_skin",
    ),
    "a city": (Image.fromarray(load_sample_image("china.jpg")), "not_a_close_up"),
    "a flower": (Image.fromarray(load_sample_image("flower.jpg")), "not_skin"),
    "a grey lesion": (draw_lesion().convert("L").convert("RGB"), "no_colour"),
}


@pytest.mark.parametrize(("image", "code"), NO_LESIONS.values(), ids=NO_LESIONS.keys())
def test_what_is_no_lesion_is_refused_with_the_most_useful_reason(image, code):
    assert assess(Photo(np.asarray(image))).severe[0] == code


@pytest.mark.parametrize("shape", [(64, 64), (64, 5000), (5000, 64), (193, 191), (1100, 2200)])
def test_any_shape_can_be_judged(shape):
    photo = Photo(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert np.isfinite([getattr(measure(photo), field.name) for field in fields(Measurements)]).all()


def test_hard_findings_come_first_and_a_code_comes_once():
    lesion = darkened(draw_lesion(0, (150, 150)), 0.1)
    findings = assess(Photo(np.asarray(lesion))).findings
    assert [finding.mild for finding in findings] == sorted(finding.mild for finding in findings)
    assert len({finding.code for finding in findings}) == len(findings) >= 2


def test_a_photo_that_is_the_first_of_several_is_remarked_on_and_not_refused():
    lesion = np.asarray(draw_lesion())
    assert assess(Photo(lesion, ("rotated", "first_of_several"))).findings == (Finding(FIRST_OF_SEVERAL, mild=True),)
    assert assess(Photo(lesion, ("rotated", "first_of_several"))).severe == ()
    useless = assess(Photo(np.asarray(darkened(draw_lesion(), 0.1)), ("first_of_several",)))
    assert (useless.severe[0], useless.mild[-1]) == ("too_dark", FIRST_OF_SEVERAL)


def test_a_mild_limit_is_reached_before_its_hard_one():
    for limit in LIMITS:
        if limit.hard is not None and limit.mild is not None:
            assert (limit.mild < limit.hard) is limit.above


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.code} by {limit.measurement}")
def test_a_limit_rests_on_something_measured(limit):
    assert limit.measurement in {field.name for field in fields(Measurements)}


def test_the_gate_is_the_photos_own_reason_or_else_the_networks(calibration):
    good, bad = assess(Photo(np.asarray(draw_lesion()))), assess(Photo(np.zeros((200, 200, 3), np.uint8)))
    beyond = calibration.out_of_distribution.threshold + 1
    familiar, strange = (
        interpret(Evidence((2.0,) * 8, score, "phone"), {"phone": calibration}) for score in (beyond - 2, beyond)
    )
    assert refusal(good.severe, familiar) == ""
    assert refusal(good.severe, strange) == "out_of_distribution"
    assert refusal(bad.severe, familiar) == refusal(bad.severe, strange) == "too_dark"
