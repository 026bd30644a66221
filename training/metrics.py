"""Figures of a classifier: pure functions on arrays. What is undefined is NaN, never 0 or 1.

Everywhere `labels` and `predicted` are class numbers, shape (N,), int; `matrix` is what `confusion` gives; `scores`
have shape (N,), float, and so has `positive`, bool.
"""

import numpy as np
from scipy.stats import beta

_BINS = 15  # of confidence; the card names their number
_COVERAGE = 0.95  # of every interval; the card says it
_SEED = 0  # of whatever is drawn, so that the same images give the same figures


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


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean distance between confidence and accuracy of the top class, over equally wide bins of confidence.

    Bin k of 15 holds the confidences in (k / 15, (k + 1) / 15].

    Args:
        probabilities: shape (N, C), in [0, 1].
        labels: shape (N,), int.

    Returns:
        In [0, 1]; NaN without images.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    if len(labels) == 0:
        return float("nan")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps = np.bincount(bin_of, weights=correct - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_error_if_perfect(probabilities: np.ndarray) -> float:
    """What `expected_calibration_error` would be, on average over 200 draws, if every stated probability were true.

    It is above 0, since few images in a bin differ from their mean by chance; the fewer images, the more.

    Args:
        probabilities: shape (N, C), rows sum to 1.

    Returns:
        In [0, 1]; NaN without images.
    """
    rng, limits = np.random.default_rng(_SEED), probabilities.cumsum(axis=1)[:, :-1]
    drawn = ((rng.random((len(limits), 1)) > limits).sum(axis=1) for _ in range(200))
    return float(np.mean([expected_calibration_error(probabilities, labels) for labels in drawn]))


def sensitivity(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """Share of the positives whose score is at least the threshold; NaN without positives."""
    return float(np.mean(scores[positive] >= threshold)) if positive.any() else float("nan")


def specificity(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """Share of the negatives whose score is below the threshold; NaN without negatives."""
    return float(np.mean(scores[~positive] < threshold)) if (~positive).any() else float("nan")


def threshold_for_sensitivity(scores: np.ndarray, positive: np.ndarray, wanted: float) -> float:
    """The highest threshold that finds at least the wanted share of the positives; ValueError without positives."""
    if not positive.any():
        raise ValueError("no positives")
    falling = np.sort(scores[positive])[::-1]
    return float(falling[int(np.ceil(wanted * len(falling))) - 1])


def sensitivity_at_specificity(scores: np.ndarray, positive: np.ndarray, wanted: float) -> float:
    """The best sensitivity of any threshold whose specificity is at least the wanted one; NaN where undefined."""
    if positive.all() or not positive.any():
        return float("nan")
    rising = np.sort(scores[~positive])
    allowed = int(np.floor((1 - wanted) * len(rising) + 1e-9))  # so many negatives may be called positive
    if allowed >= len(rising):
        return 1.0
    return float(np.mean(scores[positive] > rising[len(rising) - 1 - allowed]))


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive scores higher than a negative, ties counted half; NaN where one side is empty.

    Source: the Mann-Whitney statistic, Hanley and McNeil 1982.
    """
    if positive.all() or not positive.any():
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def bootstrap_interval(
    statistic, groups: np.ndarray, *, classes: np.ndarray | None = None, repeats: int = 1000
) -> tuple[float, float]:
    """The 95 % percentile interval of a figure, drawing whole groups (lesions) again and again.

    Args:
        statistic: takes row numbers, shape (n,), and gives the figure; NaN draws are left out.
        groups: shape (N,), whatever tells the rows' lesions apart.
        classes: shape (N,), for a figure that is a mean over classes: draws that lack one of them are left out, since
            they would measure something else.
        repeats: how many draws.

    Returns:
        Lower and upper limit; NaN where no draw gave a figure.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, by cluster.
    """
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(number, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(number))[:-1])
    rng = np.random.default_rng(_SEED)
    drawn = (np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]) for _ in range(repeats))
    count = 0 if classes is None else len(np.unique(classes))
    draws = np.array([statistic(rows) for rows in drawn if not count or len(np.unique(classes[rows])) == count])
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2])
    return float(low), float(high)


def share_interval(hits: np.ndarray, groups: np.ndarray, *, repeats: int = 1000) -> tuple[float, float]:
    """The 95 % interval of the share of images that are hits, drawing whole groups as `bootstrap_interval` does.

    Where all or none are hits every draw is alike, and the bootstrap would claim certainty; there the exact binomial
    interval is given, with the groups as its trials. A single group in which some are hits says nothing of another:
    its interval is 0 to 1.

    Args:
        hits: shape (N,), bool.
        groups, repeats: as for `bootstrap_interval`.

    Returns:
        Lower and upper limit; NaN without images.

    Source: the exact interval of Clopper and Pearson 1934.
    """
    if len(hits) == 0:
        return float("nan"), float("nan")
    _, number = np.unique(groups, return_inverse=True)
    images, found = np.bincount(number), np.bincount(number, weights=hits)
    count, tail = len(images), (1 - _COVERAGE) / 2
    if hits.all():
        return float(beta.ppf(tail, count, 1)), 1.0
    if not hits.any():
        return 0.0, float(beta.ppf(1 - tail, 1, count))
    if count == 1:
        return 0.0, 1.0
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(0, count, (repeats, count), dtype=np.int32)
    low, high = np.quantile(found[drawn].sum(axis=1) / images[drawn].sum(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def net_benefit(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """What acting on scores at or above a threshold gains, in true positives an image; NaN without images.

    A threshold of 0.1 means that nine false alarms are as bad as one missed positive.

    Args:
        scores: shape (N,), probabilities.
        positive: shape (N,), bool.
        threshold: in [0, 1).

    Source: Vickers and Elkin 2006, "Decision curve analysis".
    """
    if len(scores) == 0:
        return float("nan")
    called = scores >= threshold
    return float(np.mean(called & positive) - np.mean(called & ~positive) * threshold / (1 - threshold))
