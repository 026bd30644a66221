"""What a run is made from, written down at its start, so that nothing else goes on in its folder."""

import dataclasses
import functools
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from training.configs.recipe import Recipe, from_dict
from training.errors import TrainingError

SPLIT, VERSIONS = "split.csv", "versions.json"
# In `versions.json`: images that the starting weights learnt from, and that this run's own data lack, so that whoever
# goes on from here with more data is warned of them too.
LEARNT_BEFORE = "learnt_before"
# The fields of a recipe that no training depends on: they are chosen by what `choose` measures.
CHOSEN_AFTER_TRAINING = ("network_px", "views", "average")
# What `recipe.json` says besides the recipe.
_BEGAN_WITH = ("weights", "weights_sha256", "teacher", "teacher_sha256")
# What lies beside weights that learnt from images of ours, by their file's suffix, and says from which.
_WITNESSES = {".npz": SPLIT, ".keras": "bundle.json"}


class OtherSplit(TrainingError):
    """The data's split is not the one that this run trained with: its test images may have trained the network."""


class OtherRecipe(TrainingError):
    """The folder holds a run of another recipe or of other starting weights."""


def start(recipe: Recipe, weights: str, folder: Path, teacher: str | None = None) -> None:
    """Write down what runs on what, at its start; refuse a folder of another recipe, of other weights or teacher."""
    file = folder / "recipe.json"
    began_with = {"weights": Path(weights).name, "weights_sha256": _digest(weights)}
    if teacher is not None:
        began_with |= {"teacher": Path(teacher).name, "teacher_sha256": _digest(teacher)}
    if not file.exists():
        _write(folder / VERSIONS, _versions())
        _write(file, {**began_with, **dataclasses.asdict(recipe)})
        return
    recorded = json.loads(file.read_text())
    # A run from before this was recorded has no digest of its weights.
    unrecorded = {"weights_sha256": began_with["weights_sha256"]}
    before = {key: recorded.pop(key, unrecorded.get(key)) for key in _BEGAN_WITH}
    same = before == {key: began_with.get(key) for key in _BEGAN_WITH}
    chosen = {field: getattr(recipe, field) for field in CHOSEN_AFTER_TRAINING}
    if not same or from_dict({**recorded, **chosen}) != recipe:
        raise OtherRecipe(f"{folder} holds a run of another recipe: take another folder, or delete it")


def stage(name: str, folder: Path) -> None:
    """Write down in `versions.json` what a stage trains with, as it begins or goes on.

    Under "stages" stand the commits of each, under "later" what other versions the run went on with.
    """
    file = folder / VERSIONS
    recorded, now = json.loads(file.read_text()), _versions()
    last = recorded.get("later", [recorded])[-1]
    if any(last.get(key) != value for key, value in now.items()):
        recorded.setdefault("later", []).append(now)
    commits = recorded.setdefault("stages", {}).setdefault(name, [])
    if now["commit"] not in commits:
        commits.append(now["commit"])
    _write(file, recorded)


@functools.cache  # what runs is the code that lay here when the process began, whatever came since
def _versions() -> dict[str, str]:
    """The commit ends with "-dirty" where the tree holds changes that are in none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    here = Path(__file__).parent
    try:
        commit = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # a machine without git
        commit = ""
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "backend_version": sys.modules[keras.backend.backend()].__version__,
        "numpy": np.__version__,
        "commit": commit.strip() or "unknown",
    }


def _digest(weights: str) -> str | None:
    """Of the file with starting weights; None where they are named otherwise, such as "imagenet"."""
    if not Path(weights).is_file():
        return None
    with Path(weights).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data(table: pd.DataFrame, folder: Path, learnt_before: Sequence[str] = ()) -> None:
    """Write down which images with which labels stand on which side, in `split.csv`; refuse to go on with any other.

    A run from before this was recorded gets what it is given now. The file's SHA-256 goes into `versions.json`, and so
    does what `check_start` gave.
    """
    file = folder / VERSIONS
    versions = json.loads(file.read_text()) if file.exists() else {}
    if "data" in versions:
        check_split(table, folder)
    (folder / SPLIT).write_bytes(_split_rows(table))
    _write(file, versions | {"data": split_digest(table), LEARNT_BEFORE: list(learnt_before)})


def check_split(table: pd.DataFrame, folder: Path) -> None:
    """Raise OtherSplit unless images, labels and split are those that the run in this folder trained with."""
    file = folder / VERSIONS
    trained_with = json.loads(file.read_text()).get("data") if file.exists() else None
    if trained_with is None:
        raise OtherSplit(f"{file} does not say with which split this run trained: bring the run's whole folder")
    if trained_with != split_digest(table):
        raise OtherSplit(
            f"{folder} began with other images, labels or another split: take another folder, or that data"
        )


def check_start(weights: str, table: pd.DataFrame) -> list[str]:
    """Refuse starting weights that learnt from images which do not train here: they may test here.

    Args:
        weights: see `starting_weights.load`; only those of an earlier run or of a bundle know our images.
        table: with its `split`.

    Returns:
        Names of images that they learnt from, they or those that they began with, and that are not in the table.

    Raises:
        OtherSplit: such an image is there, or nothing beside the weights says what they learnt from.
    """
    file = Path(weights)
    if file.suffix not in _WITNESSES:
        return []
    witness = file.parent / _WITNESSES[file.suffix]
    if not witness.exists():
        raise OtherSplit(f"no {witness.name} beside {file}: it says which images trained these weights")
    here = table.set_index("image").split
    if file.suffix == ".keras":
        versions = json.loads(witness.read_text())["training"]["versions"]
        if versions.get("data") != split_digest(table):
            raise OtherSplit(f"{file} learnt from other images or another split: its training images may test here")
        return list(versions.get(LEARNT_BEFORE, ()))
    theirs = pd.read_csv(witness)
    learnt = [*theirs.image[theirs.split == "train"], *_learnt_before(file.parent)]
    elsewhere = here.reindex(learnt).dropna() != "train"
    if elsewhere.any():
        raise OtherSplit(f"{elsewhere.sum()} images that trained {file} do not train here: take their split")
    return [name for name in learnt if name not in here.index]


def _learnt_before(folder: Path) -> list[str]:
    """What the run in this folder says of its own starting weights; see `LEARNT_BEFORE`.

    Raises:
        OtherSplit: it began from another run, before this was recorded.
    """
    if not (folder / VERSIONS).exists():
        raise OtherSplit(f"no {VERSIONS} in {folder}: bring the run's whole folder")
    versions = json.loads((folder / VERSIONS).read_text())
    if LEARNT_BEFORE in versions:
        return versions[LEARNT_BEFORE]
    began_with = json.loads((folder / "recipe.json").read_text())["weights"]
    if Path(began_with).suffix == ".npz":
        raise OtherSplit(
            f"{folder} began with {began_with} of another run and does not say which images trained that: name those "
            f'that are not in its {SPLIT} under "{LEARNT_BEFORE}" in its {VERSIONS}, [] where all of them are'
        )
    return []


def split_digest(table: pd.DataFrame) -> str:
    """SHA-256 of which images with which labels stand on which side."""
    return hashlib.sha256(_split_rows(table)).hexdigest()


def _split_rows(table: pd.DataFrame) -> bytes:
    return table[["image", "label", "split"]].to_csv(index=False).encode()


def _write(file: Path, content: dict) -> None:
    """Whole or not at all: a run that was killed meanwhile must still go on."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2))
    part.replace(file)
