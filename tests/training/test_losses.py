import keras
import numpy as np
import pytest

from training.losses import cross_entropy


def _loss(function, targets, logits):
    return keras.ops.convert_to_numpy(function(np.float32(targets), np.float32(logits)))


def test_without_a_prior_it_is_the_cross_entropy():
    assert _loss(cross_entropy(), [[1, 0]], [[0, 0]])[0] == pytest.approx(np.log(2))
    assert _loss(cross_entropy(), [[0, 1]], [[0, np.log(3)]])[0] == pytest.approx(np.log(4 / 3))


def test_the_prior_makes_a_rare_class_dearer_to_miss():
    function = cross_entropy(log_prior=np.log([0.9, 0.1]))
    common, rare = _loss(function, [[1, 0], [0, 1]], [[0, 0], [0, 0]])
    assert common == pytest.approx(-np.log(0.9))
    assert rare == pytest.approx(-np.log(0.1), rel=1e-5)


def test_class_weights_scale_the_loss_of_each_class():
    plain, weighted = cross_entropy(), cross_entropy(class_weights=np.array([0.5, 3.0]))
    targets, logits = [[1, 0], [0, 1]], [[0.2, 1.0], [0.2, 1.0]]
    np.testing.assert_allclose(_loss(weighted, targets, logits), _loss(plain, targets, logits) * [0.5, 3.0], rtol=1e-6)


def test_label_smoothing_keeps_a_certain_answer_from_being_free():
    certain = [[20, 0]]
    assert _loss(cross_entropy(), [[1, 0]], certain)[0] == pytest.approx(0, abs=1e-6)
    assert _loss(cross_entropy(label_smoothing=0.1), [[1, 0]], certain)[0] == pytest.approx(1.0, rel=1e-4)
