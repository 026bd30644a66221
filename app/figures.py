"""Shares as texts, in the language of the page."""

import math
from collections.abc import Iterable

from flask_babel import format_percent

from app.i18n import current_language


def percent(probability: float) -> str:
    """In whole percent; never 0 % or 100 %, since no model can know that."""
    if probability < 0.01:
        return f"< {format_percent(0.01)}"
    if probability > 0.99:
        return f"> {format_percent(0.99)}"
    return format_percent(round(probability, 2))


def percent_apart(probability: float, bounds: Iterable[float]) -> str:
    """As `percent`, but in tenths where whole percents would hide on which side of a bound it lies."""
    hidden = [bound for bound in bounds if (round(probability, 2) >= bound) != (probability >= bound)]
    return tenths_apart(probability, hidden[0]) if hidden else percent(probability)


def tenths_apart(probability: float, bound: float) -> str:
    """In tenths of a percent, rounded away from the bound, so that it is seen to be reached or not; or as `percent`."""
    if not 0.01 <= probability <= 0.99:
        return percent(probability)
    tenths = round(1000 * probability, 6)  # 0.07 is 70.00000000000001 of them
    if probability >= bound:
        return percent_in_tenths(math.ceil(tenths) / 1000)
    below = math.floor(tenths)
    return percent_in_tenths((below - 1 if below / 1000 >= bound else below) / 1000)


def estimate_in_tenths(share: float) -> str:
    """As `percent_in_tenths`, but never 0 % or 100 %: that nobody is missed, or nobody called in vain, nobody knows."""
    if share < 0.001:
        return f"< {percent_in_tenths(0.001)}"
    if share > 0.999:
        return f"> {percent_in_tenths(0.999)}"
    return percent_in_tenths(share)


def percent_in_tenths(share: float) -> str:
    """A share in percent with one decimal, the sign as far from it as the language's whole percents have it."""
    return format_percent(share, format="#,##0.0\N{NO-BREAK SPACE}%" if current_language() == "ru" else "#,##0.0%")
