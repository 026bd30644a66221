"""The steps after training; each reads and writes files in the run's folder, so that each can be rerun alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.prediction import Calibration
from training import calibration, evaluate, export
from training.configs.recipe import Recipe
from training.fit import Data


def calibrate(recipe: Recipe, data: Data, folder: Path) -> Calibration:
    """Fit probabilities, sets and thresholds; writes `calibration.json` and `prior_powers.csv`."""
    logits, rows = _answers(recipe, data, folder, "calibration", "dermoscopy")
    validation_logits, validation_rows = _answers(recipe, data, folder, "validation", "dermoscopy")
    fitted, tried = calibration.fit(logits, rows.label.to_numpy(), validation_logits, validation_rows.label.to_numpy())
    _write_json(folder / "calibration.json", fitted.to_dict())
    pd.DataFrame(tried).to_csv(folder / "prior_powers.csv", index=False)
    return fitted


def _answers(recipe: Recipe, data: Data, folder: Path, split: str, kind: str) -> tuple[np.ndarray, pd.DataFrame]:
    numbers = np.flatnonzero((data.table.split == split) & (data.table.kind == kind))
    model = export.served_network(recipe, folder)
    logits = evaluate.answers(model, data.pixels, numbers, recipe.input, folder / "answers.npy")
    return logits, data.table.iloc[numbers]


def _write_json(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
