"""Several lesions of one person: which one is least like the others, as the network sees them."""

import numpy as np

MIN_LESIONS = 3  # of two lesions neither is the odd one


def distances(features: np.ndarray) -> np.ndarray:
    """Say how unlike each two lesions are: 1 minus the cosine of the angle between their features.

    Args:
        features: shape (N, C), floating, from `prediction.pooled`.

    Returns:
        Shape (N, N), float64, symmetric, in [0, 2], 0 on the diagonal.

    Raises:
        ValueError: another shape, or a lesion whose features are all 0.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"expected (N, C) features, got {rows.shape}")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ValueError("a lesion has no features")
    unit = rows / lengths
    apart = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(apart, 0)
    return apart


def strangeness(features: np.ndarray) -> np.ndarray:
    """Say how far each lesion lies from the others of the same person: the mean of its distances to them.

    Args:
        features: shape (N, C), N at least `MIN_LESIONS`.

    Returns:
        Shape (N,), float64, in [0, 2]; the highest is the ugly duckling's.

    Raises:
        ValueError: fewer lesions than that, or as `distances`.

    Source: Grob and Bonerandi 1998, "The 'ugly duckling' sign", for the idea. Cosine distance is the usual one between
    pooled features and was not chosen among others; `python -m training ugly_duckling` only measures it.
    """
    if len(features) < MIN_LESIONS:
        raise ValueError(f"expected at least {MIN_LESIONS} lesions, got {len(features)}")
    return distances(features).sum(axis=1) / (len(features) - 1)
