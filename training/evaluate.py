"""What the served network is worth: figures with intervals, from answers to images that never trained."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from model_store.classes import CODES
from model_store.prediction import Calibration, probabilities, risk
from model_store.preprocessing import InputSpec, to_input
from training import calibration, metrics, seven

_BATCH = 16


def answers(model_file: Path, pixels: np.ndarray, rows: np.ndarray, spec: InputSpec, kept: Path) -> np.ndarray:
    """Ask the served network about images; answers that lie in `kept` are not asked for again.

    Args:
        model_file: a `.keras` file with the outputs [logits, feature map].
        pixels: shape (N, common_px, common_px, 3), uint8.
        rows: row numbers of the images to ask about.
        spec: how they are prepared.
        kept: a `.npy` file, float32 (N, 8), NaN where nobody asked yet; made when missing.

    Returns:
        Logits, shape (len(rows), 8), float32.
    """
    if not kept.exists():
        empty = np.lib.format.open_memmap(kept, mode="w+", dtype=np.float32, shape=(len(pixels), len(CODES)))
        empty[:] = np.nan
        empty.flush()
    logits = np.load(kept, mmap_mode="r+")
    todo = rows[np.isnan(logits[rows, 0])]
    model = keras.saving.load_model(model_file, compile=False) if len(todo) else None
    with tqdm(total=len(todo), desc="answers", unit="image", mininterval=5) as progress:
        for start in range(0, len(todo), _BATCH):
            batch = todo[start : start + _BATCH]
            inputs = np.stack([to_input(pixels[row], spec) for row in batch])
            inputs = np.pad(inputs, ((0, _BATCH - len(batch)), (0, 0), (0, 0), (0, 0)))  # one shape, compiled once
            logits[batch] = keras.ops.convert_to_numpy(model.predict_on_batch(inputs)[0])[: len(batch)]
            logits.flush()
            progress.update(len(batch))
    return np.asarray(logits[rows])


def figures(logits: np.ndarray, rows: pd.DataFrame, fitted: Calibration) -> dict:
    """All figures for one set of images.

    Args:
        logits: shape (N, 8).
        rows: the images' rows of the table: `label`, `lesion`.
        fitted: the bundle's calibration.

    Returns:
        Plain numbers, for JSON. A figure with an interval is {"value", "low", "high"}: 95 %, by lesion. What is
        undefined is None.
    """
    labels, lesions = rows.label.to_numpy(), rows.lesion.to_numpy()
    stated = probabilities(logits, fitted)
    malignancy, malignant = risk(stated, "malignancy"), calibration.has_risk(labels, "malignancy")
    melanoma = CODES.index("MEL")
    in_set = stated >= np.asarray(fitted.set_thresholds)
    matrix = metrics.confusion(labels, stated.argmax(axis=1), len(CODES))

    def interval(statistic) -> dict:
        low, high = metrics.bootstrap_interval(statistic, lesions)
        return _plain({"value": statistic(np.arange(len(labels))), "low": low, "high": high})

    return {
        "images": len(labels),
        "lesions": len(np.unique(lesions)),
        "images_by_class": {code: int((labels == k).sum()) for k, code in enumerate(CODES)},
        "seven_classes": {
            "balanced_accuracy": interval(lambda i: metrics.balanced_accuracy(seven.confusion(stated[i], labels[i]))),
            "accuracy": interval(lambda i: metrics.accuracy(seven.confusion(stated[i], labels[i]))),
        },
        "eight_classes": {
            "balanced_accuracy": interval(
                lambda i: metrics.balanced_accuracy(metrics.confusion(labels[i], stated[i].argmax(axis=1), len(CODES)))
            ),
            "accuracy": interval(lambda i: float((stated[i].argmax(axis=1) == labels[i]).mean())),
        },
        "calibration_error": interval(lambda i: metrics.expected_calibration_error(stated[i], labels[i])),
        "melanoma_auc": interval(lambda i: metrics.area_under_roc(stated[i, melanoma], labels[i] == melanoma)),
        "malignancy_auc": interval(lambda i: metrics.area_under_roc(malignancy[i], malignant[i])),
        "malignancy_sensitivity_at_specificity_70": interval(
            lambda i: metrics.sensitivity_at_specificity(malignancy[i], malignant[i], 0.70)
        ),
        "recalls": {
            code: _plain({"value": value, "images": int(count)})
            for code, value, count in zip(CODES, metrics.recalls(matrix), matrix.sum(axis=1), strict=True)
        },
        "confusion": matrix.tolist(),
        "operating_points": [
            _plain(
                dataclasses.asdict(
                    calibration.measure(
                        point, risk(stated, point.risk), calibration.has_risk(labels, point.risk), "test"
                    )
                )
            )
            for point in fitted.operating_points
        ],
        "prediction_sets": {
            "coverage": float(in_set[np.arange(len(labels)), labels].mean()),
            "mean_size": float(in_set.sum(axis=1).mean()),
        },
    }


def answers_by_top_class(logits: np.ndarray, labels: np.ndarray, fitted: Calibration) -> dict:
    """For each most likely diagnosis, how many test images got it and what they were: natural frequencies."""
    top = probabilities(logits, fitted).argmax(axis=1)
    table = {}
    for k, code in enumerate(CODES):
        actual = np.bincount(labels[top == k], minlength=len(CODES))
        table[code] = {"n": int(actual.sum()), "counts": dict(zip(CODES, map(int, actual), strict=True))}
    return table


def rounding_cost(full: np.ndarray, rounded: np.ndarray) -> dict:
    """What storing the kernels in float16 changed, from logits (N, 8) of the same images before and after."""
    return {
        "images": len(full),
        "largest_logit_difference": float(np.abs(full - rounded).max()),
        "same_top_class": float((full.argmax(axis=1) == rounded.argmax(axis=1)).mean()),
    }


def _plain(values: dict) -> dict:
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in values.items()
    }
