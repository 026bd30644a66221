import numpy as np
import pytest

from model_store.classes import CODES
from model_store.prediction import ood_score, probabilities, risk
from training import calibration


@pytest.fixture(scope="module")
def sharp():
    """Logits whose true temperature is 2, for classes as common as each other."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 6000)
    logits = np.eye(8)[labels] * 2 + rng.gumbel(size=(6000, 8))
    return logits * 2, labels


def test_the_temperature_undoes_overconfidence(sharp):
    logits, labels = sharp
    fitted = calibration.temperature(logits, labels, np.zeros(8))
    half = calibration.temperature(logits / 2, labels, np.zeros(8))
    assert fitted == pytest.approx(2 * half, rel=0.01)


def test_each_class_is_covered_as_promised_on_new_images(sharp):
    logits, labels = sharp
    fitted, _ = calibration.fit(logits[:2000], labels[:2000], logits[2000:4000], labels[2000:4000])
    stated = probabilities(logits[4000:], fitted)
    covered = stated[np.arange(2000), labels[4000:]] >= np.asarray(fitted.set_thresholds)[labels[4000:]]
    for k in range(8):
        assert covered[labels[4000:] == k].mean() == pytest.approx(0.95, abs=0.05)


def test_a_class_with_too_few_images_is_in_every_set():
    labels = np.array([0] * 100 + [1] * 5)
    stated = np.random.default_rng(0).dirichlet(np.ones(8), 105)
    thresholds = calibration.set_thresholds(stated, labels, 0.95)
    assert thresholds[0] > 0
    assert thresholds[1:] == (0.0,) * 7


def test_operating_points_reach_their_sensitivity_and_say_what_it_costs(sharp):
    logits, labels = sharp
    fitted, _ = calibration.fit(logits[:2000], labels[:2000], logits[2000:], labels[2000:])
    points = {point.name: point for point in fitted.operating_points}
    assert points["urgent"].sensitivity >= 0.95
    assert points["soon"].sensitivity >= 0.95
    assert points["malignancy_90"].threshold >= points["soon"].threshold
    assert points["malignancy_90"].specificity >= points["soon"].specificity
    stated = probabilities(logits, fitted)
    positive = np.isin(labels, [CODES.index(code) for code in ("MEL", "SCC")])
    found = risk(stated, "urgent")[positive] >= points["urgent"].threshold
    assert found.mean() == pytest.approx(points["urgent"].sensitivity)


def test_one_in_twenty_known_images_counts_as_strange(sharp):
    logits, labels = sharp
    fitted, _ = calibration.fit(logits[:3000], labels[:3000], logits[3000:], labels[3000:])
    assert (ood_score(logits) > fitted.out_of_distribution.threshold).mean() == pytest.approx(0.05, abs=0.002)


def test_malignant_classes_have_the_risk_of_malignancy():
    found = calibration.has_risk(np.arange(8), "malignancy")
    assert [code for code, yes in zip(CODES, found, strict=True) if yes] == ["MEL", "BCC", "AK", "SCC"]
