import keras
import numpy as np
import pytest

from training import network


@pytest.fixture(scope="module")
def built():
    return network.build(32)


@pytest.fixture(scope="module")
def larger():
    """It works at the same size, of larger images; each test gives it its weights."""
    return network.build(32, input_px=64)


def test_it_answers_eight_logits_and_its_last_feature_map(built, rng):
    served = network.with_feature_map(built)
    logits, feature_map = served(rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32"))
    assert logits.shape == (2, 8)
    assert feature_map.shape == (2, 1, 1, 1792)


def test_a_saved_and_loaded_network_answers_like_the_one_in_memory(tmp_path, built, rng):
    values = network.variables(built)
    other = network.build(32)
    network.set_variables(other, values)
    network.with_feature_map(other).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    images = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(loaded(images)[0], built(images), rtol=1e-4, atol=1e-5)


def test_a_larger_input_is_brought_to_the_size_that_the_network_works_at(tmp_path, built, larger, rng):
    network.set_variables(larger, network.variables(built))
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    resized = keras.ops.image.resize(images, (32, 32), interpolation="bilinear")
    np.testing.assert_allclose(larger(images), built(resized), rtol=1e-4, atol=1e-9)
    larger.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(images), built(resized), rtol=1e-4, atol=1e-9)


def test_four_views_give_the_mean_of_the_turned_images_answers_and_of_their_maps_turned_back(tmp_path, built, rng):
    four = network.build(64, views=4)
    network.set_variables(four, network.variables(built))
    network.with_feature_map(four).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    once = network.build(64)
    network.set_variables(once, network.variables(built))
    once = network.with_feature_map(once)
    images = rng.uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    answers = [(quarters, *once(np.rot90(images, quarters, (1, 2)))) for quarters in range(4)]
    logits, feature_map = loaded(images)
    np.testing.assert_allclose(loaded(np.rot90(images, 1, (1, 2)))[0], logits, rtol=1e-4, atol=1e-9)
    assert feature_map.shape[1:3] == (2, 2)
    np.testing.assert_allclose(logits, np.mean([own for _, own, _ in answers], axis=0), rtol=1e-4, atol=1e-9)
    turned_back = [np.rot90(own, -quarters, (1, 2)) for quarters, _, own in answers]
    np.testing.assert_allclose(feature_map, np.mean(turned_back, axis=0), rtol=1e-4, atol=1e-9)


def test_only_the_named_part_learns(built):
    network.freeze(built, "logits")
    assert [w.path.split("/")[0] for w in built.trainable_weights] == ["logits", "logits"]
    network.freeze(built, "block7a")
    assert built.get_layer("block7b_bn").trainable
    assert not built.get_layer("block6a_bn").trainable
    with pytest.raises(ValueError, match="no layer"):
        network.freeze(built, "block9")


def test_weights_go_to_a_network_for_training_and_back(built, rng):
    to_train = network.build(32, to_train=True)
    network.set_variables(to_train, network.variables(built))
    images = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(to_train(images), built(images), rtol=1e-4, atol=1e-4)


def test_half_the_precision_computes_nearly_the_same_from_the_same_float32_weights(built, rng):
    half = network.build(32, to_train=True, precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    assert {weight.dtype for weight in half.weights} == {weight.dtype for weight in built.weights}
    assert half.get_layer("block4a_expand_conv").compute_dtype == "bfloat16"
    network.set_variables(half, network.variables(built))
    images = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    logits = half(images)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert not np.array_equal(logits, built(images))
    np.testing.assert_allclose(logits, built(images), rtol=0.05, atol=0.05 * float(np.abs(built(images)).max()))
