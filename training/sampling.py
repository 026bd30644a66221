"""Which images an epoch draws, and the class shares that follow from it."""

import numpy as np
import pandas as pd

from model_store.classes import CODES


def draw_probabilities(rows: pd.DataFrame, class_power: float, phone_share: float) -> np.ndarray:
    """How likely each image is to be drawn next.

    Args:
        rows: training images with the columns `label` and `kind`, N rows.
        class_power: see `Recipe.class_power`; the classes are counted apart for phone photos.
        phone_share: share of the draws that are phone photos; without any, the others get it all.

    Returns:
        Shape (N,), float64, sums to 1.
    """
    phone = (rows.kind == "phone").to_numpy()
    counts = rows.groupby([phone, rows.label]).label.transform("size").to_numpy()
    weights = counts.astype(float) ** -class_power
    share = phone_share if phone.any() and not phone.all() else float(phone.all())
    for part, part_share in ((phone, share), (~phone, 1 - share)):
        if part.any():
            weights[part] *= part_share / weights[part].sum()
    return weights


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
