"""The training loop on a few images and a small network: what it must keep, whatever the network."""

import dataclasses
import hashlib
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from training import augmentation, checkpoint, fit, network, prepare, record
from training.__main__ import main
from training.configs.recipe import LITE2, Augmentation, Optimizer, Recipe, Stage
from training.distillation import TaughtDraws
from training.draws import Draws, validation_rows
from training.errors import TrainingError

_AUGMENTATION = Augmentation(flips=True, rotation=90, zoom=1.2, brightness=1.2, blur=0.5)

RECIPE = Recipe(
    stages=(
        Stage("first", 16, epochs=2, batch_size=16, peak=1e-2, warmup=2, augmentation=_AUGMENTATION),
        Stage("second", 24, epochs=3, epoch_images=48, batch_size=16, peak=3e-3, warmup=0, augmentation=_AUGMENTATION),
    ),
    optimizer=Optimizer(weight_decay=1e-3, clip=1.0, ema=0.9),
    class_power=0.5,
    logit_adjustment=True,
    validation_images=12,
)


def _arrays(file: Path) -> list[np.ndarray]:
    with np.load(file) as arrays:
        return [arrays[str(i)] for i in range(len(arrays))]


def _with_a_training_image_that_tests(data):
    sides = data.table.split.to_numpy().copy()
    sides[np.flatnonzero(sides == "train")[0]] = "test"
    return dataclasses.replace(data, table=data.table.assign(split=sides))


class Killed(BaseException):
    pass


def _kill_after(monkeypatch, steps):
    draw, calls = fit.augmentation.draw, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) > steps:
            raise Killed
        return draw(*arguments)

    monkeypatch.setattr(fit.augmentation, "draw", dying)


def test_a_run_leaves_its_weights_its_history_and_what_made_it(small_network, data, tmp_path):
    last = fit.run(RECIPE, data, tmp_path, "random")
    assert last == tmp_path / "second.weights.npz"
    history = pd.read_csv(tmp_path / "history.csv")
    assert history[["stage", "epoch"]].values.tolist() == [
        ["first", 1], ["first", 2], ["second", 1], ["second", 2], ["second", 3],
    ]  # fmt: skip
    assert np.isfinite(history[["loss", "val_loss", "val_accuracy"]]).all(axis=None)
    assert history.loss.iloc[-1] < history.loss.iloc[0]
    assert json.loads((tmp_path / "recipe.json").read_text())["seed"] == 0
    versions = json.loads((tmp_path / "versions.json").read_text())
    assert versions["keras"] == keras.__version__
    assert versions["backend_version"] == sys.modules[keras.backend.backend()].__version__
    assert versions["stages"] == {"first": [versions["commit"]], "second": [versions["commit"]]}
    assert versions["data"] == hashlib.sha256((tmp_path / "split.csv").read_bytes()).hexdigest()
    assert pd.read_csv(tmp_path / "split.csv").split.tolist() == data.table.split.tolist()
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("steps", [3, 18])
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_left_alone(
    small_network, data, tmp_path, monkeypatch, steps
):
    fit.run(RECIPE, data, tmp_path / "whole", "random")
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", -1)  # after every step
    with monkeypatch.context() as killing:
        _kill_after(killing, steps)
        with pytest.raises(Killed):
            fit.run(RECIPE, data, tmp_path / "killed", "random")
    fit.run(RECIPE, data, tmp_path / "killed", "random")
    for one, other in zip(
        _arrays(tmp_path / "whole" / "second.weights.npz"), _arrays(tmp_path / "killed" / "second.weights.npz"),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="minutes") for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)


def test_early_stopping_ends_a_stage_with_its_best_epoch(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=30, batch_size=16, peak=0.5)  # far too high a rate: it gets worse soon
    recipe = dataclasses.replace(
        RECIPE, stages=(stage,), optimizer=Optimizer(), early_stopping_patience=2, reduce_lr_patience=1
    )
    file = fit.run(recipe, data, tmp_path, "random")
    history = pd.read_csv(tmp_path / "history.csv")
    best = history.val_loss.idxmin()
    assert len(history) == best + 1 + 2 < 30
    assert history.learning_rate.iloc[-1] < 0.5
    model = small_network(16, dropout=0.2, drop_connect=0.2, batch_norm_momentum=0.95)
    network.load_weights(model, file)
    rows = validation_rows(data.table, recipe)
    answers = fit.logits(model, data.pixels, rows, recipe.input, 16)
    accuracy = (answers.argmax(axis=1) == data.table.label.to_numpy()[rows]).mean()
    assert accuracy == pytest.approx(history.val_accuracy[best])


@pytest.mark.parametrize("settings", [{"early_stopping_patience": 2}, {"reduce_lr_patience": 1}])
def test_a_killed_run_stops_early_and_lowers_its_rate_where_one_would_that_was_left_alone(
    small_network, data, tmp_path, monkeypatch, settings
):
    stage = Stage("only", 16, epochs=5, epoch_images=32, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,), optimizer=Optimizer(), **settings)

    def run(name, killed_after=None):
        losses = iter([1.0, 0.9, 0.95, 0.97, 0.99])  # the second epoch is the best
        monkeypatch.setattr(fit, "_validate", lambda *_: {"val_loss": next(losses), "val_accuracy": 0.5})
        if killed_after is not None:
            with monkeypatch.context() as killing:
                _kill_after(killing, killed_after)
                with pytest.raises(Killed):
                    fit.run(recipe, data, tmp_path / name, "random")
            assert len(pd.read_csv(tmp_path / name / "history.csv")) == 3  # seen while the stage still runs
            assert (tmp_path / name / "learning_curves.svg").exists()
        weights = _arrays(fit.run(recipe, data, tmp_path / name, "random"))
        return weights, pd.read_csv(tmp_path / name / "history.csv").drop(columns="minutes")

    whole, history = run("whole")
    resumed, resumed_history = run("killed", killed_after=7)  # one to build the network, six steps: three epochs
    assert len(history) == (4 if recipe.early_stopping_patience else 5)
    assert (history.learning_rate.iloc[-1] < 1e-3) == bool(recipe.reduce_lr_patience)
    pd.testing.assert_frame_equal(resumed_history, history, rtol=1e-4)
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_run_whose_time_is_up_leaves_a_checkpoint_that_it_goes_on_from(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=2, epoch_images=32, batch_size=16, peak=1e-3, warmup=1)
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    with pytest.raises(fit.OutOfTime):
        fit.run(recipe, data, tmp_path / "stopped", "random", until=0.0)
    assert json.loads((tmp_path / "stopped" / "checkpoint" / "state.json").read_text())["step"] == 1
    stopped, whole = (_arrays(fit.run(recipe, data, tmp_path / name, "random")) for name in ("stopped", "whole"))
    for one, other in zip(stopped, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_command_whose_minutes_are_over_ends_well_and_says_how_to_go_on(isic_folder, tmp_path, monkeypatch, capsys):
    given = []

    def run(*_, until, **__):
        given.append(until)
        raise fit.OutOfTime

    monkeypatch.setattr(fit, "run", run)
    before = time.monotonic()
    folders = ["--data", str(isic_folder), "--cache", str(tmp_path / "cache"), "--run", str(tmp_path / "run")]
    assert main(["train", "--config", "smoke", *folders, "--minutes", "5"]) == 0
    assert before + 300 <= given[0] <= time.monotonic() + 300
    assert "the same command goes on" in capsys.readouterr().out


def test_a_folder_of_another_recipe_is_refused(small_network, data, tmp_path):
    one_step = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(one_step,))
    fit.run(recipe, data, tmp_path, "random")
    with pytest.raises(record.OtherRecipe):
        fit.run(dataclasses.replace(recipe, seed=1), data, tmp_path, "random")
    # Chosen after training, it trains nothing.
    fit.run(dataclasses.replace(recipe, network_px=32), data, tmp_path, "random")


def test_a_folder_goes_on_when_a_field_with_a_default_came_to_recipes_since(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    last = fit.run(recipe, data, tmp_path, "random")
    recorded = json.loads((tmp_path / "recipe.json").read_text())
    del recorded["stages"][0]["augmentation"]["cutmix"]
    (tmp_path / "recipe.json").write_text(json.dumps(recorded))
    assert fit.run(recipe, data, tmp_path, "random") == last


def test_a_folder_goes_on_from_no_other_file_of_the_same_name(tmp_path):
    weights = tmp_path / "stage.weights.npz"
    weights.write_bytes(b"some")
    for _ in range(2):
        record.start(RECIPE, str(weights), tmp_path)
    weights.write_bytes(b"others")
    with pytest.raises(record.OtherRecipe):
        record.start(RECIPE, str(weights), tmp_path)


def test_each_stage_says_which_commits_trained_it(tmp_path, monkeypatch):
    def versions():
        return json.loads((tmp_path / "versions.json").read_text())

    before = {"keras": "3", "commit": "one"}  # as a run of before this was recorded has it
    (tmp_path / "versions.json").write_text(json.dumps({**before, "data": "some"}))
    for stage, commit in (("first", "one"), ("second", "one"), ("second", "two-dirty"), ("third", "two-dirty")):
        monkeypatch.setattr(record, "_versions", lambda commit=commit: {"keras": "3", "commit": commit})
        record.stage(stage, tmp_path)
    assert versions() == {
        **before,
        "data": "some",
        "later": [{"keras": "3", "commit": "two-dirty"}],
        "stages": {"first": ["one"], "second": ["one", "two-dirty"], "third": ["two-dirty"]},
    }


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_commit_says_whether_the_tree_held_changes_that_are_not_in_it(tmp_path, monkeypatch):
    def git(*arguments):
        settings = ("user.name=a", "user.email=a@example.org", "commit.gpgsign=false", "tag.gpgsign=false")
        command = ["git", *(part for setting in settings for part in ("-c", setting)), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    file = tmp_path / "record.py"
    file.write_text("as it was committed")
    git("init")
    git("add", ".")
    git("commit", "--message=some")
    git("tag", "--annotate", "v1", "--message=a tag is no commit")
    monkeypatch.setattr(record, "__file__", str(file))
    commit = git("rev-parse", "HEAD")
    assert record._versions.__wrapped__()["commit"] == commit
    file.write_text("as it runs")
    assert record._versions.__wrapped__()["commit"] == f"{commit}-dirty"


def test_weights_of_a_run_whose_training_images_test_here_are_refused(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    weights = fit.run(recipe, data, tmp_path / "first", "random")
    fit.run(recipe, data, tmp_path / "second", str(weights))
    other = _with_a_training_image_that_tests(data)
    with pytest.raises(record.OtherSplit, match="1 images that trained"):
        fit.run(recipe, other, tmp_path / "third", str(weights))
    assert not (tmp_path / "third").exists()  # so that it can begin there with others
    (tmp_path / "first" / "split.csv").unlink()
    with pytest.raises(record.OtherSplit, match=r"no split\.csv"):
        fit.run(recipe, data, tmp_path / "fourth", str(weights))


def test_what_trained_the_run_before_the_last_one_may_not_test_either(data, tmp_path):
    """Each run has fewer images than the next: the second knows nothing of the first one's but what that says."""
    recipe = dataclasses.replace(RECIPE, stages=RECIPE.stages[:1])

    def begin(name, table, weights):
        folder = tmp_path / name
        folder.mkdir()
        learnt_before = record.check_start(str(weights), table)
        record.start(recipe, str(weights), folder)
        record.data(table, folder, learnt_before)
        (folder / "first.weights.npz").write_bytes(b"weights")
        return folder / "first.weights.npz"

    training = data.table[data.table.split == "train"]
    first = begin("first", training.iloc[:3], "random")
    second = begin("second", training.iloc[2:9], first)
    third = begin("third", training.iloc[4:9], second)
    versions = json.loads((third.parent / record.VERSIONS).read_text())
    assert sorted(versions[record.LEARNT_BEFORE]) == sorted(training.image.iloc[:4])
    assert not record.check_start(str(third), data.table)
    moved = data.table.copy()
    moved.loc[training.index[0], "split"] = "test"
    with pytest.raises(record.OtherSplit, match="1 images that trained"):
        record.check_start(str(third), moved)
    # The bundle of the third run says the same to whoever goes on from it.
    (tmp_path / "bundle.json").write_text(json.dumps({"training": {"versions": versions}}))
    before = record.check_start(str(tmp_path / "model.keras"), training.iloc[4:9])
    assert before == versions[record.LEARNT_BEFORE]


def test_a_run_that_does_not_say_what_trained_its_own_start_says_how_to_mend_that(data, tmp_path):
    record.start(RECIPE, "random", tmp_path)
    record.data(data.table, tmp_path)
    versions = json.loads((tmp_path / "versions.json").read_text())
    del versions[record.LEARNT_BEFORE]  # as written before that was recorded
    (tmp_path / "versions.json").write_text(json.dumps(versions))
    weights = str(tmp_path / "first.weights.npz")
    assert record.check_start(weights, data.table) == []
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    (tmp_path / "recipe.json").write_text(json.dumps(recipe | {"weights": "high.weights.npz"}))
    with pytest.raises(record.OtherSplit, match=r"began with high\.weights\.npz .* under \"learnt_before\""):
        record.check_start(weights, data.table)
    (tmp_path / "versions.json").write_text(json.dumps(versions | {record.LEARNT_BEFORE: []}))
    assert record.check_start(weights, data.table) == []


def test_a_machine_without_git_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert record._versions.__wrapped__()["commit"] == "unknown"


@pytest.mark.parametrize("same", [True, False])
def test_a_bundle_only_starts_a_run_on_the_split_that_it_learnt_from(data, tmp_path, same):
    learnt = record.split_digest(data.table) if same else "another"
    (tmp_path / "bundle.json").write_text(json.dumps({"training": {"versions": {"data": learnt}}}))
    with nullcontext() if same else pytest.raises(record.OtherSplit, match="learnt from other images"):
        record.check_start(str(tmp_path / "model.keras"), data.table)


def test_a_network_that_does_not_say_what_it_learnt_from_starts_nothing(data, tmp_path):
    with pytest.raises(record.OtherSplit, match=r"no bundle\.json beside"):
        record.check_start(str(tmp_path / "model.keras"), data.table)
    record.check_start("imagenet", data.table)
    record.check_start("/nowhere/start.weights.h5", data.table)


def test_weights_that_the_last_step_spoiled_are_not_kept(small_network, data, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "_validate", lambda *_: {"val_loss": np.nan})
    with pytest.raises(fit.NotFiniteLoss, match="validation"):
        fit.run(RECIPE, data, tmp_path, "random")
    assert not list(tmp_path.glob("*.weights.npz"))


def test_a_run_goes_on_only_with_the_labels_and_the_split_that_it_began_with(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    fit.run(recipe, data, tmp_path, "random")
    moved = data.table.copy()
    moved.loc[0, "split"] = "test" if moved.split[0] != "test" else "train"
    with pytest.raises(record.OtherSplit, match="another split"):
        fit.run(recipe, dataclasses.replace(data, table=moved), tmp_path, "random")
    versions = json.loads((tmp_path / "versions.json").read_text())
    began_with = versions.pop("data")
    (tmp_path / "versions.json").write_text(json.dumps(versions))  # as written before the data were recorded
    fit.run(recipe, data, tmp_path, "random")
    assert json.loads((tmp_path / "versions.json").read_text())["data"] == began_with


def test_a_run_starts_from_a_stage_of_an_earlier_one_with_its_head(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,), optimizer=Optimizer())
    first = fit.run(recipe, data, tmp_path / "first", "random")
    still = dataclasses.replace(recipe, stages=(dataclasses.replace(stage, peak=0.0, trainable_from="logits"),))
    second = fit.run(still, data, tmp_path / "second", str(first))
    model = small_network(16, dropout=0.2, drop_connect=0.2, batch_norm_momentum=0.95)
    heads = []
    for file in (first, second):
        network.load_weights(model, file)
        heads.append(model.get_layer(network.HEAD).get_weights()[0])
    np.testing.assert_array_equal(*heads)


def test_a_run_ends_with_the_mean_of_the_stages_that_were_chosen_since(small_network, data, tmp_path):
    stages = tuple(Stage(name, 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-2) for name in "abc")
    recipe = dataclasses.replace(RECIPE, stages=stages)
    assert fit.run(recipe, data, tmp_path, "random") == tmp_path / "c.weights.npz"
    averaged = dataclasses.replace(recipe, average=("a", "c"))
    last = fit.run(averaged, data, tmp_path, "random")
    assert last == fit.final_weights(averaged, tmp_path) == tmp_path / "a+c.weights.npz"
    mean, a, c = (_arrays(tmp_path / f"{name}.weights.npz") for name in ("a+c", "a", "c"))
    for ours, one, other in zip(mean, a, c, strict=True):
        expected = (one + other) / 2 if one.dtype.kind == "f" else other
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_a_mean_follows_a_stage_that_was_trained_again(small_network, data, tmp_path):
    stages = tuple(Stage(name, 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-2) for name in "ab")
    recipe = dataclasses.replace(RECIPE, stages=stages, average=("a", "b"))
    last = fit.run(recipe, data, tmp_path, "random")
    before = _arrays(last)
    # As if it had been deleted and trained again.
    checkpoint.save_arrays(tmp_path / "b.weights.npz", _arrays(tmp_path / "a.weights.npz"))
    fit.run(recipe, data, tmp_path, "random")
    for ours, one in zip(_arrays(last), _arrays(tmp_path / "a.weights.npz"), strict=True):
        np.testing.assert_array_equal(ours, one)
    assert any((stale != ours).any() for ours, stale in zip(_arrays(last), before, strict=True))


def test_a_stage_starts_from_the_mean_of_the_stages_that_it_names(small_network, data, tmp_path):
    stages = tuple(Stage(name, 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-2) for name in "abc")
    still = Stage("d", 16, epochs=1, epoch_images=16, batch_size=16, peak=0.0, starts_from=("a", "b"))
    still = dataclasses.replace(still, trainable_from=network.HEAD)
    fit.run(dataclasses.replace(RECIPE, stages=(*stages, still), optimizer=Optimizer()), data, tmp_path, "random")
    model = small_network(16, dropout=0.2, drop_connect=0.2, batch_norm_momentum=0.95)
    heads = []
    for name in "abd":
        network.load_weights(model, fit.weights_file(tmp_path, name))
        heads.append(model.get_layer(network.HEAD).get_weights()[0])
    np.testing.assert_allclose(heads[2], (heads[0] + heads[1]) / 2, rtol=1e-6)


def test_a_stage_of_b4_begins_with_what_the_small_network_learnt(small_network, data, tmp_path, monkeypatch):
    small = Stage("a", 16, epochs=2, epoch_images=32, batch_size=16, peak=1e-3, network=LITE2, to_swish=True)
    still = Stage("b", 16, epochs=1, epoch_images=16, batch_size=16, peak=0.0)
    turned, grown = [], []

    def grow(source, model):
        grown.append(network.variables(source))
        network.set_variables(model, network.variables(source))

    monkeypatch.setattr(fit.lite2, "set_swish", lambda _, share: turned.append(share))
    monkeypatch.setattr(fit.lite2, "is_swish", lambda _: turned[-1] == 1.0)
    monkeypatch.setattr(fit.net2net, "grow", grow)
    recipe = dataclasses.replace(RECIPE, stages=(small, dataclasses.replace(small, name="c", to_swish=False), still))
    fit.run(recipe, data, tmp_path, "random")
    assert turned == [0.0, 0.5, 1.0, 1.0]
    assert len(grown) == 1  # not between two stages of the small one
    for value, trained in zip(grown[0], _arrays(tmp_path / "c.weights.npz"), strict=True):
        np.testing.assert_array_equal(value, trained)


def test_no_b4_grows_from_activations_that_have_not_all_turned(small_network, data, tmp_path, monkeypatch):
    small = Stage("a", 16, epochs=1, epoch_images=16, batch_size=16, peak=0.0, network=LITE2, to_swish=True)
    monkeypatch.setattr(fit.lite2, "set_swish", lambda *_: None)
    monkeypatch.setattr(fit.lite2, "is_swish", lambda _: False)
    recipe = dataclasses.replace(RECIPE, stages=(small, Stage("b", 16, epochs=1, batch_size=16, peak=0.0)))
    with pytest.raises(TrainingError, match=r"after \('a',\) the activations are not those of efficientnet_b4 yet"):
        fit.run(recipe, data, tmp_path, "random")


@pytest.mark.parametrize(("weights", "estimated"), [("lite2", 1), ("random", 0)])
def test_lite2_widened_at_once_gets_the_statistics_of_the_images(
    small_network, data, tmp_path, monkeypatch, weights, estimated
):
    asked = []
    monkeypatch.setattr(fit.starting_weights, "load", lambda *_: None)
    monkeypatch.setattr(fit.net2net, "estimate_batch_norm", lambda _, batches: asked.append(batches))
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=0.0)
    fit.run(dataclasses.replace(RECIPE, stages=(stage,)), data, tmp_path, weights)
    assert len(asked) == estimated
    assert all(batch.shape == (16, 16, 16, 3) for batches in asked for batch in batches)


def test_what_cannot_be_loaded_binds_no_folder(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3, teacher_share=0.5)
    taught = dataclasses.replace(RECIPE, stages=(stage,))
    spoilt = tmp_path / "spoilt.weights.h5"
    spoilt.write_bytes(b"no weights")
    for weights, teacher in (("random", str(spoilt)), (str(spoilt), "random")):
        with pytest.raises(TrainingError, match="are no starting weights of this network"):
            fit.run(taught, data, tmp_path / "begun", weights, teacher=teacher)
        assert not (tmp_path / "begun").exists()


def test_a_teacher_whose_training_images_test_here_is_refused(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    teacher = str(fit.run(dataclasses.replace(RECIPE, stages=(stage,)), data, tmp_path / "teacher", "random"))
    other = _with_a_training_image_that_tests(data)
    taught = dataclasses.replace(RECIPE, stages=(dataclasses.replace(stage, teacher_share=0.5),))
    with pytest.raises(record.OtherSplit, match="1 images that trained"):
        fit.run(taught, other, tmp_path / "taught", "random", teacher=teacher)
    assert not (tmp_path / "taught").exists()


def test_a_stage_learns_so_much_from_its_teacher_as_its_recipe_says(small_network, data, tmp_path, monkeypatch):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=0.0, augmentation=Augmentation(mixup=0.4))
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    teacher = str(fit.run(recipe, data, tmp_path / "teacher", "random"))
    taught = dataclasses.replace(recipe, stages=(dataclasses.replace(stage, teacher_share=0.75),))
    plain, draws = Draws(recipe, 0, data), TaughtDraws(taught, 0, data, teacher)
    rows = draws.order(0)
    inputs, targets = draws.batch(rows, 0, 0)
    labels = plain.batch(rows, 0, 0)[1]
    model = small_network(16)
    network.load_weights(model, Path(teacher))
    logits = model(augmentation.Augment(16)(inputs)) + (plain.log_shares if recipe.logit_adjustment else 0)
    np.testing.assert_allclose(targets, 0.25 * labels + 0.75 * keras.ops.softmax(logits), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)


def test_a_run_goes_on_with_the_teacher_that_it_began_with(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    recipe = dataclasses.replace(RECIPE, stages=(stage,))
    teacher, other = (
        str(fit.run(dataclasses.replace(recipe, seed=seed), data, tmp_path / str(seed), "random")) for seed in (1, 2)
    )
    taught = dataclasses.replace(recipe, stages=(dataclasses.replace(stage, teacher_share=0.5),))
    with pytest.raises(TrainingError, match="learn from a teacher"):
        fit.run(taught, data, tmp_path / "taught", "random")
    fit.run(taught, data, tmp_path / "taught", "random", teacher=teacher)
    fit.run(taught, data, tmp_path / "taught", "random", teacher=teacher)
    with pytest.raises(record.OtherRecipe):
        fit.run(taught, data, tmp_path / "taught", "random", teacher=other)


def test_a_mixed_epoch_of_whole_batches_trains(small_network, data, tmp_path):
    mixing = Augmentation(degrade=2.0, mixup=0.2, cutmix=1.0)
    stage = Stage("only", 16, epochs=1, epoch_images=20, batch_size=16, peak=1e-3, augmentation=mixing)
    fit.run(dataclasses.replace(RECIPE, stages=(stage,)), data, tmp_path, "random")
    assert pd.read_csv(tmp_path / "history.csv").images.tolist() == [32]


def test_a_diagnosis_of_which_there_are_no_thumbnails_learns_nothing_from_them(small_network, data, tmp_path):
    kind = np.where((data.table.split == "train") & (data.table.label != 1), "thumbnail", data.table.kind)
    stage = Stage("only", 16, epochs=1, epoch_images=64, batch_size=16, peak=1e-3, thumbnail_share=0.5)
    recipe = dataclasses.replace(RECIPE, stages=(stage,), optimizer=Optimizer())
    mixed = dataclasses.replace(data, table=data.table.assign(kind=kind))
    fit.run(recipe, mixed, tmp_path, "random")
    assert np.isfinite(pd.read_csv(tmp_path / "history.csv").loss).all()

    draws = fit.Draws(recipe, 0, mixed)
    model = small_network(16)
    trainer = fit.compiled(model, recipe, stage, fit.loss_of(recipe, draws), draws.pixels.shape[1])
    thumbnails = np.flatnonzero(kind == "thumbnail")[:16]
    before = model.get_layer(network.HEAD).get_weights()[1]
    trainer.optimizer.learning_rate = 1.0
    trainer.optimizer.epsilon = 1.0  # or Adam would blow up the smallest gradient
    trainer.train_on_batch(*draws.batch(thumbnails, 0, 0))
    change = np.abs(model.get_layer(network.HEAD).get_weights()[1] - before)
    assert change[1] < 1e-3
    assert change[0] > 1e-2


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_gets_the_figures_of_every_epoch(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=1, epoch_images=16, batch_size=16, peak=1e-3)
    fit.run(dataclasses.replace(RECIPE, stages=(stage,)), data, tmp_path, "random", tensorboard=True)
    events = list((tmp_path / "tensorboard" / "only").rglob("events.out.tfevents.*"))
    assert b"epoch_balanced_accuracy" in b"".join(path.read_bytes() for path in events)


def test_more_than_one_device_needs_jax():
    if keras.backend.backend() == "jax":
        pytest.skip("this is JAX")
    with pytest.raises(TrainingError, match="KERAS_BACKEND=jax"):
        fit.use_devices(2)


def test_a_loss_that_is_not_finite_stops_the_run(small_network, data, tmp_path):
    stage = Stage("only", 16, epochs=3, batch_size=16, peak=float("inf"))
    with pytest.raises(fit.NotFiniteLoss, match="only"):
        fit.run(dataclasses.replace(RECIPE, stages=(stage,)), data, tmp_path, "random")


def _two_steps(data, folder, until=math.inf):
    """One epoch of one step, twice: the second loss depends on what the first step did. Gives the history."""
    augmented = Augmentation(True, 180, 1.2, 1.1, 0.05, 1.2, 1.2, 1.2, 1.1, 0.5)
    stage = Stage("only", 32, epochs=2, epoch_images=8, batch_size=8, peak=1e-2, warmup=0, augmentation=augmented)
    recipe = Recipe((stage,), optimizer=Optimizer(weight_decay=1e-3, clip=1.0), dropout=0.0, logit_adjustment=True)
    fit.run(recipe, data, folder, "shared", until=until)
    return pd.read_csv(folder / "history.csv")


def _load_shared_weights(model, weights):
    """Start every backend from the same numbers: their random generators differ."""
    rng = np.random.default_rng(0)
    values = [
        rng.normal(0, 0.1, v.shape).astype("float32") if v.path.endswith("kernel") else None for v in model.variables
    ]
    network.set_variables(
        model, [old if new is None else new for old, new in zip(network.variables(model), values, strict=True)]
    )


# In one process: on one device first, for once that they are shared out among two nothing takes that back.
_UNDER_JAX = f"""
import pickle, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import build_small_network
from training import fit
from test_fit import _load_shared_weights, _two_steps
fit.network.build = build_small_network
fit.starting_weights.load = _load_shared_weights
folder = Path(sys.argv[1])
data = pickle.loads((folder / "data").read_bytes())
_two_steps(data, folder / "1")
fit.use_devices(2)
_two_steps(data, folder / "2")
try:
    _two_steps(data, folder / "stopped", until=0.0)
except fit.OutOfTime:
    _two_steps(data, folder / "stopped")
else:
    sys.exit("it was to stop")
"""


@pytest.fixture(scope="module")
def under_jax(data, tmp_path_factory):
    """What two steps lose under JAX: a history for one device, one for two, and one for two of a run in two parts."""
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    folder = tmp_path_factory.mktemp("jax")
    arrays = np.array(data.pixels), np.array(data.thumbnails)
    (folder / "data").write_bytes(pickle.dumps(prepare.Data(data.table, *arrays)))
    forced = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(
        [sys.executable, "-c", _UNDER_JAX, folder], env={**os.environ, **forced}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: pd.read_csv(folder / name / "history.csv") for name in ("1", "2", "stopped")}


def test_two_steps_lose_the_same_under_tensorflow_and_jax(under_jax, small_network, data, tmp_path, monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this is not TensorFlow: nothing to compare")
    monkeypatch.setattr(fit.starting_weights, "load", _load_shared_weights)
    history = _two_steps(data, tmp_path)
    assert len(history) == 2
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(under_jax["1"][column], history[column], rtol=2e-3)


def test_two_devices_train_as_one_does(under_jax):
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(under_jax["2"][column], under_jax["1"][column], rtol=1e-3)


def test_a_stopped_run_on_two_devices_goes_on_as_one_that_was_left_alone(under_jax):
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(under_jax["stopped"][column], under_jax["2"][column], rtol=1e-5)
