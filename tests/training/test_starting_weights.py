import keras
import numpy as np
import pytest

from training import network, starting_weights
from training.errors import TrainingError


@pytest.fixture(scope="module")
def built():
    return network.build(32)


def test_weights_with_their_input_scaling_reach_a_network_of_another_size(tmp_path, built, rng):
    backbone = keras.applications.EfficientNetB4(include_top=False, weights=None, input_shape=(64, 64, 3))
    scaling = next(layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization))
    scaling.adapt_mean.assign([0.5, 0.4, 0.3])
    scaling.adapt_variance.assign([0.2, 0.3, 0.4])
    file = tmp_path / "start.weights.h5"
    backbone.save_weights(file)
    backbone.load_weights(file)
    starting_weights.load(built, str(file))
    images = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    small = keras.Model(built.input, built.get_layer(network.POOL).input)(images)
    same = keras.applications.EfficientNetB4(include_top=False, weights=None, input_shape=(32, 32, 3))
    same.load_weights(file)
    np.testing.assert_allclose(small, same(images), rtol=1e-4, atol=1e-4)


def test_a_saved_network_is_a_start_with_its_head_for_one_of_another_size(tmp_path, built):
    larger = network.build(32, input_px=64)
    network.set_variables(larger, network.variables(built))
    network.set_input_scaling(larger, np.full(3, 0.4), np.full(3, 0.09))
    network.with_feature_map(larger).save(tmp_path / "model.keras")
    started = network.build(64, to_train=True)
    starting_weights.load(started, str(tmp_path / "model.keras"))
    for ours, theirs in zip(started.weights, larger.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    grey = np.full((1, 64, 64, 3), 90, "float32")
    first = next(layer for layer in started.layers if isinstance(layer, keras.layers.Normalization))
    np.testing.assert_allclose(first(grey / 255), (90 / 255 - 0.4) / 0.3, rtol=1e-4)


@pytest.mark.parametrize("name", ["some.weights.h5", "some.npz", "some.keras"])
def test_a_file_that_holds_no_weights_of_the_network_is_said_in_a_sentence(built, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"anything")
    with pytest.raises(TrainingError, match=f"{name} are no starting weights of this network"):
        starting_weights.load(built, str(file))
