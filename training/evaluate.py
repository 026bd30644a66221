"""What the served network is worth: figures with intervals, from answers to images that never trained."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from model_store.classes import CODES
from model_store.prediction import (
    ADVICE_POINTS,
    UNSURE_BELOW,
    Calibration,
    OperatingPoint,
    malignancy_score,
    probabilities,
    risk,
)
from training import calibration, metrics, seven

_THRESHOLDS = np.round(np.arange(0.01, 0.61, 0.01), 2)  # of the decision curve; nobody refers only above 60 %
_CURVE_THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)  # every whole percent, as a reader would set it
_BINS = 10  # of the reliability diagrams


def figures(logits: np.ndarray, rows: pd.DataFrame, fitted: Calibration) -> dict:
    """All figures for one set of images.

    Args:
        logits: shape (N, 8).
        rows: the images' rows of the table: `label`, `lesion`, `patient`.
        fitted: the calibration of these images' source.

    Returns:
        Plain numbers, for JSON. A figure with an interval is {"value", "low", "high"}: 95 %, by patient, which
        for ISIC 2019 is by lesion. What is undefined is None.
    """
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    stated = probabilities(logits, fitted)
    predicted = stated.argmax(axis=1)
    malignancy, malignant = risk(stated, "malignancy"), calibration.has_risk(labels, "malignancy")
    return {
        **main_figures(stated, rows, reaches_soon(stated, fitted), in_sets(stated, fitted)),
        "calibration_error_if_perfect": _plain(metrics.calibration_error_if_perfect(stated)),
        "images_by_class": {code: int((labels == k).sum()) for k, code in enumerate(CODES)},
        "recalls": {code: share(predicted[labels == k] == k, patients[labels == k]) for k, code in enumerate(CODES)},
        "aucs": {code: _plain(metrics.area_under_roc(stated[:, k], labels == k)) for k, code in enumerate(CODES)},
        "reliability": {code: reliability(stated[:, k], labels == k) for k, code in enumerate(CODES)},
        "confusion": metrics.confusion(labels, predicted, len(CODES)).tolist(),
        "operating_points": [_operating_point(point, stated, rows) for point in fitted.operating_points],
        "curve": threshold_curve(malignancy, malignant),
        "decision_curve": decision_curve(malignancy, malignant),
    }


def main_figures(stated: np.ndarray, rows: pd.DataFrame, soon: np.ndarray, in_set: np.ndarray) -> dict:
    """The figures that a set is known by, whichever calibration each of its images was read with.

    Args:
        stated: shape (N, 8), calibrated probabilities.
        rows: as for `figures`.
        soon: shape (N,), bool, from `reaches_soon`.
        in_set: shape (N, 8), bool, from `in_sets`.

    Returns:
        As `figures`.
    """
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    predicted, melanoma = stated.argmax(axis=1), CODES.index("MEL")
    malignancy, malignant = risk(stated, "malignancy"), calibration.has_risk(labels, "malignancy")
    return {
        **key_figures(stated, rows, soon),
        "eight_classes": {
            "balanced_accuracy": balanced_accuracy(labels, predicted, patients),
            "accuracy": share(predicted == labels, patients),
        },
        "melanoma_auc": _interval(
            lambda i: metrics.area_under_roc(stated[i, melanoma], labels[i] == melanoma), patients
        ),
        "malignancy_sensitivity_at_specificity_70": _interval(
            lambda i: metrics.sensitivity_at_specificity(malignancy[i], malignant[i], 0.70), patients
        ),
        "prediction_sets": _prediction_sets(in_set, rows),
    }


def key_figures(stated: np.ndarray, rows: pd.DataFrame, soon: np.ndarray) -> dict:
    """The few figures that are given for every subgroup too.

    Args:
        stated: shape (N, 8), calibrated probabilities.
        rows: as for `figures`.
        soon: shape (N,), bool, from `reaches_soon`.

    Returns:
        As `figures`.
    """
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    malignancy, malignant = risk(stated, "malignancy"), calibration.has_risk(labels, "malignancy")
    actual, predicted = seven.merge_labels(labels), seven.merge_probabilities(stated).argmax(axis=1)
    return {
        "images": len(labels),
        "lesions": rows.groupby(["patient", "lesion"]).ngroups,
        "malignant": int(malignant.sum()),
        "seven_classes": {
            "balanced_accuracy": balanced_accuracy(actual, predicted, patients),
            "accuracy": share(predicted == actual, patients),
        },
        "calibration_error": _interval(lambda i: metrics.expected_calibration_error(stated[i], labels[i]), patients),
        "malignancy_auc": _interval(lambda i: metrics.area_under_roc(malignancy[i], malignant[i]), patients),
        "soon_sensitivity": share(soon[malignant], patients[malignant]),
        "soon_specificity": share(~soon[~malignant], patients[~malignant]),
    }


def reaches_soon(stated: np.ndarray, fitted: Calibration) -> np.ndarray:
    """Which of the probabilities (N, 8) reach the operating point "soon": shape (N,), bool."""
    return risk(stated, "malignancy") >= fitted.operating_point("soon").threshold


def in_sets(stated: np.ndarray, fitted: Calibration) -> np.ndarray:
    """Which classes stand in the prediction set of each of the probabilities (N, 8): shape (N, 8), bool."""
    return stated >= np.asarray(fitted.set_thresholds)


def balanced_accuracy(actual: np.ndarray, predicted: np.ndarray, patients: np.ndarray) -> dict:
    """The mean recall over the classes that there are, with its interval: all of shape (N,), classes as numbers."""
    count = 1 + max(actual.max(initial=0), predicted.max(initial=0))
    return _interval(
        lambda i: metrics.balanced_accuracy(metrics.confusion(actual[i], predicted[i], count)), patients, actual
    )


def among(stated: np.ndarray, rows: pd.DataFrame, codes: Sequence[str]) -> dict:
    """Balanced accuracy where only these classes come into question: the most likely of them, on their own images.

    `stated` and `rows` as for `main_figures`.
    """
    indices = np.array([CODES.index(code) for code in codes])
    inside = np.isin(rows.label.to_numpy(), indices)
    predicted = indices[stated[inside][:, indices].argmax(axis=1)]
    return balanced_accuracy(rows.label.to_numpy()[inside], predicted, rows.patient.to_numpy()[inside])


def share(hits: np.ndarray, patients: np.ndarray) -> dict:
    """The share of images that are hits, with its interval: both shape (N,), the first bool."""
    low, high = metrics.share_interval(hits, patients)
    value = float(np.mean(hits)) if len(hits) else float("nan")
    return {
        "value": _plain(value),
        "low": _plain(low),
        "high": _plain(high),
        "images": len(hits),
    }


def reliability(stated: np.ndarray, positive: np.ndarray) -> list[dict]:
    """What was stated and what came true, in tenths of the stated probability: both shape (N,); empty bins left out."""
    bin_of = np.minimum((stated * _BINS).astype(int), _BINS - 1)
    return [
        {
            "images": int((bin_of == k).sum()),
            "stated": float(stated[bin_of == k].mean()),
            "true": float(positive[bin_of == k].mean()),
        }
        for k in np.unique(bin_of)
    ]


def decision_curve(malignancy: np.ndarray, malignant: np.ndarray) -> dict:
    """Net benefit of sending to a doctor by the stated malignancy, beside sending everyone; sending none gains 0.

    Both have shape (N,): the stated probability, and bool.
    """
    everyone = np.ones_like(malignancy)
    return {
        "thresholds": _THRESHOLDS.tolist(),
        "model": [_plain(metrics.net_benefit(malignancy, malignant, t)) for t in _THRESHOLDS],
        "everyone": [_plain(metrics.net_benefit(everyone, malignant, t)) for t in _THRESHOLDS],
    }


def threshold_curve(malignancy: np.ndarray, malignant: np.ndarray) -> list[dict]:
    """Sensitivity and specificity of calling at or above each whole percent of stated malignancy: both shape (N,)."""
    return [
        {
            "threshold": float(threshold),
            "sensitivity": _plain(metrics.sensitivity(malignancy, malignant, threshold)),
            "specificity": _plain(metrics.specificity(malignancy, malignant, threshold)),
        }
        for threshold in _CURVE_THRESHOLDS
    ]


def answers_by_top_class(stated: np.ndarray, labels: np.ndarray) -> dict:
    """For each most likely diagnosis, how many test images got it and what they were: natural frequencies.

    `stated` has shape (N, 8), `labels` (N,), int.
    """
    top = stated.argmax(axis=1)
    table = {}
    for k, code in enumerate(CODES):
        actual = np.bincount(labels[top == k], minlength=len(CODES))
        table[code] = {"n": int(actual.sum()), "counts": dict(zip(CODES, map(int, actual), strict=True))}
    return table


def answers_by_score(stated: np.ndarray, rows: pd.DataFrame, fitted: Calibration) -> dict:
    """For each malignancy score, "1" to "10", how many test images got it and which share of them was malignant.

    `stated` has shape (N, 8); `rows` are the same images' rows of the table.
    """
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    malignant = calibration.has_risk(labels, "malignancy")
    score = np.array([malignancy_score(probability, fitted) for probability in risk(stated, "malignancy")])
    return {str(k): _counted(malignant[score == k], patients[score == k]) for k in range(1, 11)}


def answers_by_advice(stated: np.ndarray, rows: pd.DataFrame, fitted: Calibration) -> dict:
    """For each advice, how many test images the probabilities alone led to it, and which share of them was malignant.

    "unsure" are those that reach neither threshold and whose most likely diagnosis is below `UNSURE_BELOW`: of them the
    site says that it cannot judge.
    """
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    malignant = calibration.has_risk(labels, "malignancy")
    reached = [risk(stated, kind) >= fitted.operating_point(name).threshold for name, kind in ADVICE_POINTS.items()]
    advice = np.select([*reached, stated.max(axis=1) < UNSURE_BELOW], [*ADVICE_POINTS, "unsure"], "watch")
    return {
        name: _counted(malignant[advice == name], patients[advice == name])
        for name in (*ADVICE_POINTS, "unsure", "watch")
    }


def _counted(malignant: np.ndarray, patients: np.ndarray) -> dict:
    return {
        "n": len(malignant),
        "malignant": int(malignant.sum()),
        "predictive_value": share(malignant, patients),
    }


def rounding_cost(full: np.ndarray, rounded: np.ndarray) -> dict:
    """What storing the kernels in float16 changed, from logits (N, 8) of the same images before and after."""
    return {
        "images": len(full),
        "largest_logit_difference": float(np.abs(full - rounded).max()),
        "same_top_class": float((full.argmax(axis=1) == rounded.argmax(axis=1)).mean()),
    }


def _operating_point(point: OperatingPoint, stated: np.ndarray, rows: pd.DataFrame) -> dict:
    """The same threshold on these images, with intervals and how many of those called had the risk."""
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    positive = calibration.has_risk(labels, point.risk)
    called = risk(stated, point.risk) >= point.threshold
    return {
        "name": point.name,
        "risk": point.risk,
        "threshold": point.threshold,
        "sensitivity": share(called[positive], patients[positive]),
        "specificity": share(~called[~positive], patients[~positive]),
        "predictive_value": share(positive[called], patients[called]),
    }


def _prediction_sets(in_set: np.ndarray, rows: pd.DataFrame) -> dict:
    labels, patients = rows.label.to_numpy(), rows.patient.to_numpy()
    covered, size = in_set[np.arange(len(labels)), labels], in_set.sum(axis=1)
    return {
        "coverage": share(covered, patients),
        "mean_size": _plain(float(size.mean()) if len(size) else float("nan")),
        "empty": int((size == 0).sum()),
        "classes": {
            code: {
                "coverage": share(covered[labels == k], patients[labels == k]),
                "mean_size": _plain(float(size[labels == k].mean()) if (labels == k).any() else float("nan")),
            }
            for k, code in enumerate(CODES)
        },
    }


def _interval(statistic, patients: np.ndarray, classes: np.ndarray | None = None) -> dict:
    low, high = metrics.bootstrap_interval(statistic, patients, classes=classes)
    return {"value": _plain(statistic(np.arange(len(patients)))), "low": _plain(low), "high": _plain(high)}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
