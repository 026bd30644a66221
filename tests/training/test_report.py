import dataclasses

import numpy as np
import pandas as pd
import pytest

from model_store.prediction import Calibration
from training import configs, evaluate, report
from training.features import Answers

_SURE = np.ones(60, bool)


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "stage": ["head", "head", "whole", "whole"],
            "epoch": [1, 2, 1, 2],
            "val_loss": [1.5, 1.7, 1.2, 1.1],
            "val_accuracy": [0.5, 0.4, 0.6, 0.7],
            "val_balanced_accuracy": [0.4, 0.3, 0.5, 0.6],
        }
    )


def test_a_stage_that_kept_its_best_epoch_is_told_by_that_one(history):
    kept = report.before_and_after(history, keeps_best=True)
    assert list(zip(kept.stage, kept.epoch, kept.val_loss, strict=True)) == [("head", 1, 1.5), ("whole", 2, 1.1)]


def test_a_stage_that_ended_with_its_last_epoch_is_told_by_that_one(history):
    kept = report.before_and_after(history, keeps_best=False)
    assert list(zip(kept.stage, kept.epoch, kept.val_accuracy, strict=True)) == [("head", 2, 0.4), ("whole", 2, 0.7)]


def test_an_unknown_image_is_named(data, tmp_path):
    """Before anything is measured, or even looked for: this folder holds no run."""
    with pytest.raises(report.UnknownImages, match="no such images in the data: ISIC_9999999"):
        report.run(configs.load("smoke"), data, tmp_path, ["ISIC_9999999"])


@pytest.fixture
def phone_photos(rng, calibrations):
    """Sixty test photos of the six diagnoses that phone photos show, answered well."""
    labels = np.arange(60) % 6
    rows = pd.DataFrame({"label": labels, "lesion": range(60), "patient": range(60)})
    logits = rng.normal(0, 1, (60, 8)) + 2 * np.eye(8)[labels]
    return report.Tested("phone", np.arange(60), rows, Answers(logits, np.empty((60, 0))), calibrations["phone"])


def test_photos_of_unsaid_source_have_the_figures_of_the_others(phone_photos, calibrations):
    said = evaluate.figures(phone_photos.answers.logits, phone_photos.rows, phone_photos.fitted)
    told_right = report.unsaid(phone_photos, np.array(["phone"] * 60), _SURE, calibrations)
    six = told_right.pop("six_classes")
    assert six["balanced_accuracy"]["value"] > 0.5
    assert told_right.keys() >= {"melanoma_auc", "malignancy_sensitivity_at_specificity_70", "prediction_sets"}
    assert told_right == {name: said[name] for name in told_right}


def test_a_photo_of_unsaid_source_is_read_by_the_calibration_that_is_told(phone_photos, calibrations):
    certain = dataclasses.replace(calibrations["dermoscopy"], set_thresholds=(2.0,) * 8)  # nothing is in such a set
    told = np.array(["phone"] * 40 + ["dermoscopy"] * 20)
    found = report.unsaid(phone_photos, told, _SURE, {**calibrations, "dermoscopy": certain})
    assert found["prediction_sets"]["empty"] == 20
    all_by_phone = report.unsaid(phone_photos, np.array(["phone"] * 60), _SURE, calibrations)
    assert found["melanoma_auc"]["value"] != all_by_phone["melanoma_auc"]["value"]


def test_a_photo_whose_source_is_not_sure_alarms_where_it_does_by_either_calibration(phone_photos, calibrations):
    told = np.array(["phone"] * 60)
    calm, alarming = _with_soon(calibrations["phone"], 1.0), _with_soon(calibrations["dermoscopy"], 0.0)
    by_source = {"phone": calm, "dermoscopy": alarming}
    found = [report.unsaid(phone_photos, told, sure, by_source) for sure in (_SURE, ~_SURE)]
    reached = [(figures["soon_sensitivity"]["value"], figures["soon_specificity"]["value"]) for figures in found]
    assert reached == [(0, 1), (1, 0)]
    # The probabilities stay those of the source that is told.
    assert found[0]["melanoma_auc"] == found[1]["melanoma_auc"]


def _with_soon(fitted: Calibration, threshold: float) -> Calibration:
    points = [
        dataclasses.replace(point, threshold=threshold) if point.name == "soon" else point
        for point in fitted.operating_points
    ]
    return dataclasses.replace(fitted, operating_points=tuple(points))
