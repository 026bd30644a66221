"""Figures of a classifier: pure functions on arrays. What is undefined is NaN, never 0 or 1."""

import numpy as np


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count images by actual (row) and predicted (column) class: shape (classes, classes), int."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Share of each actual class that was found, from `confusion`; NaN for a class without images."""
    totals = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), totals, out=np.full(len(matrix), np.nan), where=totals > 0)


def accuracy(matrix: np.ndarray) -> float:
    """Share of all images whose predicted class is the actual one."""
    return float(np.trace(matrix) / matrix.sum()) if matrix.sum() else float("nan")


def balanced_accuracy(matrix: np.ndarray) -> float:
    """Mean recall over the classes that have images (the challenges' official figure); NaN without any."""
    found = recalls(matrix)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")
