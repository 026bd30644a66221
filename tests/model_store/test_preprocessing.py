import numpy as np
import pytest
from PIL import Image

from model_store.preprocessing import InputSpec, prepare, to_common, to_input
from tests.conftest import draw_lesion


def bands(height: int, width: int) -> np.ndarray:
    """A photo whose red tells the column and whose green tells the row, 0 to 200 from edge to edge."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 200, width).round()[None, :]
    rgb[..., 1] = np.linspace(0, 200, height).round()[:, None]
    return rgb


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (64, 64), (65, 2000), (1201, 1600)])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_any_photo_becomes_the_networks_input(shape, fit):
    array = prepare(bands(*shape), InputSpec(fit=fit))
    assert (array.shape, array.dtype) == ((380, 380, 3), np.float32)
    assert array.min() >= 0
    assert array.max() <= 255
    np.testing.assert_array_equal(array, array.round())  # so that golden vectors can be stored as bytes


def test_crop_takes_the_centred_square():
    common = to_common(bands(300, 400), InputSpec(fit="crop", common_px=300))
    np.testing.assert_array_equal(common, bands(300, 400)[:, 50:350])


def test_squash_keeps_the_whole_photo_and_changes_its_shape():
    common = to_common(bands(300, 400), InputSpec(fit="squash", common_px=256))
    assert common[0, 0, 0] <= 1
    assert common[0, -1, 0] >= 199
    assert common[-1, 0, 1] >= 199


def test_pad_keeps_the_whole_photo_between_black_borders():
    white = np.full((300, 400, 3), 255, np.uint8)
    common = to_common(white, InputSpec(fit="pad", common_px=400))
    assert not common[:50].any()
    assert not common[350:].any()
    assert (common[50:350] == 255).all()


def test_a_sharp_large_photo_and_its_small_copy_look_alike_to_the_network():
    large = draw_lesion(0, (2000, 2000))
    small = large.resize((256, 256), Image.Resampling.BICUBIC)
    spec = InputSpec()
    difference = np.abs(prepare(np.asarray(large), spec) - prepare(np.asarray(small), spec))
    assert difference.max() == 0  # the very same resampling, done before or here


def test_the_two_steps_are_the_whole():
    rgb, spec = bands(300, 400), InputSpec(resampling="bilinear")
    np.testing.assert_array_equal(prepare(rgb, spec), to_input(to_common(rgb, spec), spec))


def test_the_photo_itself_is_not_changed():
    rgb = bands(300, 400)
    prepare(rgb, InputSpec())
    np.testing.assert_array_equal(rgb, bands(300, 400))


@pytest.mark.parametrize(
    "rgb", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3), np.float32)]
)
def test_an_array_that_is_no_photo_is_a_mistake_of_ours(rgb):
    with pytest.raises(ValueError, match="expected uint8"):
        prepare(rgb, InputSpec())


@pytest.mark.parametrize("wrong", [{"fit": "stretch"}, {"resampling": "nearest"}, {"size_px": 0}, {"common_px": -1}])
def test_a_way_of_preparing_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match=r"unknown|positive"):
        InputSpec(**wrong)
