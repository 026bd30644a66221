"""Which images an epoch draws, and the class shares that follow from it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from model_store.classes import CODES


def draw_probabilities(rows: pd.DataFrame, class_power: float, kind_shares: Mapping[str, float]) -> np.ndarray:
    """How likely each image is to be drawn next.

    Args:
        rows: training images with the columns `label` and `kind`, N rows.
        class_power: see `Recipe.class_power`; the classes of each kind that has a share are counted apart.
        kind_shares: shares of the draws, by kind; what they leave goes to the other kinds, and what a kind without
            images was to have goes to all.

    Returns:
        Shape (N,), float64, sums to 1.
    """
    part = rows.kind.where(rows.kind.isin(kind_shares), "others")
    weights = rows.groupby([part, rows.label]).label.transform("size").astype(float) ** -class_power
    others = 1 - sum(kind_shares.values())
    weights *= part.map(lambda name: kind_shares.get(name, others)) / weights.groupby(part).transform("sum")
    return (weights / weights.sum()).to_numpy()


def class_shares(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Share of each class among the draws: shape (8,), float64, sums to 1."""
    return np.bincount(labels, weights=probabilities, minlength=len(CODES))


def epoch(probabilities: np.ndarray, count: int, seed: tuple[int, ...]) -> np.ndarray:
    """The row numbers of an epoch in their order: a function of the seed alone.

    As close to the probabilities as whole numbers allow: each image comes floor or ceil of its expected times
    (systematic sampling), so that equal probabilities give each image exactly once.

    Args:
        probabilities: shape (N,), sums to 1.
        count: images to draw.
        seed: e.g. (recipe's seed, stage, epoch).

    Returns:
        Shape (count,), int.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(probabilities))
    edges = np.cumsum(probabilities[order])
    points = (np.arange(count) + rng.uniform()) / count * edges[-1]
    return rng.permutation(order[np.searchsorted(edges, points, side="right").clip(max=len(order) - 1)])
