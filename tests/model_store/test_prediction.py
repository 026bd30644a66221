import json
import math
from dataclasses import replace

import numpy as np
import pytest

from model_store.classes import CODES
from model_store.prediction import (
    Calibration,
    Evidence,
    OperatingPoint,
    OutOfDistribution,
    Prior,
    energy,
    interpret,
    malignancy_score,
    probabilities,
    risk,
)


@pytest.fixture
def plain(calibration):
    """Temperature 1 and no bias: the bare softmax."""
    return replace(calibration, temperature=1.0, bias=(0.0,) * 8)


def evidence(logits, ood_score: float = -9.0, source: str = "dermoscopy") -> Evidence:
    return Evidence(tuple(logits), ood_score, source)


def logits_of(*values: float) -> np.ndarray:
    """Logits whose softmax is exactly these eight numbers."""
    return np.log(np.array(values))


def test_the_softmax_of_logarithms_gives_the_numbers_back(plain):
    numbers = (0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02)
    np.testing.assert_allclose(probabilities(logits_of(*numbers)[None], plain)[0], numbers, rtol=1e-14)


def test_temperature_two_takes_the_square_root_before_normalizing(plain):
    numbers = np.array([0.64, 0.16, 0.04, 0.04, 0.04, 0.04, 0.02, 0.02])
    expected = np.sqrt(numbers) / np.sqrt(numbers).sum()
    warm = replace(plain, temperature=2.0)
    np.testing.assert_allclose(probabilities(np.log(numbers)[None], warm)[0], expected, rtol=1e-14)


def test_a_bias_of_log_two_doubles_the_odds(plain):
    doubled = replace(plain, bias=(math.log(2),) + (0.0,) * 7)
    result = probabilities(np.zeros((1, 8)), doubled)[0]
    np.testing.assert_allclose(result, [2 / 9] + [1 / 9] * 7, rtol=1e-14)


@pytest.mark.parametrize("size", [0.0, 1e-300, 700.0, 1e6, 1e300])
def test_no_finite_logit_overflows(plain, size):
    result = probabilities(np.array([[size, -size, 0, 0, 0, 0, 0, 0]]), plain)
    assert np.isfinite(result).all()
    assert result.sum() == pytest.approx(1, abs=1e-12)
    assert np.isfinite(energy(np.array([[size, -size, 0, 0, 0, 0, 0, 0]]))).all()


def test_float32_logits_are_worked_on_in_float64(plain):
    assert probabilities(np.zeros((2, 8), np.float32), plain).dtype == np.float64


@pytest.mark.parametrize("bad", [np.zeros(8), np.zeros((1, 7)), np.full((1, 8), np.nan), np.full((1, 8), np.inf)])
def test_logits_of_another_shape_or_not_finite_are_a_mistake_of_ours(plain, bad):
    with pytest.raises(ValueError, match=r"expected|finite"):
        probabilities(bad, plain)
    with pytest.raises(ValueError, match=r"expected|finite"):
        energy(bad)


def test_the_energy_is_minus_the_logarithm_of_the_summed_exponentials():
    assert energy(np.zeros((1, 8)))[0] == pytest.approx(-math.log(8))
    assert energy(logits_of(1, 2, 3, 4, 5, 6, 7, 8)[None])[0] == pytest.approx(-math.log(36))


def test_risks_sum_their_classes():
    numbers = np.array([0.30, 0.20, 0.10, 0.05, 0.15, 0.10, 0.06, 0.04])
    assert risk(numbers, "malignancy") == pytest.approx(0.30 + 0.10 + 0.05 + 0.04)
    assert risk(numbers, "urgent") == pytest.approx(0.30 + 0.04)


def test_a_prediction_tells_everything_of_one_row(plain):
    numbers = (0.10, 0.40, 0.05, 0.02, 0.30, 0.08, 0.04, 0.01)
    prediction = interpret(evidence(logits_of(*numbers), 0.25), {"dermoscopy": plain})
    np.testing.assert_allclose(prediction.probabilities, numbers)
    assert [CODES[index] for index in prediction.ranking] == ["NV", "BKL", "MEL", "DF", "BCC", "VASC", "AK", "SCC"]
    assert prediction.malignancy == pytest.approx(0.18)
    assert prediction.urgent_risk == pytest.approx(0.11)
    assert (prediction.ood_score, prediction.source) == (0.25, "dermoscopy")


def test_the_prediction_set_holds_what_reaches_its_own_threshold(plain):
    thresholds = replace(plain, set_thresholds=(0.125, 0.25, 0.1, 0.1, 0.1, 0.1, 0.1, 0.125))
    even = interpret(evidence(np.zeros(8)), {"dermoscopy": thresholds})  # 1/8 each, exactly
    assert set(even.prediction_set) == set(CODES) - {"NV"}
    assert interpret(evidence(logits_of(*[0.01] * 7, 0.93)), {"dermoscopy": thresholds}).prediction_set == ("SCC",)


def test_a_prediction_set_may_be_empty(plain):
    strict = replace(plain, set_thresholds=(0.5,) * 8)
    assert interpret(evidence(np.zeros(8)), {"dermoscopy": strict}).prediction_set == ()


def test_of_two_equal_probabilities_the_earlier_class_ranks_first(plain):
    assert interpret(evidence(np.zeros(8)), {"dermoscopy": plain}).ranking == tuple(range(8))


@pytest.mark.parametrize(("threshold", "expected"), [(-0.01, True), (0.01, False)])
def test_above_the_threshold_a_photo_is_out_of_distribution(plain, threshold, expected):
    strict = replace(plain, out_of_distribution=OutOfDistribution("probes", threshold))
    assert interpret(evidence(np.zeros(8), 0.0), {"dermoscopy": strict}).out_of_distribution is expected


@pytest.mark.parametrize(("name", "risk"), [("urgent", "urgent"), ("soon", "malignancy")])
def test_an_operating_point_is_reached_at_its_threshold_and_not_below(plain, name, risk):
    prediction = interpret(evidence(logits_of(0.2, 0.3, 0.1, 0.1, 0.1, 0.05, 0.05, 0.1)), {"dermoscopy": plain})
    reached = {"urgent": prediction.urgent_risk, "malignancy": prediction.malignancy}[risk]
    point = plain.operating_point(name)
    assert prediction.reaches(replace(point, threshold=reached))
    assert not prediction.reaches(replace(point, threshold=float(np.nextafter(reached, 1))))


def test_a_score_that_is_no_number_holds_the_photo_back(plain):
    assert interpret(evidence(np.zeros(8), float("nan")), {"dermoscopy": plain}).out_of_distribution is True


def test_a_certain_malignancy_is_never_above_one(plain):
    prediction = interpret(evidence([30.0, -30, 30, 30, -30, -30, -30, 30]), {"dermoscopy": plain})
    assert prediction.malignancy <= 1.0


def test_the_probe_chooses_the_calibration_unless_the_sender_said_where_the_photo_comes_from(calibrations):
    logits = logits_of(0.7, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02)
    for by_probe, said, used in (("phone", None, "phone"), ("phone", "dermoscopy", "dermoscopy")):
        prediction = interpret(evidence(logits, source=by_probe), calibrations, said)
        assert prediction.source == used
        np.testing.assert_array_equal(prediction.probabilities, probabilities(logits[None], calibrations[used])[0])
    with pytest.raises(ValueError, match="unknown source"):
        interpret(evidence(logits), calibrations, "telescope")


@pytest.mark.parametrize(("malignancy", "score"), [(0.0, 1), (0.099, 1), (0.1, 2), (0.55, 6), (0.9, 10), (1.0, 10)])
def test_the_score_is_one_more_than_the_thresholds_that_are_reached(calibration, malignancy, score):
    assert malignancy_score(malignancy, calibration) == score


def test_intervals_of_an_operating_point_survive_json(calibration):
    point = replace(calibration.operating_points[0], sensitivity_interval=(0.8, 0.95))
    changed = replace(calibration, operating_points=(point, *calibration.operating_points[1:]))
    assert Calibration.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed


def test_a_calibration_survives_json(calibration):
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_an_operating_point_is_found_by_its_name(calibration):
    assert calibration.operating_point("soon").risk == "malignancy"
    with pytest.raises(KeyError):
        calibration.operating_point("never")


URGENT = OperatingPoint("urgent", "urgent", 0.2, 0.9, 0.7, 100, "test")
SOON = OperatingPoint("soon", "malignancy", 0.3, 0.95, 0.6, 100, "test")

WRONG = {
    "temperature of zero": {"temperature": 0.0},
    "temperature below zero": {"temperature": -1.0},
    "temperature not a number": {"temperature": float("nan")},
    "seven biases": {"bias": (0.0,) * 7},
    "an infinite bias": {"bias": (float("inf"),) + (0.0,) * 7},
    "a prior that sums to two": {"prior": Prior("two", (0.25,) * 8)},
    "a negative prior": {"prior": Prior("negative", (1.5, -0.5) + (0.0,) * 6)},
    "nine set thresholds": {"set_thresholds": (0.1,) * 9},
    "no operating point": {"operating_points": ()},
    "no point for soon": {"operating_points": (URGENT,)},
    "a point on the wrong risk": {"operating_points": (replace(URGENT, risk="malignancy"), SOON)},
    "a point on an unknown risk": {"operating_points": (URGENT, SOON, replace(SOON, name="x", risk="boredom"))},
    "two points of one name": {"operating_points": (URGENT, SOON, SOON)},
    "eight score thresholds": {"score_thresholds": (0.5,) * 8},
    "score thresholds that fall": {"score_thresholds": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)},
    "another strangeness score": {"out_of_distribution": OutOfDistribution("mood", 0.0)},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_a_calibration_that_cannot_be_right_is_refused(calibration, changes):
    with pytest.raises(ValueError, match=r"."):
        replace(calibration, **changes)
