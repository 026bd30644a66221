import keras
import numpy as np
import pytest

from training import batch_norm

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")


def _layers(rng):
    """Keras's layer and the fused one with the same weights."""
    built = []
    values = [rng.uniform(0.5, 1.5, 5).astype("float32") for _ in range(4)]
    for kind in (keras.layers.BatchNormalization, batch_norm.FusedBatchNormalization):
        layer = kind(momentum=0.9)
        layer.build((None, 6, 7, 5))
        layer.set_weights(values)
        built.append(layer)
    return built


def _gradients(layer, maps, weights):
    tensorflow = pytest.importorskip("tensorflow")
    maps = tensorflow.constant(maps)
    with tensorflow.GradientTape() as tape:
        tape.watch(maps)
        loss = keras.ops.sum(layer(maps, training=True) ** 2 * weights)
    return [np.asarray(g) for g in tape.gradient(loss, [maps, layer.gamma.value, layer.beta.value])]


def test_it_answers_learns_and_remembers_like_the_layer_of_keras(rng):
    plain, fused = _layers(rng)
    maps = rng.normal(3, 2, (4, 6, 7, 5)).astype("float32")
    weights = rng.normal(size=maps.shape).astype("float32")
    for ours, theirs in zip(_gradients(fused, maps, weights), _gradients(plain, maps, weights), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    np.testing.assert_allclose(fused(maps, training=False), plain(maps, training=False), rtol=1e-5, atol=1e-5)


def test_a_frozen_layer_leaves_its_statistics_alone(rng):
    _, fused = _layers(rng)
    fused.trainable = False
    before = fused.get_weights()
    fused(rng.normal(size=(4, 6, 7, 5)).astype("float32"), training=True)
    for ours, theirs in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
