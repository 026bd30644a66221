"""Where a stage of a run stands, kept so that the same command goes on after a kill."""

import json
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from training import network


class State:
    """Where a stage stands, and its checkpoint: written whole to a second folder, then exchanged."""

    def __init__(self, folder: Path, stage_name: str) -> None:
        self.folder = folder
        self.stage_name = stage_name
        self.epoch = self.step = 0
        self.sums: dict[str, float] = {}
        self.history: list[dict] = []
        self.minutes = 0.0
        self._since = time.monotonic()

    def add(self, logs: dict, images: int) -> None:
        """Count a step of so many images with its loss and metrics."""
        self.step += 1
        for key, value in {**logs, "images": 1.0}.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value) * images

    def mean(self, key: str) -> float:
        """A figure's mean over the images of this epoch so far."""
        return self.sums[key] / self.sums["images"]

    def end_epoch(self, validation: dict, optimizer) -> dict:
        """Begin the next epoch; returns the row of the history of the one that ended."""
        self._count_minutes()
        self.epoch += 1
        row = {
            "stage": self.stage_name,
            "epoch": self.epoch,
            "images": int(self.sums["images"]),
            "learning_rate": float(optimizer.learning_rate),
            "loss": self.mean("loss"),
            "accuracy": self.mean("accuracy"),
            **validation,
            "minutes": round(self.minutes, 2),
        }
        self.history.append(row)
        self.step, self.sums = 0, {}
        return row

    def save(self, model: keras.Model, optimizer) -> None:
        """Write everything that `restore` reads."""
        self._count_minutes()
        new, old = self.folder.with_suffix(".new"), self.folder.with_suffix(".old")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        save_arrays(new / "network.npz", network.variables(model))
        save_arrays(new / "optimizer.npz", [keras.ops.convert_to_numpy(v) for v in optimizer.variables])
        fields = ("stage_name", "epoch", "step", "sums", "history", "minutes")
        (new / "state.json").write_text(json.dumps({name: getattr(self, name) for name in fields}))
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        new.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def restore(self, model: keras.Model, optimizer) -> None:
        """Go on where this stage was saved last; from its start where it was not."""
        old = self.folder.with_suffix(".old")
        if old.exists() and not self.folder.exists():  # killed between the two renames
            old.rename(self.folder)
        file = self.folder / "state.json"
        if not file.exists():
            return
        fields = json.loads(file.read_text())
        if fields["stage_name"] != self.stage_name:
            return  # left by the stage before, killed after its weights were written
        vars(self).update(fields)
        network.load_weights(model, self.folder / "network.npz")
        with np.load(self.folder / "optimizer.npz") as arrays:
            for i, variable in enumerate(optimizer.variables):
                variable.assign(arrays[str(i)])

    def _count_minutes(self) -> None:
        now = time.monotonic()
        self.minutes += (now - self._since) / 60
        self._since = now


def save_arrays(file: Path, arrays: list[np.ndarray]) -> None:
    """Write arrays under their numbers, as `network.load_weights` reads them; the file appears whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, **{str(i): array for i, array in enumerate(arrays)})
    part.replace(file)


def append_history(folder: Path, history: list[dict]) -> None:
    """Add a stage's rows; those of the same stage, left by a kill just after this, are replaced."""
    file = folder / "history.csv"
    rows = pd.DataFrame(history)
    if file.exists():
        before = pd.read_csv(file)
        rows = pd.concat([before[~before.stage.isin(rows.stage)], rows])
    part = file.with_suffix(".part")
    rows.to_csv(part, index=False)
    part.replace(file)
