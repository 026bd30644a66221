"""The grown network against the one that it was grown from: with the same activations it must compute the same."""

import keras
import numpy as np
import pytest

from training import lite2, net2net, network

# Least and largest gamma, beta, mean and variance.
_OF_BATCH_NORM = ((0.5, 1.5), (-0.5, 0.5), (-0.1, 0.1), (0.5, 1.5))


@pytest.fixture(scope="module")
def source(images):
    """A Lite2 that has learnt something everywhere: no statistic, gamma or bias is what it is built with."""
    keras.utils.set_random_seed(0)
    model = network.build(64, kind=network.LITE2)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (rng.uniform(*limits, layer.gamma.shape) for limits in _OF_BATCH_NORM)
            layer.set_weights([gamma, beta, mean, variance])
        elif layer.name.endswith("conv"):
            (kernel,) = layer.get_weights()
            fan_in = kernel.size / kernel.shape[2 if layer.name.endswith("dwconv") else 3]
            layer.set_weights([rng.normal(0, fan_in**-0.5, kernel.shape)])
    kernel, bias = model.get_layer(network.HEAD).get_weights()
    model.get_layer(network.HEAD).set_weights([kernel, rng.normal(size=bias.shape)])
    net2net.estimate_batch_norm(model, [images])  # or the images would hardly be told apart
    return model


@pytest.fixture(scope="module")
def grown():
    return network.build(64)


@pytest.fixture(scope="module")
def images():
    """Coarse enough that a network of random weights tells them apart."""
    coarse = np.random.default_rng(1).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def _answers(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(output) for output in network.with_feature_map(model)(images)]


def test_what_was_learnt_with_swish_is_computed_by_the_grown_network(source, grown, images):
    lite2.set_swish(source, 1.0)
    net2net.grow(source, grown)
    logits, narrow = _answers(source, images)
    grown_logits, wide = _answers(grown, images)
    assert wide.shape == (2, 2, 2, 1792)
    assert np.ptp(logits, axis=0).max() > 0.01  # the images are told apart
    np.testing.assert_allclose(grown_logits, logits, rtol=1e-3, atol=1e-3)
    # Every channel of the source comes first and in its order; the others repeat one of them.
    np.testing.assert_allclose(wide[..., :1280], narrow, rtol=1e-2, atol=1e-2)
    repeated = np.abs(wide[:1, ..., 1280:, None] - narrow[:1, ..., None, :]).max(axis=(0, 1, 2)).min(axis=1)
    assert repeated.max() < 1e-2


def test_a_large_scale_stays_closer_to_what_was_learnt_with_relu6(source, grown, images):
    lite2.set_swish(source, 0.0)
    narrow = _after_a_few_blocks(source, images)
    distance = {}
    for scale in (1.0, None):  # each replaces all that the one before it grew
        net2net.grow(source, grown, scale)
        distance[scale] = np.abs(_after_a_few_blocks(grown, images)[..., : narrow.shape[-1]] - narrow).mean()
    assert distance[None] < 0.5 * distance[1.0]


def _after_a_few_blocks(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("block2b_add").output)(images))


def test_new_blocks_and_gates_learn(source, grown, images):
    lite2.set_swish(source, 1.0)
    net2net.grow(source, grown)
    grown.compile("sgd", "mse")
    before = (
        grown.get_layer("block7b_project_bn").get_weights()[0],
        grown.get_layer("block6h_se_expand").get_weights()[1],
    )
    grown.train_on_batch(images, np.ones((2, 8)))
    after = (
        grown.get_layer("block7b_project_bn").get_weights()[0],
        grown.get_layer("block6h_se_expand").get_weights()[1],
    )
    assert not before[0].any()
    assert after[0].any()
    assert (before[1] == net2net.GATE).all()


def test_batch_statistics_become_those_of_the_images(images, rng):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.9)(inputs))
    batches = [rng.normal(5, 2, (64, 8, 8, 3)).astype("float32") for _ in range(3)]
    net2net.estimate_batch_norm(model, batches)
    _, _, mean, variance = model.layers[1].get_weights()
    np.testing.assert_allclose(mean, np.concatenate(batches).mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(variance, 4, rtol=0.05)
    assert model.layers[1].momentum == 0.9
