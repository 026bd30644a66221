import dataclasses

import numpy as np
import pytest

from model_store.classes import CODES
from model_store.prediction import OutOfDistribution, malignancy_score, probabilities, risk
from training import calibration, metrics
from training.calibration import Images

STRANGE = OutOfDistribution("probes", 1.0)


@pytest.fixture(scope="module")
def sharp():
    """Logits whose true temperature is 2, for classes as common as each other."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 6000)
    logits = np.eye(8)[labels] * 2 + rng.gumbel(size=(6000, 8))
    return logits * 2, labels


def images(logits, labels, source="dermoscopy", shift=0.0) -> Images:
    return Images(source, logits, labels, np.arange(len(labels)) // 4, np.broadcast_to(shift, 8))


@pytest.fixture(scope="module")
def fitted(sharp):
    logits, labels = sharp
    return calibration.fit(images(logits[:4000], labels[:4000]), STRANGE)


def test_the_temperature_undoes_overconfidence(sharp):
    logits, labels = sharp
    whole = calibration.temperature(logits, labels, np.zeros(8))
    half = calibration.temperature(logits / 2, labels, np.zeros(8))
    assert whole == pytest.approx(2 * half, rel=0.01)


def test_scale_and_bias_find_what_was_done_to_the_logits(sharp):
    logits, labels = sharp
    shift = np.array([1.0, -1.0, 0.5, -0.5, 0.0, 0.0, 2.0, -2.0])
    scale, bias = calibration.scale_and_bias(logits, labels)
    other_scale, other_bias = calibration.scale_and_bias(logits * 3 - shift, labels)
    assert other_scale == pytest.approx(scale / 3, rel=0.02)
    np.testing.assert_allclose(other_bias, bias + shift * other_scale, atol=0.03)


def test_each_class_is_covered_as_promised_on_new_images(sharp, fitted):
    logits, labels = sharp
    stated = probabilities(logits[4000:], fitted[0])
    covered = stated[np.arange(2000), labels[4000:]] >= np.asarray(fitted[0].set_thresholds)[labels[4000:]]
    for k in range(8):
        assert covered[labels[4000:] == k].mean() == pytest.approx(0.95, abs=0.05)


def test_probabilities_come_true_on_new_images():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (8000, 8))
    labels = (true + rng.gumbel(size=true.shape)).argmax(axis=1)  # drawn with the probabilities softmax(true)
    fitted, _ = calibration.fit(images(true[:6000] * 2.5 + 1, labels[:6000]), STRANGE)
    assert fitted.temperature == pytest.approx(2.5, rel=0.1)
    stated = probabilities(true[6000:] * 2.5 + 1, fitted)
    assert metrics.expected_calibration_error(stated, labels[6000:]) < 0.04


def test_what_the_logits_owe_to_the_source_changes_no_probability(sharp, fitted):
    logits, labels = sharp
    shift = np.array([1.0, -1.0, 0.5, -0.5, 0.0, 0.0, 2.0, -2.0])
    shifted, _ = calibration.fit(images(logits[:4000] + shift, labels[:4000], shift=shift), STRANGE)
    np.testing.assert_allclose(probabilities(logits + shift, shifted), probabilities(logits, fitted[0]), atol=1e-6)


def test_probabilities_are_those_of_the_stated_prior():
    """Fitted where naevi abound; then asked of a population that has the prior that the calibration names."""
    rng = np.random.default_rng(0)
    evidence = np.array([0.5, 1.0, 1.5, 2.0, 1.0, 1.0, 1.0, 1.0])

    def drawn(shares, count):
        labels = rng.choice(8, count, p=shares)
        return (np.eye(8)[labels] * evidence + rng.normal(0, 1, (count, 8))) * 2, labels

    logits, labels = drawn([0.1, 0.6, *[0.05] * 6], 3000)
    fitted, _ = calibration.fit(images(logits, labels), STRANGE)
    logits, labels = drawn(fitted.prior.values, 3000)
    assert metrics.expected_calibration_error(probabilities(logits, fitted), labels) < 0.06


def test_nobody_waits_whose_summed_risk_is_high():
    labels = np.array([CODES.index("MEL")] * 50 + [CODES.index("NV")] * 50)
    stated = np.zeros((100, 8))
    stated[:50, CODES.index("MEL")], stated[50:, CODES.index("MEL")] = 0.9, 0.4
    stated[:, CODES.index("NV")] = 1 - stated[:, CODES.index("MEL")]
    points = {p.name: p for p in calibration.operating_points(stated, labels, np.arange(100), "drawn")}
    assert points["soon"].threshold == points["urgent"].threshold == calibration.ADVICE_LIMIT
    assert points["soon"].specificity == 0
    assert points["malignancy_90"].threshold == 0.9


def test_classes_with_too_few_images_share_a_threshold_that_covers_them_together():
    labels = np.array([0] * 100 + [1] * 12 + [2] * 5 + [3] * 30)
    stated = np.random.default_rng(0).dirichlet(np.ones(8), len(labels))
    thresholds = calibration.set_thresholds(stated, labels, 0.95)
    # 12 and 5 images are not 19, so the next rarest, with 30, joins them; classes without images go along.
    assert len({thresholds[k] for k in (1, 2, 3, 4, 5, 6, 7)}) == 1
    few = labels > 0
    own = stated[few, labels[few]]
    assert (own >= thresholds[1]).mean() >= 0.95 > (own > np.sort(own)[2]).mean() - 0.05
    assert 0 < thresholds[0] != thresholds[1]


def test_too_few_images_in_all_promise_nothing():
    stated = np.random.default_rng(0).dirichlet(np.ones(8), 18)
    assert calibration.set_thresholds(stated, np.arange(18) % 3, 0.95) == (0.0,) * 8


def test_operating_points_reach_their_sensitivity_and_say_what_it_costs(sharp, fitted):
    logits, labels = sharp
    points = {point.name: point for point in fitted[0].operating_points}
    assert points["urgent"].sensitivity >= 0.95
    assert points["soon"].sensitivity >= 0.95
    assert points["malignancy_90"].threshold >= points["soon"].threshold
    assert points["malignancy_90"].specificity >= points["soon"].specificity
    stated = probabilities(logits[:4000], fitted[0])
    positive = np.isin(labels[:4000], [CODES.index(code) for code in ("MEL", "SCC")])
    found = risk(stated, "urgent")[positive] >= points["urgent"].threshold
    assert found.mean() == pytest.approx(points["urgent"].sensitivity)
    for point in points.values():
        for value, (low, high) in (
            (point.sensitivity, point.sensitivity_interval),
            (point.specificity, point.specificity_interval),
        ):
            assert low <= value <= high
        assert (point.n, point.measured_on) == (4000, "dermoscopy, calibration and validation")


def test_the_score_from_1_to_10_splits_the_images_into_tenths(sharp, fitted):
    logits, _ = sharp
    stated = risk(probabilities(logits[:4000], fitted[0]), "malignancy")
    scores = np.array([malignancy_score(value, fitted[0]) for value in stated])
    np.testing.assert_allclose(np.bincount(scores, minlength=11)[1:], 400, atol=2)


def test_the_prior_behind_the_probabilities_is_told(sharp, fitted):
    chosen = next(row for row in fitted[1] if row["chosen"])
    assert sum(row["chosen"] for row in fitted[1]) == 1
    name = fitted[0].prior.name
    assert name == "all eight diagnoses equally common" if chosen["power"] == 0 else f"{chosen['power']:.1f}" in name
    assert fitted[0].out_of_distribution == STRANGE


def test_a_prior_says_of_which_diagnoses_there_was_no_image(sharp):
    logits, labels = sharp
    some = np.flatnonzero(~np.isin(labels, [CODES.index("DF"), CODES.index("VASC")]))[:400]
    of_phones, _ = calibration.fit(images(logits[some], labels[some], "phone"), STRANGE)
    assert of_phones.prior.name.endswith(
        "; but DF and VASC stay as rare as the network learnt, since no phone image shows them"
    )


def test_biases_are_taken_only_where_they_pay(sharp):
    logits, labels = sharp
    shift = np.array([2.0, -2.0, 1.0, -1.0, 0.0, 0.0, 3.0, -3.0])
    for given, method in ((logits, "temperature"), (logits + shift, "bias")):
        _, tried = calibration.fit(images(given[:4000], labels[:4000]), STRANGE)
        assert next(row["method"] for row in tried if row["chosen"]) == method


def test_few_images_get_no_bias_of_their_own(sharp):
    logits, labels = sharp
    _, tried = calibration.fit(images(logits[:60], labels[:60], "phone"), STRANGE)
    assert {row["method"] for row in tried} == {"temperature"}


def test_of_phone_photos_the_rare_diagnoses_count_as_much_as_the_common_ones():
    """Where a prior would only hide the rare classes, phone photos are judged without one."""
    rng = np.random.default_rng(0)
    labels = rng.choice(8, 4000, p=[0.65, *[0.05] * 7])
    logits = np.eye(8)[labels] * 1.5 + rng.gumbel(size=(4000, 8))
    phone, _ = calibration.fit(images(logits, labels, "phone"), STRANGE)
    even = dataclasses.replace(phone, bias=(0.0,) * 8)
    found, best = (
        metrics.balanced_accuracy(metrics.confusion(labels, probabilities(logits, c).argmax(axis=1), 8))
        for c in (phone, even)
    )
    assert found >= best - 0.02


def test_malignant_classes_have_the_risk_of_malignancy():
    found = calibration.has_risk(np.arange(8), "malignancy")
    assert [code for code, yes in zip(CODES, found, strict=True) if yes] == ["MEL", "BCC", "AK", "SCC"]
