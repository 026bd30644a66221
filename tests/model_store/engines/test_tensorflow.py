import numpy as np
import pytest

from model_store import engines
from model_store.bundle import MODEL
from model_store.errors import BundleError, EngineError


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    return engines.load("tensorflow", tiny_bundle / MODEL)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).uniform(0, 255, (3, 380, 380, 3)).astype(np.float32)


def test_an_answer_holds_logits_and_the_last_feature_map(engine, photos):
    output = engine.run(photos)
    assert (output.logits.shape, output.logits.dtype) == ((3, 8), np.float32)
    assert (output.feature_map.shape, output.feature_map.dtype) == ((3, 12, 12, 8), np.float32)
    assert (engine.dense_weights.shape, engine.dense_weights.dtype) == ((8, 8), np.float32)


def test_a_photo_gets_the_same_answer_alone_and_in_a_batch(engine, photos):
    together = engine.run(photos).logits
    alone = np.concatenate([engine.run(photo[None]).logits for photo in photos])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.01  # the photos differ, and so do their answers


def test_the_traced_function_answers_like_the_model_itself(engine, photos, tiny_bundle):
    import keras

    model = keras.saving.load_model(tiny_bundle / MODEL, compile=False)
    np.testing.assert_allclose(engine.run(photos).logits, model(photos, training=False)[0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((380, 380, 3), np.float32),
        np.zeros((1, 380, 381, 3), np.float32),
        np.zeros((1, 380, 380, 1), np.float32),
        np.zeros((1, 380, 380, 3), np.uint8),
        np.zeros((1, 380, 380, 3), np.float64),
    ],
)
def test_a_batch_of_another_shape_or_type_is_a_mistake_of_ours(engine, batch):
    with pytest.raises(ValueError, match="expected float32"):
        engine.run(batch)


def test_an_answer_that_is_not_finite_is_an_error_and_never_a_probability(engine):
    with pytest.raises(EngineError) as caught:
        engine.run(np.full((1, 380, 380, 3), np.nan, np.float32))
    assert (caught.value.code, caught.value.details) == ("engine_failed", {"engine": "tensorflow"})


def unfit_network(kind: str):
    import keras

    photo = keras.Input((380, 380, 3))
    feature_map = keras.layers.Conv2D(4, 32, strides=32, padding="same")(photo)
    pooled = keras.layers.GlobalAveragePooling2D()(feature_map)
    logits = keras.layers.Dense(8)(pooled)
    return {
        "logits alone": lambda: keras.Model(photo, logits),
        "outputs the other way round": lambda: keras.Model(photo, [feature_map, logits]),
        "seven classes": lambda: keras.Model(photo, [keras.layers.Dense(7)(pooled), feature_map]),
        "two dense layers": lambda: keras.Model(photo, [keras.layers.Dense(8)(logits), feature_map]),
    }[kind]()


@pytest.mark.parametrize("kind", ["logits alone", "outputs the other way round", "seven classes", "two dense layers"])
def test_a_network_with_other_outputs_is_refused_at_the_start(tmp_path, kind):
    unfit_network(kind).save(tmp_path / MODEL)
    with pytest.raises(BundleError) as caught:
        engines.load("tensorflow", tmp_path / MODEL)
    assert caught.value.code == "model_unreadable"


def test_an_unknown_engine_is_a_mistake_of_ours(tiny_bundle):
    with pytest.raises(ValueError, match="no engine is called warp"):
        engines.load("warp", tiny_bundle / MODEL)
