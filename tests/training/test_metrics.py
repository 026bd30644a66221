"""Figures against fractions worked by hand, and laws that all of them keep."""

import math

import numpy as np
import pytest

from training import metrics


def test_confusion_has_a_row_for_each_actual_class():
    labels, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    assert metrics.confusion(labels, predicted, 3).tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_balanced_accuracy_is_the_mean_recall_and_accuracy_the_share_of_images():
    matrix = np.array([[2, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert metrics.recalls(matrix).tolist() == [2 / 3, 1.0, 0.0]
    assert metrics.balanced_accuracy(matrix) == pytest.approx(5 / 9)
    assert metrics.accuracy(matrix) == pytest.approx(3 / 5)


def test_a_class_without_images_has_no_recall_and_does_not_count():
    matrix = np.array([[3, 1], [0, 0]])
    assert math.isnan(metrics.recalls(matrix)[1])
    assert metrics.balanced_accuracy(matrix) == 0.75


def test_nothing_is_measured_on_no_images():
    empty = np.zeros((2, 2), int)
    assert math.isnan(metrics.accuracy(empty))
    assert math.isnan(metrics.balanced_accuracy(empty))
    assert math.isnan(metrics.expected_calibration_error(np.zeros((0, 2)), np.zeros(0, int)))
    nobody = np.zeros(0, bool)
    assert math.isnan(metrics.sensitivity(np.zeros(0), nobody, 0.5))
    assert math.isnan(metrics.area_under_roc(np.zeros(0), nobody))


def test_calibration_error_is_the_gap_weighted_by_images():
    # Two images said 0.9, one was right: gap 0.4. Two said 0.6, both right: gap 0.4. Mean 0.4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    assert metrics.expected_calibration_error(probabilities, np.array([0, 1, 1, 1])) == pytest.approx(0.4)
    # The same confidence in one bin: over- and under-confidence of different images cancel only there.
    assert metrics.expected_calibration_error(np.array([[0.5, 0.5]] * 2), np.array([0, 1])) == pytest.approx(0.0)


@pytest.mark.parametrize("count", [60, 2000])
def test_the_calibration_error_of_a_perfect_network_is_what_its_images_show_on_average(rng, count):
    stated = rng.dirichlet(np.full(8, 0.4), count)
    labels = [(rng.random((count, 1)) > stated.cumsum(axis=1)[:, :-1]).sum(axis=1) for _ in range(100)]
    shown = np.mean([metrics.expected_calibration_error(stated, drawn) for drawn in labels])
    assert metrics.calibration_error_if_perfect(stated) == pytest.approx(shown, rel=0.1)


def test_a_perfect_network_s_calibration_error_falls_with_the_images(rng):
    stated = rng.dirichlet(np.full(8, 0.4), 2000)
    few, many = (metrics.calibration_error_if_perfect(stated[:count]) for count in (60, 2000))
    assert 0 < many < few / 3
    assert math.isnan(metrics.calibration_error_if_perfect(stated[:0]))


def test_sensitivity_counts_the_threshold_itself_as_found_and_specificity_does_not():
    scores, positive = np.array([0.2, 0.5, 0.5, 0.8]), np.array([False, False, True, True])
    assert metrics.sensitivity(scores, positive, 0.5) == 1.0
    assert metrics.specificity(scores, positive, 0.5) == 0.5


@pytest.mark.parametrize(("wanted", "threshold"), [(0.5, 0.6), (0.51, 0.4), (0.75, 0.4), (1.0, 0.1), (0.2, 0.9)])
def test_the_threshold_for_a_sensitivity_is_the_highest_that_reaches_it(wanted, threshold):
    scores = np.array([0.9, 0.6, 0.4, 0.1, 0.5])
    positive = np.array([True, True, True, True, False])
    assert metrics.threshold_for_sensitivity(scores, positive, wanted) == threshold


def test_sensitivity_at_a_specificity_lets_the_allowed_negatives_pass():
    positive = np.array([True] * 4 + [False] * 10)
    scores = np.array([0.95, 0.75, 0.65, 0.05, *np.arange(0, 1, 0.1)])
    # 3 of 10 negatives (0.7, 0.8, 0.9) may be called positive: everything above 0.6 counts as found.
    assert metrics.sensitivity_at_specificity(scores, positive, 0.7) == 0.75
    assert metrics.sensitivity_at_specificity(scores, positive, 1.0) == 0.25
    assert metrics.sensitivity_at_specificity(scores, positive, 0.0) == 1.0


def test_area_under_roc_counts_ties_half():
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    assert metrics.area_under_roc(scores, positive) == pytest.approx(3.5 / 4)


def test_area_under_roc_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.3
    assert metrics.area_under_roc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_the_bootstrap_draws_whole_lesions():
    # Every image of a lesion is alike: intervals by lesion are wider than if each image counted for itself.
    values = np.repeat(np.random.default_rng(0).random(20), 50)
    lesions = np.repeat(np.arange(20), 50)
    low, high = metrics.bootstrap_interval(lambda i: float(values[i].mean()), lesions, repeats=200)
    image_low, image_high = metrics.bootstrap_interval(lambda i: float(values[i].mean()), np.arange(1000), repeats=200)
    assert low < values.mean() < high
    assert high - low > 3 * (image_high - image_low)


def test_the_bootstrap_is_the_same_each_time():
    values = np.arange(10.0)
    first, second = (metrics.bootstrap_interval(lambda i: float(values[i].mean()), values, repeats=50) for _ in "ab")
    assert first == second


def test_a_draw_without_one_of_the_classes_does_not_count():
    # Without the one image of class 1 the mean recall would be that of class 0 alone.
    labels, predicted = np.array([0] * 20 + [1]), np.zeros(21, int)

    def balanced_accuracy(rows):
        return metrics.balanced_accuracy(metrics.confusion(labels[rows], predicted[rows], 2))

    assert metrics.bootstrap_interval(balanced_accuracy, np.arange(21))[1] == 1
    assert metrics.bootstrap_interval(balanced_accuracy, np.arange(21), classes=labels) == (0.5, 0.5)


def test_the_interval_of_a_share_is_that_of_the_bootstrap():
    hits, lesions = np.random.default_rng(0).random(300) < 0.7, np.repeat(np.arange(100), 3)
    low, high = metrics.share_interval(hits, lesions)
    expected = metrics.bootstrap_interval(lambda i: float(hits[i].mean()), lesions)
    assert (low, high) == pytest.approx(expected, abs=0.02)


def test_a_share_of_all_or_none_still_has_an_interval():
    # Three lesions without one hit: up to 70.8 % are compatible with that (1 - 0.025 ** (1/3)).
    lesions = np.array([1, 1, 2, 3])
    assert metrics.share_interval(np.zeros(4, bool), lesions) == pytest.approx((0, 1 - 0.025 ** (1 / 3)))
    assert metrics.share_interval(np.ones(4, bool), lesions) == pytest.approx((0.025 ** (1 / 3), 1))
    assert metrics.share_interval(np.array([True, False]), np.array([1, 1])) == (0, 1)
    assert np.isnan(metrics.share_interval(np.zeros(0, bool), np.zeros(0))).all()


def test_net_benefit_weighs_false_alarms_by_the_odds_of_the_threshold():
    scores, positive = np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, False, False, True])
    assert metrics.net_benefit(scores, positive, 0.2) == pytest.approx(1 / 4 - 2 / 4 * 0.25)
    assert math.isnan(metrics.net_benefit(np.zeros(0), np.zeros(0, bool), 0.2))
