"""What can be measured in a file and its prepared square without looking at the lesion: size, compression, sharpness.

These are the shortcuts that a network may take instead of learning what a lesion looks like.
"""

import io
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from model_store.preprocessing import InputSpec
from training.pixels import checksums

_CHUNK = 512
_DARK = 40  # of 255: the black rim that a dermatoscope's tube leaves is below, skin is above


def measure(
    paths: list[str],
    pixels: np.ndarray,
    readable: np.ndarray,
    spec: InputSpec,
    cache: Path,
    *,
    squares_only: bool = False,
) -> pd.DataFrame:
    """Measure every image as a file (`file_*`) and as the square that training sees (`square_*`).

    Args:
        paths: image files, N.
        pixels: the same images prepared: shape (N, S, S, 3), uint8.
        readable: shape (N,), bool; the others get missing values.
        spec: how they were prepared: fit, common_px and resampling.
        cache: folder that keeps what was measured, for a later call about the same photos, prepared alike.
        squares_only: leave the files alone.

    Returns:
        N rows; see `of_file` and `of_square` for the columns.
    """
    names, squares = [Path(path).name for path in paths], checksums(pixels)
    kept = cache / f"image_facts_{spec.fit}_{spec.common_px}_{spec.resampling}{'_squares' * squares_only}.csv"
    if kept.exists():
        facts = pd.read_csv(kept)
        # What was kept before photos were told by their squares has no such column.
        if "square" in facts and list(facts.pop("file")) == names and list(facts.pop("square")) == list(squares):
            return facts
    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(paths), desc="measuring", unit="image") as progress:
        for start in range(0, len(paths), _CHUNK):
            numbers = range(start, min(start + _CHUNK, len(paths)))
            rows += pool.map(lambda i: _facts(paths[i], pixels[i], squares_only) if readable[i] else {}, numbers)
            progress.update(len(numbers))
    facts = pd.DataFrame(rows)
    facts.assign(file=names, square=squares).to_csv(kept, index=False)
    return facts


def of_file(content: bytes) -> dict[str, float]:
    """Measure a file as it lies in the data set.

    Returns:
        file_width, file_height: pixels. file_bytes: length. file_bytes_per_pixel. file_quantisation: mean divisor of
        the JPEG's tables, higher is coarser, NaN for other formats. file_sharpness: see `sharpness`, at its own size.
    """
    with Image.open(io.BytesIO(content)) as image:
        tables = getattr(image, "quantization", None) or {}
        grey = np.asarray(image.convert("L"), np.float32)
    height, width = grey.shape
    return {
        "file_width": width,
        "file_height": height,
        "file_bytes": len(content),
        "file_bytes_per_pixel": len(content) / grey.size,
        "file_quantisation": float(np.mean([np.mean(table) for table in tables.values()])) if tables else np.nan,
        "file_sharpness": sharpness(grey),
    }


def of_square(square: np.ndarray) -> dict[str, float]:
    """Measure the prepared square.

    Args:
        square: shape (S, S, 3), uint8.

    Returns:
        square_sharpness: see `sharpness`. square_blockiness: step across the borders of 8x8 blocks over the step
        elsewhere, 1 without a trace of JPEG at this size. square_deflated: compressed length over raw length.
        square_dark: share of near-black pixels, a rim. square_red, square_green, square_blue: mean in [0, 255].
    """
    grey = square.astype(np.float32).mean(axis=2)
    red, green, blue = square.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return {
        "square_sharpness": sharpness(grey),
        "square_blockiness": blockiness(grey),
        "square_deflated": len(zlib.compress(square.tobytes(), 1)) / square.size,
        "square_dark": float((grey < _DARK).mean()),
        "square_red": float(red),
        "square_green": float(green),
        "square_blue": float(blue),
    }


def sharpness(grey: np.ndarray) -> float:
    """Natural logarithm of the variance of the Laplacian, plus 1: higher is sharper (or noisier).

    Args:
        grey: shape (H, W), float, in [0, 255].

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(np.log1p(laplacian.var()))


def blockiness(grey: np.ndarray) -> float:
    """Mean step between neighbours across every eighth line, over the mean step elsewhere; `grey` as `sharpness`."""
    ratios = []
    for steps in (np.abs(np.diff(grey, axis=0)).mean(axis=1), np.abs(np.diff(grey, axis=1)).mean(axis=0)):
        border = np.arange(len(steps)) % 8 == 7
        ratios.append((steps[border].mean() + 1e-3) / (steps[~border].mean() + 1e-3))
    return float(np.mean(ratios))


def _facts(path: str, square: np.ndarray, squares_only: bool) -> dict[str, float]:
    return {**({} if squares_only else of_file(Path(path).read_bytes())), **of_square(square)}
