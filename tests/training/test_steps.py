"""The smoke recipe goes the whole way: generated images in, a verified bundle out, each step resumable."""

import json

import numpy as np
import pandas as pd
import pytest

from model_store.bundle import verify
from model_store.classes import CODES
from model_store.prediction import Calibration
from training.__main__ import main


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    assert main(["reproduce", *_arguments(folder), "--bundles", str(folder / "bundles"), "--version", "0.0.1"]) == 0
    return folder


def _arguments(folder):
    return ["--config", "smoke", "--cache", str(folder / "cache"), "--run", str(folder / "run")]


def test_the_bundle_that_comes_out_verifies(reproduced):
    bundle = verify(reproduced / "bundles" / "efficientnet_b4_isic2019" / "0.0.1")
    assert bundle.metadata["recipe"]["weights"] == "random"
    assert bundle.metadata["data"]["rows_without_image"] == 1
    assert sum(f.stat().st_size for f in bundle.path.rglob("*") if f.is_file()) < 45_000_000


def test_its_report_holds_the_figures_of_the_test_images(reproduced):
    report = json.loads((reproduced / "run" / "report.json").read_text())
    figures = report["sets"]["dermoscopy"]
    assert figures["images"] == sum(figures["images_by_class"].values()) == np.sum(figures["confusion"])
    accuracy = np.trace(figures["confusion"]) / figures["images"]
    assert figures["eight_classes"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert sum(row["n"] for row in report["answers"]["by_top_class"].values()) == figures["images"]
    assert set(report["answers"]["by_top_class"]) == set(CODES)


def test_no_test_image_took_part_in_anything_before(reproduced):
    split = pd.read_csv(reproduced / "cache" / "split_seed0.csv").set_index("image").split
    report = json.loads((reproduced / "run" / "report.json").read_text())
    assert (split == "test").sum() == report["sets"]["dermoscopy"]["images"]
    calibration = Calibration.from_dict(json.loads((reproduced / "run" / "calibration.json").read_text()))
    assert {point.n for point in calibration.operating_points} == {int(split.isin(["calibration", "validation"]).sum())}


def test_the_card_is_written_from_the_report(reproduced):
    bundle = reproduced / "bundles" / "efficientnet_b4_isic2019" / "0.0.1"
    card = (bundle / "MODEL_CARD.md").read_text()
    figures = json.loads((bundle / "report.json").read_text())["sets"]["dermoscopy"]
    value = figures["seven_classes"]["balanced_accuracy"]["value"]
    assert f"| Balanced accuracy, seven ISIC 2018 classes | {value:.3f} |" in card
    for name in ("learning_curves", "confusion", "reliability", "roc"):
        assert (bundle / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        assert f"figures/{name}.svg" in card


def test_a_second_call_repeats_no_work(reproduced, capsys):
    before = {p: p.stat().st_mtime_ns for p in (reproduced / "run").glob("*.npz")}
    assert main(["train", *_arguments(reproduced)]) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (reproduced / "run").glob("*.npz")}


def test_data_are_asked_for_where_they_are_needed(capsys):
    assert main(["prepare", "--config", "progressive"]) == 2
    assert "--data" in capsys.readouterr().err
