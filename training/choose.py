"""Choices about a trained network, measured on validation: its size, the fit, views of a photo, a mean of stages.

None of these changes the training, so they can wait until there is a network. The tables only inform: what is chosen
goes into the recipe by hand. Diagnoses are read from the logits alone, as if all were equally common in each source.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from model_store.images import open_photo
from model_store.prediction import SOURCES, risk
from model_store.preprocessing import FITS, to_common
from training import calibration, draws, export, fit, metrics, network, seven
from training.configs.recipe import B4, Recipe
from training.prepare import Data

FILES = ("size", "fit", "views", "average")

# Whole frames of some of the images, as a visitor would upload them; see `dataset.read` for the other folders.
FRAME_FOLDER = "whole_frames_480"
_STRIDE_PX = 32  # the network halves its input five times
_BATCH = 16
_AVERAGED = 4  # stages, at most


def run(recipe: Recipe, data: Data, folder: Path) -> dict[str, pd.DataFrame]:
    """Measure all four; writes `size.csv`, `fit.csv`, `views.csv` and `average.csv` into the run's folder.

    Args:
        recipe: what was trained.
        data: from `prepare`.
        folder: the run's, trained. Sizes and fits are tried on its last stage, views on what it ends with; all but
            the views with one look at each image.

    Returns:
        The tables, under the names in `FILES`.
    """
    once = dataclasses.replace(recipe, views=1)
    last = dataclasses.replace(once, average=())
    tables = {}
    for name, measure, asked in (
        ("size", sizes, last),
        ("fit", fits, last),
        ("views", views, once),
        ("average", averages, once),
    ):
        tables[name] = measure(asked, data, folder)
        tables[name].to_csv(folder / f"{name}.csv", index=False)
    return tables


def sizes(recipe: Recipe, data: Data, folder: Path) -> pd.DataFrame:
    """The network working at its size, a stride less, and one and two strides more.

    Source of the idea: Touvron et al. 2019, "Fixing the train-test resolution discrepancy".

    Returns:
        A row for each size and source: network_px, source and the columns of `_measure`.
    """
    own_px = recipe.network_px or recipe.input.size_px
    table = []
    for strides in (-1, 0, 1, 2):
        network_px = own_px + strides * _STRIDE_PX
        model = export.trained(dataclasses.replace(recipe, network_px=network_px), folder)
        for source in SOURCES:
            rows = validation(data, source)
            if len(rows):
                logits = _logits(model, data.pixels, rows, recipe, draws.source_shift(recipe, data.table, source))
                table.append({"network_px": network_px, "source": source, **_measure(logits, data.table.iloc[rows])})
    return pd.DataFrame(table)


def fits(recipe: Recipe, data: Data, folder: Path) -> pd.DataFrame:
    """How a whole frame becomes a square: on the validation images of which the whole frame is there.

    Returns:
        A row for each fit and source: fit, source and the columns of `_measure`; no row without whole frames.
    """
    model = export.trained(recipe, folder)
    table = []
    for source in SOURCES:
        rows = validation(data, source)
        frames = {row: frame for row in rows if (frame := _whole_frame(Path(data.table.path.iloc[row]))) is not None}
        for name in FITS if frames else ():
            spec = dataclasses.replace(recipe.input, fit=name)
            pixels = np.stack([to_common(frame, spec) for frame in frames.values()])
            logits = _logits(
                model, pixels, np.arange(len(pixels)), recipe, draws.source_shift(recipe, data.table, source)
            )
            table.append({"fit": name, "source": source, **_measure(logits, data.table.iloc[list(frames)])})
    return pd.DataFrame(table, columns=None if table else ["fit", "source"])


def views(recipe: Recipe, data: Data, folder: Path) -> pd.DataFrame:
    """One look at an image, the mean of two (upside down too), and of four (turned by every quarter).

    Returns:
        A row for each number of views and source: views (what it costs, in times of one look), source, the columns
        of `_measure`, and gain, gain_low, gain_high: of balanced accuracy over one look, with its interval.
    """
    model = export.trained(recipe, folder)
    table = []
    for source in SOURCES:
        rows = validation(data, source)
        if not len(rows):
            continue
        labels, patients = data.table.label.to_numpy()[rows], data.table.patient.to_numpy()[rows]
        shift, own = draws.source_shift(recipe, data.table, source), data.pixels[rows]
        turned = [np.rot90(own, quarters, (1, 2)) for quarters in network.VIEWS]
        seen = np.stack([_logits(model, pixels, np.arange(len(rows)), recipe, shift) for pixels in turned])
        for count in (1, 2, 4):
            logits = seen[:count].mean(axis=0)
            gain = balanced_accuracy(logits, labels) - balanced_accuracy(seen[0], labels)
            low, high = metrics.bootstrap_interval(
                lambda i, logits=logits, once=seen[0], labels=labels: (
                    balanced_accuracy(logits[i], labels[i]) - balanced_accuracy(once[i], labels[i])
                ),
                patients,
                classes=seven.merge_labels(labels),
            )
            found = {"gain": gain, "gain_low": low, "gain_high": high}
            table.append({"views": count, "source": source, **_measure(logits, data.table.iloc[rows]), **found})
    return pd.DataFrame(table)


def averages(recipe: Recipe, data: Data, folder: Path) -> pd.DataFrame:
    """The weights of the last stage, their means with those of one, two and three before it, and the recipe's mean.

    Source of the idea: Wortsman et al. 2022, "Model soups".

    Returns:
        A row for each mean and source: stages (their names), source and the columns of `_measure`.
    """
    model = export.trained(recipe, folder)
    stages = tuple(stage.name for stage in recipe.stages if stage.network == B4)
    means = [stages[-count:] for count in range(1, min(_AVERAGED, len(stages)) + 1)]
    if recipe.average and recipe.average not in means:
        means.append(recipe.average)
    table = []
    for names in means:
        network.set_variables(model, network.mean([fit.weights_file(folder, name) for name in names]))
        for source in SOURCES:
            rows = validation(data, source)
            if len(rows):
                logits = _logits(model, data.pixels, rows, recipe, draws.source_shift(recipe, data.table, source))
                table.append({"stages": " + ".join(names), "source": source, **_measure(logits, data.table.iloc[rows])})
    return pd.DataFrame(table)


def _logits(model: keras.Model, pixels: np.ndarray, rows: np.ndarray, recipe: Recipe, shift: np.ndarray) -> np.ndarray:
    """Without what training added to them, as `calibrate` takes it off: see `draws.source_shift`."""
    return fit.logits(model, pixels, rows, recipe.input, _BATCH) - shift


def _measure(logits: np.ndarray, rows: pd.DataFrame) -> dict:
    """Figures of some validation images, with the interval of the first by patient.

    The log loss alone is taken at the images' own class shares, with the temperature that suits these logits best.
    """
    labels = rows.label.to_numpy()
    low, high = metrics.bootstrap_interval(
        lambda i: balanced_accuracy(logits[i], labels[i]), rows.patient.to_numpy(), classes=seven.merge_labels(labels)
    )
    shares = softmax(logits, axis=1)
    prior = calibration.log_shares(labels)
    scaled = logits / calibration.temperature(logits, labels, prior) + prior
    return {
        "images": len(rows),
        "balanced_accuracy": balanced_accuracy(logits, labels),
        "low": low,
        "high": high,
        "accuracy": metrics.accuracy(seven.confusion(shares, labels)),
        "log_loss": calibration.log_loss(scaled, labels),
        "malignancy_auc": metrics.area_under_roc(
            risk(shares, "malignancy"), calibration.has_risk(labels, "malignancy")
        ),
    }


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Of the seven classes, as if all diagnoses were equally common: logits (N, 8), labels (N,)."""
    return metrics.balanced_accuracy(seven.confusion(softmax(logits, axis=1), labels))


def validation(data: Data, source: str) -> np.ndarray:
    """Row numbers of a source's validation images."""
    return np.flatnonzero((data.table.split == "validation") & (data.table.kind == source))


def _whole_frame(path: Path) -> np.ndarray | None:
    """The image's whole frame, from `FRAME_FOLDER` or its own file; None where both are missing or a square crop."""
    beside = path.parent.parent / FRAME_FOLDER / f"{path.stem}.jpg"
    rgb = open_photo((beside if beside.exists() else path).read_bytes()).rgb
    return None if rgb.shape[0] == rgb.shape[1] else rgb
