"""The worst mistakes as pictures on one sheet: for the eye of whoever trains, never for the repository or a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from model_store.classes import CODES

_COLUMNS, _SIDE_PX, _TEXT_PX = 6, 200, 36


@dataclass(frozen=True)
class Mistake:
    """One image: `pixels` uint8 (S, S, 3), and two lines that say what it is and what the network took it for."""

    pixels: np.ndarray
    caption: str


def worst(pixels: np.ndarray, rows: pd.DataFrame, stated: np.ndarray, count: int = 24) -> list[Mistake]:
    """The images whose actual diagnosis the network thought least likely.

    Args:
        pixels: shape (N, S, S, 3), uint8.
        rows: their rows of the table.
        stated: shape (N, 8), calibrated probabilities.
        count: at most so many.

    Returns:
        The worst first; an image that was answered right is never among them.
    """
    labels = rows.label.to_numpy()
    actual, top = stated[np.arange(len(labels)), labels], stated.argmax(axis=1)
    order = [i for i in np.argsort(actual, kind="stable") if top[i] != labels[i]][:count]
    return [
        Mistake(
            pixels[i],
            f"{rows.image.iloc[i]}\n{CODES[labels[i]]} {actual[i]:.3f}, "
            f"taken for {CODES[top[i]]} {stated[i, top[i]]:.2f}",
        )
        for i in order
    ]


def write(groups: Sequence[Sequence[Mistake]], file: Path) -> None:
    """Write groups of mistakes onto one JPEG sheet, each group from a new row on."""
    lines = [group[i : i + _COLUMNS] for group in groups for i in range(0, len(group), _COLUMNS)]
    sheet = Image.new("RGB", (_COLUMNS * _SIDE_PX, max(len(lines), 1) * (_SIDE_PX + _TEXT_PX)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, line in enumerate(lines):
        for column, mistake in enumerate(line):
            x, y = column * _SIDE_PX, row * (_SIDE_PX + _TEXT_PX)
            sheet.paste(Image.fromarray(mistake.pixels).resize((_SIDE_PX - 4,) * 2), (x + 2, y + 2))
            pen.multiline_text((x + 4, y + _SIDE_PX), mistake.caption, fill="black")
    sheet.save(file, quality=85)
