import io
import zipfile

import h5py
import numpy as np
import pytest

from model_store.half_precision import store_half_precision
from tests.conftest import build_tiny_network


def stored_arrays(path) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        weights.visititems(lambda name, node: arrays.update({name: node[()]}) if hasattr(node, "dtype") else None)
    return arrays


@pytest.fixture(scope="module")
def network():
    return build_tiny_network(seed=3)


@pytest.fixture
def saved(network, tmp_path):
    network.save(tmp_path / "network.keras")
    return tmp_path / "network.keras"


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).uniform(0, 255, (4, 380, 380, 3)).astype(np.float32)


def test_kernels_become_float16_and_vectors_stay_float32(saved):
    before = stored_arrays(saved)
    store_half_precision(saved)
    after = stored_arrays(saved)
    assert after.keys() == before.keys()
    assert {array.dtype for array in after.values() if array.ndim >= 2} == {np.dtype("float16")}
    for name, array in after.items():
        if array.ndim < 2:
            assert array.dtype == before[name].dtype
            np.testing.assert_array_equal(array, before[name])
        else:
            np.testing.assert_allclose(array, before[name], rtol=2**-11, atol=2**-25)  # half a unit in the last place


def test_the_file_is_about_half_as_large(saved):
    size = saved.stat().st_size
    store_half_precision(saved)
    assert saved.stat().st_size < 0.65 * size


def test_keras_loads_it_into_float32_variables_and_answers_closely(network, saved, photos):
    import keras

    store_half_precision(saved)
    loaded = keras.saving.load_model(saved, compile=False)
    assert {weight.dtype for weight in loaded.weights} <= {"float32", "int32"}
    expected = [output.numpy() for output in network(photos, training=False)]
    actual = [output.numpy() for output in loaded(photos, training=False)]
    for before, after in zip(expected, actual, strict=True):
        np.testing.assert_allclose(after, before, atol=0.01 * np.abs(before).max())
    assert np.abs(actual[0] - expected[0]).max() > 0  # float16 was really stored


def test_a_normalization_that_learnt_its_mean_keeps_it(tmp_path, photos):
    """EfficientNet's own is of this kind: mean and variance are weights, and take effect only when loaded."""
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(photos)
    model = keras.Sequential([keras.Input((380, 380, 3)), normalization])
    model.save(tmp_path / "normalization.keras")
    store_half_precision(tmp_path / "normalization.keras")
    loaded = keras.saving.load_model(tmp_path / "normalization.keras", compile=False)
    np.testing.assert_array_equal(loaded(photos).numpy(), model(photos).numpy())


def test_halving_twice_is_halving_once(saved):
    store_half_precision(saved)
    once = stored_arrays(saved)
    store_half_precision(saved)
    twice = stored_arrays(saved)
    for name, array in once.items():
        np.testing.assert_array_equal(twice[name], array)


@pytest.mark.parametrize("value", [1e5, np.inf, np.nan])
def test_a_value_beyond_float16_stops_it_and_leaves_the_file(network, saved, value):
    kernel = network.layers[-1].kernel
    kept = kernel.numpy()
    broken = kept.copy()
    broken[0, 0] = value
    kernel.assign(broken)
    network.save(saved)
    kernel.assign(kept)
    before = saved.read_bytes()
    with pytest.raises(ValueError, match="does not fit into float16"):
        store_half_precision(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["network.keras"]
