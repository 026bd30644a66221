"""The steps after training; each reads and writes files in the run's folder, so that each can be rerun alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.classes import CODES
from model_store.prediction import Calibration
from model_store.preprocessing import to_input
from training import calibration, evaluate, export, plots
from training.configs.recipe import Recipe
from training.fit import Data

_ROUNDING_IMAGES = 64


def calibrate(recipe: Recipe, data: Data, folder: Path) -> Calibration:
    """Fit probabilities, sets and thresholds; writes `calibration.json` and `prior_powers.csv`."""
    logits, rows = _answers(recipe, data, folder, "calibration", "dermoscopy")
    validation_logits, validation_rows = _answers(recipe, data, folder, "validation", "dermoscopy")
    fitted, tried = calibration.fit(logits, rows.label.to_numpy(), validation_logits, validation_rows.label.to_numpy())
    _write_json(folder / "calibration.json", fitted.to_dict())
    pd.DataFrame(tried).to_csv(folder / "prior_powers.csv", index=False)
    return fitted


def report(recipe: Recipe, data: Data, folder: Path) -> dict:
    """Measure the served network on the test split; writes `report.json` and `figures/`."""
    fitted = Calibration.from_dict(json.loads((folder / "calibration.json").read_text()))
    logits, rows = _answers(recipe, data, folder, "test", "dermoscopy")
    labels = rows.label.to_numpy()
    sets = {"dermoscopy": evaluate.figures(logits, rows, fitted)}
    phone_logits, phone_rows = _answers(recipe, data, folder, "test", "phone")
    if len(phone_rows):
        sets["phone"] = evaluate.figures(phone_logits, phone_rows, fitted)
    validation = (data.table.split == "validation") & (data.table.kind == "dermoscopy")
    some = np.flatnonzero(validation)[:_ROUNDING_IMAGES]
    inputs = np.stack([to_input(data.pixels[row], recipe.input) for row in some])
    history = pd.read_csv(folder / "history.csv")
    content = {
        "sets": sets,
        "answers": {
            "set": "ISIC 2019 dermoscopy, lesions held out for the test",
            "by_top_class": evaluate.answers_by_top_class(logits, labels, fitted),
        },
        "float16": evaluate.rounding_cost(*export.rounding_logits(recipe, folder, inputs)),
        "history": history.to_dict("records"),
    }
    _write_json(folder / "report.json", content)
    figures = folder / "figures"
    shutil.rmtree(figures, ignore_errors=True)
    plots.learning_curves(history, figures / "learning_curves.svg")
    plots.confusion(sets["dermoscopy"]["confusion"], figures / "confusion.svg")
    plots.reliability(logits, labels, fitted, figures / "reliability.svg")
    plots.roc(logits, labels, fitted, figures / "roc.svg")
    return content


def before_and_after(history: list[dict]) -> pd.DataFrame:
    """Validation loss and accuracy at the end of each stage: before and after fine-tuning in one table."""
    return (
        pd.DataFrame(history).groupby("stage", sort=False)[["val_loss", "val_accuracy", "val_balanced_accuracy"]].last()
    )


def predicted_against_actual(recipe: Recipe, data: Data, folder: Path, count: int = 10) -> pd.DataFrame:
    """Actual and predicted diagnosis of a few test images, drawn by the recipe's seed."""
    fitted = Calibration.from_dict(json.loads((folder / "calibration.json").read_text()))
    logits, rows = _answers(recipe, data, folder, "test", "dermoscopy")
    some = np.random.default_rng(recipe.seed).choice(len(rows), min(count, len(rows)), replace=False)
    stated = evaluate.probabilities(logits[some], fitted)
    return pd.DataFrame(
        {
            "image": rows.image.to_numpy()[some],
            "actual": [CODES[k] for k in rows.label.to_numpy()[some]],
            "predicted": [CODES[k] for k in stated.argmax(axis=1)],
            "probability": stated.max(axis=1).round(3),
        }
    )


def _answers(recipe: Recipe, data: Data, folder: Path, split: str, kind: str) -> tuple[np.ndarray, pd.DataFrame]:
    numbers = np.flatnonzero((data.table.split == split) & (data.table.kind == kind))
    model = export.served_network(recipe, folder)
    logits = evaluate.answers(model, data.pixels, numbers, recipe.input, folder / "answers.npy")
    return logits, data.table.iloc[numbers]


def _write_json(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
