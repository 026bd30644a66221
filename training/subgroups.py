"""The same figures for parts of a set of images: whom does the network serve worse?"""

import numpy as np
import pandas as pd

from training import evaluate

# Fewer images than this are only counted: any share of so few says nothing.
MIN_IMAGES = 10

_AGE_LIMITS = (0, 30, 50, 70, np.inf)
_AGE_BANDS = ("under 30", "30 to 49", "50 to 69", "70 and over")


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Which part each image belongs to, under every heading.

    Args:
        rows: the images' rows of the table: `age`, `sex`, `site`, `source`, `skin_type`.

    Returns:
        Text columns "age", "sex", "site", "source" and "skin_type" (Fitzpatrick, "1" to "6"); "unknown" where missing.
    """
    table = pd.DataFrame(
        {
            "age": pd.cut(rows.age, _AGE_LIMITS, right=False, labels=_AGE_BANDS).astype(object),
            "sex": rows.sex.astype(object),
            "site": rows.site.astype(object),
            "source": rows.source.astype(object),
            "skin_type": rows.skin_type.map("{:.0f}".format, na_action="ignore").astype(object),
        }
    )
    return table.where(table.notna(), "unknown")


def figures(stated: np.ndarray, rows: pd.DataFrame, soon: np.ndarray) -> dict:
    """Key figures for every part of a set of images.

    Args:
        stated: shape (N, 8), calibrated probabilities.
        rows: the same images' rows of the table.
        soon: shape (N,), bool, from `evaluate.reaches_soon`.

    Returns:
        {heading: {part: `evaluate.key_figures`}}; a part of fewer than `MIN_IMAGES` has only "images", and a heading
        under which nothing is known is left out.
    """
    table = columns(rows)
    return {
        heading: {
            part: _part(stated, rows, (table[heading] == part).to_numpy(), soon) for part in _parts(table[heading])
        }
        for heading in table
        if (table[heading] != "unknown").any()
    }


def _parts(column: pd.Series) -> list[str]:
    """In the order in which a reader looks for them; what is unknown comes last."""
    known = [*_AGE_BANDS, *sorted(set(column) - {"unknown", *_AGE_BANDS}), "unknown"]
    return [part for part in known if (column == part).any()]


def _part(stated: np.ndarray, rows: pd.DataFrame, inside: np.ndarray, soon: np.ndarray) -> dict:
    if inside.sum() < MIN_IMAGES:
        return {"images": int(inside.sum())}
    return evaluate.key_figures(stated[inside], rows[inside], soon[inside])
