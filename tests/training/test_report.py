import pandas as pd
import pytest

from training import configs, report


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
    with pytest.raises(ValueError, match="no such images in the data: ISIC_9999999"):
        report.predicted_against_actual(configs.load("smoke"), data, tmp_path, ["ISIC_9999999"])
