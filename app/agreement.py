"""How far two lists of diagnoses agree: a reader's and the model's, or the actual ones and the predicted."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Of `count` pairs, `same` are alike; `kappa` is None where chance alone would explain every agreement."""

    count: int
    same: int
    kappa: float | None


def between(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Count pairs of diagnoses that are alike, and correct that for chance by Cohen's kappa.

    Args:
        first, second: codes of the same photos in the same order.

    Raises:
        ValueError: the lists have different lengths.

    Source: Cohen 1960, "A Coefficient of Agreement for Nominal Scales".
    """
    pairs = list(zip(first, second, strict=True))
    same = sum(one == other for one, other in pairs)
    if not pairs:
        return Agreement(0, 0, None)
    by_chance = sum(first.count(code) * second.count(code) for code in set(first)) / len(pairs) ** 2
    kappa = (same / len(pairs) - by_chance) / (1 - by_chance) if by_chance < 1 else None
    return Agreement(len(pairs), same, kappa)
