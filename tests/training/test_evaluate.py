"""Figures of answers that can be checked by hand, and those of the challenges against the challenges' own scorer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app import advice
from model_store.classes import CODES, MALIGNANT_CODES
from model_store.prediction import Evidence, interpret, probabilities
from training import evaluate, seven

SCORER = shutil.which("isic-challenge-scoring", path=Path(sys.prefix) / "scorer" / "bin")
MEL, NV, BCC = CODES.index("MEL"), CODES.index("NV"), CODES.index("BCC")


def rows_of(labels):
    own = range(len(labels))
    return pd.DataFrame({"image": [f"ISIC_{i:07}" for i in own], "label": labels, "lesion": own, "patient": own})


@pytest.fixture
def answered(rng):
    """Labels of every class and logits that often find them."""
    labels = rng.integers(0, len(CODES), 400)
    return rng.normal(0, 1, (400, len(CODES))) + 2 * np.eye(len(CODES))[labels], rows_of(labels)


@pytest.mark.skipif(
    SCORER is None, reason="the official scorer has an environment of its own: `make test` makes .venv/scorer"
)
def test_the_official_scorer_gives_the_same_figures(answered, calibration, tmp_path):
    logits, rows = answered
    measured = evaluate.figures(logits, rows, calibration)
    stated = seven.merge_probabilities(probabilities(logits, calibration))
    truth = np.eye(len(seven.SEVEN_CODES))[seven.merge_labels(rows.label.to_numpy())]
    for name, values in (("truth.csv", truth), ("answers.csv", np.clip(stated, 0, 1))):
        table = pd.DataFrame(values, columns=seven.SEVEN_CODES)
        table.insert(0, "image", rows.image)
        table.to_csv(tmp_path / name, index=False)
    run = subprocess.run(
        [SCORER, "--output", "json", "classification", tmp_path / "truth.csv", tmp_path / "answers.csv"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    official = json.loads(run.stdout)
    assert measured["seven_classes"]["balanced_accuracy"]["value"] == pytest.approx(official["overall"], abs=1e-9)
    assert measured["melanoma_auc"]["value"] == pytest.approx(official["per_category"]["auc"]["MEL"], abs=1e-9)


def test_every_figure_of_a_set_is_plain_json_also_where_it_is_undefined(calibration):
    measured = evaluate.figures(np.eye(8)[[NV, NV, MEL]], rows_of(np.array([NV, NV, NV])), calibration)
    text = json.dumps(measured, allow_nan=False)
    assert json.loads(text)["melanoma_auc"]["value"] is None
    assert measured["recalls"]["MEL"] == {"value": None, "low": None, "high": None, "images": 0}
    assert measured["recalls"]["NV"]["value"] == pytest.approx(2 / 3)


def test_an_operating_point_is_measured_where_its_risk_is_reached(calibration):
    logits = 9 * np.eye(8)[[MEL, MEL, NV, NV, NV, BCC]]
    rows = rows_of(np.array([MEL, NV, NV, NV, MEL, BCC]))
    urgent = evaluate.figures(logits, rows, calibration)["operating_points"][0]
    assert (urgent["name"], urgent["threshold"]) == ("urgent", 0.2)
    assert urgent["sensitivity"]["value"] == pytest.approx(1 / 2)
    assert urgent["specificity"]["value"] == pytest.approx(3 / 4)
    assert urgent["predictive_value"]["value"] == pytest.approx(1 / 2)
    assert urgent["sensitivity"]["images"] == 2


def test_among_fewer_classes_the_most_likely_of_them_counts_on_their_own_images():
    stated = np.array([[0.1, 0.3, 0, 0, 0, 0.6, 0, 0], [0.4, 0.3, 0, 0, 0, 0.3, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0]])
    rows = rows_of([CODES.index("NV"), CODES.index("MEL"), CODES.index("DF")])
    assert evaluate.among(stated, rows, ("MEL", "NV"))["value"] == 1


def test_the_curve_tells_what_each_whole_percent_finds_and_spares():
    malignancy, malignant = np.array([0.05, 0.3, 0.3, 0.8]), np.array([False, False, True, True])
    curve = evaluate.threshold_curve(malignancy, malignant)
    assert [point["threshold"] for point in curve] == pytest.approx([k / 100 for k in range(1, 100)])
    assert curve[0] == {"threshold": 0.01, "sensitivity": 1.0, "specificity": 0.0}
    assert curve[29] == {"threshold": 0.3, "sensitivity": 1.0, "specificity": 0.5}
    assert curve[30] == {"threshold": 0.31, "sensitivity": 0.5, "specificity": 1.0}
    assert curve[98] == {"threshold": 0.99, "sensitivity": 0.0, "specificity": 1.0}


def test_the_curve_has_no_sensitivity_where_nothing_is_malignant():
    curve = evaluate.threshold_curve(np.array([0.1, 0.6]), np.array([False, False]))
    assert curve[49] == {"threshold": 0.5, "sensitivity": None, "specificity": 0.5}


def test_a_prediction_set_covers_its_class_or_not(calibration):
    logits = 20 * np.eye(8)[[MEL, NV]]
    sets = evaluate.figures(logits, rows_of(np.array([MEL, MEL])), calibration)["prediction_sets"]
    assert sets["classes"]["MEL"]["coverage"]["value"] == sets["coverage"]["value"] == 0.5
    assert sets["classes"]["MEL"]["mean_size"] == sets["mean_size"] == 1.0
    assert sets["classes"]["NV"]["mean_size"] is None


def test_answers_are_counted_by_the_most_likely_diagnosis_and_by_the_score(calibration):
    stated = np.eye(8)[[MEL, MEL, NV]]
    rows = rows_of(np.array([MEL, NV, NV]))
    by_class = evaluate.answers_by_top_class(stated, rows.label.to_numpy())
    assert by_class["MEL"]["n"] == 2
    assert {code: count for code, count in by_class["MEL"]["counts"].items() if count} == {"MEL": 1, "NV": 1}
    by_score = evaluate.answers_by_score(stated, rows, calibration)
    assert list(by_score) == [str(score) for score in range(1, 11)]
    assert (by_score["10"]["n"], by_score["10"]["malignant"]) == (2, 1)
    assert by_score["10"]["predictive_value"]["value"] == 0.5
    assert (by_score["1"]["n"], by_score["1"]["malignant"]) == (1, 0)


def test_answers_are_counted_by_the_advice_that_the_site_gives(calibration, rng):
    logits, rows = rng.normal(0, 4, (400, 8)), rows_of(rng.integers(0, 8, 400))
    by_advice = evaluate.answers_by_advice(probabilities(logits, calibration), rows, calibration)
    given = []
    for row in logits:
        prediction = interpret(Evidence(tuple(row), -100.0, "dermoscopy"), {"dermoscopy": calibration})
        level = advice.for_prediction(prediction, (), (), calibration)
        given.append("unsure" if advice.UNSURE in level.reasons else level.level.value)
    malignant = np.isin(rows.label, [CODES.index(code) for code in MALIGNANT_CODES])
    for name, counted in by_advice.items():
        of_it = np.array(given) == name
        assert of_it.any()
        assert (counted["n"], counted["malignant"]) == (of_it.sum(), malignant[of_it].sum())
        assert counted["predictive_value"]["value"] == pytest.approx(malignant[of_it].mean())


def test_reliability_compares_what_was_stated_with_what_was_true():
    bins = evaluate.reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([False, True, True, True]))
    assert bins == [
        {"images": 2, "stated": pytest.approx(0.05), "true": 0.5},
        {"images": 2, "stated": pytest.approx(0.975), "true": 1.0},
    ]


def test_the_decision_curve_of_sending_everyone_falls_to_nothing_at_the_prevalence():
    malignant = np.array([True] * 30 + [False] * 70)
    curve = evaluate.decision_curve(malignant.astype(float), malignant)
    at = curve["thresholds"].index(0.3)
    assert curve["everyone"][at] == pytest.approx(0)
    assert curve["model"] == pytest.approx([0.3] * len(curve["thresholds"]))


def test_rounding_is_told_by_its_largest_effect():
    full = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert evaluate.rounding_cost(full, full + [[0.0, -0.25], [0.0, 1.5]]) == {
        "images": 2, "largest_logit_difference": 1.5, "same_top_class": 0.5,
    }  # fmt: skip
