"""Plots of a run and of its evaluation, as small SVG files for the model card."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from model_store.classes import CODES
from training import metrics

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  # after the backend is chosen: no display is needed

plt.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "lesion", "font.size": 9, "figure.autolayout": True})


def learning_curves(history: pd.DataFrame, file: Path) -> None:
    """Loss and accuracy of every epoch, training and validation, the stages one after the other."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    epochs = np.arange(1, len(history) + 1)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(epochs, history[name], marker="o", label="training (augmented)")
        axis.plot(epochs, history[f"val_{name}"], marker="o", label="validation")
        for first in np.flatnonzero(history.stage != history.stage.shift())[1:]:
            axis.axvline(first + 0.5, color="grey", linewidth=0.5)
        axis.set(xlabel="epoch (a line parts the stages)", title=name)
    axes[0].legend()
    _save(figure, file)


def confusion(matrix: np.ndarray, file: Path) -> None:
    """Share of each actual class (row) by predicted class (column); the counts stand in the cells."""
    matrix = np.asarray(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(5, 4.5))
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        axis.text(column, row, count, ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black")
    axis.set(xlabel="predicted", ylabel="actual", xticks=range(len(CODES)), yticks=range(len(CODES)))
    axis.set_xticklabels(CODES, rotation=45)
    axis.set_yticklabels(CODES)
    _save(figure, file)


def reliability(bins_by_class: dict[str, list[dict]], file: Path) -> None:
    """How often each diagnosis was there, by how likely the network said it was: from `evaluate.reliability`.

    The larger a dot, the more images it stands for.
    """
    figure, axes = plt.subplots(2, 4, figsize=(8, 4.4), sharex=True, sharey=True)
    for axis, (code, bins) in zip(axes.flat, bins_by_class.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
        sizes = [4 + 20 * np.log10(part["images"]) for part in bins]
        axis.scatter([part["stated"] for part in bins], [part["true"] for part in bins], s=sizes)
        axis.set_title(code, fontsize=9)
    figure.supxlabel("stated probability", fontsize=9)
    figure.supylabel("share that really was", fontsize=9)
    _save(figure, file)


def roc(stated: np.ndarray, labels: np.ndarray, file: Path) -> None:
    """Sensitivity against 1 - specificity for each class against all others: stated (N, 8), labels (N,)."""
    figure, axis = plt.subplots(figsize=(4.5, 4.5))
    for k, code in enumerate(CODES):
        positive = labels == k
        if positive.any() and not positive.all():
            false_alarms, found, _ = roc_curve(positive, stated[:, k])
            area = metrics.area_under_roc(stated[:, k], positive)
            axis.plot(false_alarms, found, linewidth=1, label=f"{code} {area:.2f}")
    axis.set(xlabel="1 - specificity", ylabel="sensitivity")
    axis.legend(title="area under the curve")
    _save(figure, file)


def decision_curve(curve: dict, file: Path) -> None:
    """Net benefit for malignancy by the threshold, beside sending everyone and sending nobody to a doctor."""
    figure, axis = plt.subplots(figsize=(4.5, 3.5))
    axis.plot(curve["thresholds"], curve["model"], label="by the network")
    axis.plot(curve["thresholds"], curve["everyone"], label="everyone", linewidth=1)
    axis.axhline(0, color="grey", linewidth=1, label="nobody")
    axis.set(xlabel="probability of malignancy that sends to a doctor", ylabel="net benefit an image")
    axis.set_ylim(-0.05, max([*curve["model"], 0.05]) * 1.1)
    axis.legend()
    _save(figure, file)


def _save(figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
