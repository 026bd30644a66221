"""The smoke recipe goes the whole way: generated images in, a verified bundle out, each step resumable."""

import functools
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pandas as pd
import pytest

from model_store.bundle import verify
from model_store.classes import CODES
from model_store.prediction import Calibration
from model_store.preprocessing import InputSpec
from training import arguments, calibrate, configs, export, fit, gate, metrics, prepare, record, strangers
from training.__main__ import main
from training.configs.recipe import Recipe, Stage
from training.figures import with_interval

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    with pytest.MonkeyPatch.context() as patch:
        _shorten(patch)
        assert main(["reproduce", *_arguments(folder), "--bundles", str(folder / "bundles"), "--version", "0.0.1"]) == 0
    return folder


@pytest.fixture(scope="module", autouse=True)
def each_file_has_one_engine():
    """The run's network is loaded and compiled once, however many bundles are written of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.engines, "load", functools.cache(export.engines.load))
        yield


def _shorten(patch):
    """Fewer pictures of each kind and fewer draws for an interval: their number proves nothing of the way."""
    for photos in ("_CHOOSING_PHOTOS", "_MEASURING_PHOTOS"):
        patch.setattr(strangers, photos, getattr(strangers, photos)[:6])
    patch.setattr(strangers, "_CROPS", 1)
    patch.setattr(strangers, "_DRAWN", 5)  # motifs enough for an interval
    for interval in (metrics.bootstrap_interval, metrics.share_interval):
        patch.setitem(interval.__kwdefaults__, "repeats", 50)


@pytest.fixture(scope="module")
def of_other_weights(reproduced, tmp_path_factory):
    """A copy of the run whose weights were replaced since, and the time when its network was saved before that."""
    run = tmp_path_factory.mktemp("others") / "run"
    shutil.copytree(reproduced / "run", run)
    saved = (run / "model.keras").stat().st_mtime_ns
    shutil.copyfile(run / "head.weights.npz", run / "whole.weights.npz")
    return run, saved


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
    answers = report["answers"]["dermoscopy"]
    for table in (answers["by_top_class"], answers["by_advice"], answers["by_score"]):
        assert sum(row["n"] for row in table.values()) == figures["images"]
    assert set(answers["by_top_class"]) == set(CODES)
    accepted = figures["gate"]["accepted"]["images"]
    assert accepted + figures["gate"]["refused"] == figures["images"]
    assert figures["source_unsaid"]["melanoma_auc"]["value"] is not None
    assert [row["stage"] for row in report["before_and_after"]] == ["head", "whole"]


def test_the_page_holds_the_same_figures_and_needs_nothing_beside_it(reproduced):
    page = (reproduced / "run" / "report.html").read_text()
    figures = json.loads((reproduced / "run" / "report.json").read_text())["sets"]["dermoscopy"]
    assert with_interval(figures["seven_classes"]["balanced_accuracy"]) in page
    sources = re.findall(r'(?:src|href)="([^"]{1,30})', page)
    assert len(sources) == 6  # five plots and the sheet of mistakes
    assert all(source.startswith("data:image/") for source in sources)


def test_photos_stay_out_of_the_bundle(reproduced):
    bundle = reproduced / "bundles" / "efficientnet_b4_isic2019" / "0.0.1"
    assert (reproduced / "run" / "worst_mistakes.jpg").exists()
    assert {f.suffix for f in bundle.rglob("*") if f.is_file()} <= {".keras", ".json", ".npz", ".md", ".svg", ""}


def test_exporting_the_same_run_again_changes_nothing(reproduced, capsys):
    assert main(["export", *_arguments(reproduced), "--bundles", str(reproduced / "bundles")]) == 0
    assert "exported before with the same content" in capsys.readouterr().out


def test_another_bundle_of_the_same_version_is_never_overwritten(reproduced, capsys):
    file = reproduced / "run" / "report.json"
    before = file.read_text()
    file.write_text(json.dumps(json.loads(before) | {"float16": {**json.loads(before)["float16"], "images": 1}}))
    try:
        assert main(["export", *_arguments(reproduced), "--bundles", str(reproduced / "bundles")]) == 1
        assert "holds another bundle" in capsys.readouterr().err
    finally:
        file.write_text(before)


def test_a_network_is_made_anew_where_its_weights_are_others(reproduced, of_other_weights):
    recipe, ours = configs.load("smoke"), reproduced / "run" / "model.keras"
    before = ours.stat().st_mtime_ns
    assert export.served_network(recipe, reproduced / "run").stat().st_mtime_ns == before
    run, saved = of_other_weights
    assert export.served_network(recipe, run).stat().st_mtime_ns > saved


@pytest.mark.parametrize("step", ["gate", "evaluate", "export"])
def test_what_is_about_another_network_is_not_gone_on_with(reproduced, of_other_weights, step, tmp_path, capsys):
    folders = ["--cache", str(reproduced / "cache"), "--run", str(of_other_weights[0])]
    to = ["--bundles", str(tmp_path)] if step == "export" else []
    assert main([step, "--config", "smoke", *folders, *to]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.endswith("is about another network: call the steps from `calibrate` on again")


@pytest.mark.parametrize("step", ["calibrate", "evaluate", "export"])
def test_a_step_before_its_time_says_what_is_missing(reproduced, tmp_path, step, capsys):
    assert main([step, "--config", "smoke", "--cache", str(reproduced / "cache"), "--run", str(tmp_path / "run")]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {tmp_path / 'run'}/")
    assert line.endswith(f" is missing: call the steps before `{step}` first")


@pytest.mark.parametrize("error", [fit.NotFiniteLoss("loss nan"), record.OtherRecipe("another recipe")])
def test_what_the_caller_can_mend_is_said_in_a_line(reproduced, monkeypatch, capsys, error):
    monkeypatch.setattr(fit, "run", Mock(side_effect=error))
    assert main(["train", *_arguments(reproduced)]) == 1
    assert f"\nerror: {error}\n" in "\n" + capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("ours"), FileNotFoundError(2, "No such file", "/elsewhere")])
def test_a_mistake_of_ours_keeps_its_traceback(reproduced, monkeypatch, error):
    monkeypatch.setattr(fit, "run", Mock(side_effect=error))
    with pytest.raises(type(error)):
        main(["train", *_arguments(reproduced)])


def test_the_test_images_are_counted_in_the_report_and_the_others_in_the_calibration(reproduced):
    split = pd.read_csv(reproduced / "cache" / "split_seed0.csv").set_index("image").split
    report = json.loads((reproduced / "run" / "report.json").read_text())
    assert (split == "test").sum() == report["sets"]["dermoscopy"]["images"]
    content = json.loads((reproduced / "run" / "calibration.json").read_text())["dermoscopy"]
    assert {point.n for point in Calibration.from_dict(content).operating_points} == {
        int(split.isin(["calibration", "validation"]).sum())
    }


def _with_other_test_images(data, rng):
    """The same data, but of the test images nothing is as it was: noise, another diagnosis, no file."""
    test = (data.table.split == "test").to_numpy()
    table = data.table.copy()
    table.loc[test, "label"] = (table.label[test] + 1) % len(CODES)
    table.loc[test, "path"] = "/nowhere.jpg"
    pixels, thumbnails = np.array(data.pixels), np.array(data.thumbnails)
    for array in (pixels, thumbnails):
        array[test] = rng.integers(0, 256, array[test].shape)
    return prepare.Data(table, pixels, thumbnails)


def test_no_test_image_takes_part_in_training_or_in_what_is_fitted_after_it(
    small_network, data, rng, tmp_path, monkeypatch
):
    _shorten(monkeypatch)
    stage = Stage("only", 64, epochs=1, epoch_images=32, batch_size=16, peak=1e-2)
    recipe = Recipe((stage,), input=InputSpec(size_px=64, common_px=64), class_power=0.5, logit_adjustment=True)
    made = []
    for name, given in (("ours", data), ("others", _with_other_test_images(data, rng))):
        folder = tmp_path / name
        last = fit.run(recipe, given, folder, "random")
        fitted = calibrate.run(recipe, given, folder)["dermoscopy"]
        arrays = [np.load(file)[key] for file in (last, folder / gate.PROBES) for key in sorted(np.load(file))]
        numbers = (fitted.temperature, *fitted.bias, *fitted.set_thresholds, *fitted.score_thresholds)
        made.append([*arrays, np.array(numbers), pd.read_csv(folder / gate.COMPARED).auc.to_numpy()])
        history = pd.read_csv(folder / "history.csv")
        made[-1].append(history[["loss", "val_loss", "val_accuracy"]].to_numpy())
    for ours, theirs in zip(*made, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_the_card_is_written_from_the_report(reproduced):
    bundle = reproduced / "bundles" / "efficientnet_b4_isic2019" / "0.0.1"
    card = (bundle / "MODEL_CARD.md").read_text()
    figures = json.loads((bundle / "report.json").read_text())["sets"]["dermoscopy"]
    value = figures["seven_classes"]["balanced_accuracy"]["value"]
    assert f"| Balanced accuracy, seven ISIC 2018 classes | {value:.3f} |" in card
    plots = ("confusion", "reliability", "roc", "decision_curve")
    for name in ("learning_curves", *(f"{plot}_dermoscopy" for plot in plots)):
        assert (bundle / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        assert f"figures/{name}.svg" in card


def test_a_second_call_repeats_no_work(reproduced, capsys):
    files = [*(reproduced / "run").glob("*.npz"), *(reproduced / "cache" / "smoke_data").rglob("*.*")]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert {path.suffix for path in files} == {".npz", ".csv", ".jpg"}
    assert main(["train", *_arguments(reproduced)]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in files}


def test_data_are_asked_for_where_they_are_needed(capsys):
    assert main(["prepare", "--config", "progressive"]) == 2
    assert "--data" in capsys.readouterr().err


@pytest.fixture
def other_backend(monkeypatch):
    """A context in which Keras runs on JAX, and `reproduce` has nothing to do between its first step and its last."""
    with monkeypatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: "jax")
        patch.setattr(arguments, "REPRODUCED", ["prepare", "export"])
        yield patch


def test_reproduce_under_another_backend_exports_in_a_process_under_tensorflow(reproduced, tmp_path, other_backend):
    calls = []

    def run(command, env, check):
        calls.append((command, env))
        return subprocess.CompletedProcess(command, 0)

    other_backend.setattr(subprocess, "run", run)
    assert main(["reproduce", *_arguments(reproduced), "--bundles", str(tmp_path), "--version", "0.0.2"]) == 0
    other_backend.undo()
    ((command, environment),) = calls
    assert command[:3] == [sys.executable, "-m", "training"]
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert main(command[3:]) == 0
    assert verify(tmp_path / "efficientnet_b4_isic2019" / "0.0.2").version == "0.0.2"


def test_reproduce_without_tensorflow_says_at_once_and_at_its_end_how_to_export(
    reproduced, tmp_path, other_backend, capsys
):
    other_backend.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["reproduce", *_arguments(reproduced), "--bundles", str(tmp_path), "--version", "0.0.2"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    for line in (first, last):
        assert "python -m training export --config smoke" in line
        assert f"--version 0.0.2 --bundles {tmp_path} --run {reproduced / 'run'}" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tables", [False, True])
def test_a_folder_without_the_data_is_said_in_a_line_before_keras_is_loaded(isic_folder, tmp_path, tables):
    if tables:  # and no image
        for file in isic_folder.glob("*.csv"):
            shutil.copyfile(file, tmp_path / file.name)
    program = f"""
import sys
from training.__main__ import main
status = main(["prepare", "--config", "progressive", "--data", {str(tmp_path)!r}])
assert not {{"keras", "tensorflow"}} & set(sys.modules)
sys.exit(status)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"{tmp_path} does not hold ISIC 2019: ")
