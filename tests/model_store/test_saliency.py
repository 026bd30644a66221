import numpy as np
import pytest

from model_store.saliency import class_activation_maps


def test_the_map_is_the_weighted_sum_of_features_scaled_to_its_strongest_place():
    features = np.array([[[1.0, 0.0], [0.0, 2.0]], [[2.0, 2.0], [0.0, 0.0]]])
    weights = np.zeros((2, 8))
    weights[:, 3] = (1.0, 3.0)  # evidence: 1, 6 / 8, 0
    result = class_activation_maps(features, weights)[3]
    np.testing.assert_array_equal(result, [[32, 191], [255, 0]])
    assert result.dtype == np.uint8
    assert not class_activation_maps(features, weights)[4].any()  # of a class whose weights are 0


def test_places_that_speak_against_the_class_count_as_nothing():
    features = np.array([[[1.0], [-4.0]]])
    weights = np.full((1, 8), 2.0)
    np.testing.assert_array_equal(class_activation_maps(features, weights)[0], [[255, 0]])


def test_no_evidence_gives_an_empty_map():
    assert not class_activation_maps(np.ones((3, 3, 2)), -np.ones((2, 8))).any()


def test_the_mean_of_the_evidence_is_the_logit_without_its_bias(tiny_bundle):
    """Averaged pooling and one dense layer: what makes the map honest, checked on a real engine's output."""
    from model_store.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(tiny_bundle / "model.keras")
    photo = np.random.default_rng(0).uniform(0, 255, (1, 380, 380, 3)).astype(np.float32)
    output = engine.run(photo)
    evidence = output.feature_map[0] @ engine.dense_weights  # the tiny network's bias is zero
    np.testing.assert_allclose(evidence.mean(axis=(0, 1)), output.logits[0], atol=1e-4)


@pytest.mark.parametrize(("features", "weights"), [((3, 3, 4), (5, 8)), ((3, 3), (3, 8)), ((1, 3, 3, 4), (4, 8))])
def test_shapes_that_do_not_fit_are_a_mistake_of_ours(features, weights):
    with pytest.raises(ValueError, match="do not fit"):
        class_activation_maps(np.ones(features), np.ones(weights))
