"""The first step: images and tables in, what `fit` trains on out."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from model_store.preprocessing import InputSpec
from training import dataset, pixels, splits
from training.errors import TrainingError

THUMBNAIL_PX = 84
COUNTS = "counts.json"
_BCN_PX = 1024  # side of BCN20000's official frames


@dataclass(frozen=True)
class Data:
    """What `prepare` made: the table with its `split` and, for the same rows, the pixels at two sizes.

    `pixels` is uint8 (N, common_px, common_px, 3); `thumbnails` the same at 84 px, for stages that train on them.
    """

    table: pd.DataFrame
    pixels: np.ndarray
    thumbnails: np.ndarray


def run(folder: Path, spec: InputSpec, cache: Path, seed: int = 0) -> Data:
    """Read, decode, find near-duplicates and split; or take what an earlier call did.

    Args:
        folder: see `dataset.read`.
        spec: fit, common_px and resampling are used.
        cache: keeps the arrays, the split, the near-duplicates and `counts.json`.
        seed: of the split.

    Returns:
        The table with its split and the pixels for the same rows.

    Raises:
        TrainingError: tables or photos were changed, and the split of an earlier call parts what belongs together now.
    """
    table = dataset.read(folder)
    missing = table.attrs["rows_without_image"]
    array, files = pixels.build(list(table.path), spec, cache)
    readable = files > 0
    thumbnails, _ = pixels.build(list(table.path), thumbnail_spec(spec), cache)
    # Of the photos that the split was made of: some may have been replaced by others of the same name since.
    photos, digest = cache / f"split_seed{seed}.photos", hashlib.sha256(files.tobytes()).hexdigest()
    replaced = photos.exists() and photos.read_text() != digest
    table["split"] = _split(table, array, readable, cache, seed, replaced)
    counts = {
        "images": len(table),
        "rows_without_image": missing,
        "unreadable": int((~readable).sum()),
        "by_split": table.groupby(["split", "kind"]).size().unstack(fill_value=0).to_dict("index"),
        "by_source": _by_source(table),
        "without_lesion": int(table.lesion.str.startswith(dataset.NO_LESION).sum()),
        "square": _squares(table, cache / COUNTS, replaced),
    }
    (cache / COUNTS).write_text(json.dumps(counts, indent=2))
    photos.write_text(digest)
    print(
        f"{len(table)} labelled images; {missing} rows of the tables have no image here (normal for a part of the "
        f"data set); {counts['unreadable']} unreadable files left out"
    )
    return Data(table, array, thumbnails)


def thumbnail_spec(spec: InputSpec) -> InputSpec:
    """How `Data.thumbnails` are prepared where `Data.pixels` are prepared so."""
    return InputSpec(common_px=THUMBNAIL_PX, fit=spec.fit, resampling=spec.resampling)


def _by_source(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Images by collection and kind ("HAM10000, dermoscopy"), and of each how many stand on which side."""
    name = table.source + ", " + table.kind
    return table.groupby([name, "split"]).size().unstack(fill_value=0).to_dict("index")


def _squares(table: pd.DataFrame, counted: Path, replaced: bool) -> int:
    """How many dermoscopy images are square crops: as wide as high, as the official frames are not but BCN20000's.

    It opens every file, so an earlier call's count of as many images is taken where none was replaced.
    """
    known = json.loads(counted.read_text()) if counted.exists() else {}
    if not replaced and known.get("images") == len(table) and "square" in known:
        return known["square"]
    return sum(map(_is_crop, table.path[table.kind == "dermoscopy"]))


def _is_crop(path: str) -> bool:
    try:
        with Image.open(path) as image:
            return image.width == image.height != _BCN_PX
    except OSError:
        return False


def _split(
    table: pd.DataFrame, array: np.ndarray, readable: np.ndarray, cache: Path, seed: int, replaced: bool
) -> pd.Series:
    """The split that lies in the cache for the same readable images, or a new one; the others get "unreadable".

    Raises:
        TrainingError: the kept split no longer holds apart what belongs together.
    """
    file = cache / f"split_seed{seed}.csv"
    kept = pd.read_csv(file) if file.exists() else None
    if kept is not None and list(kept.image) == list(table.image) and (readable == (kept.split != "unreadable")).all():
        # Lesions and patients may have been corrected since, and photos replaced.
        duplicates = _duplicates(table.image[readable], array, cache) if replaced else np.empty((0, 2))
        try:
            splits.check(table[readable], kept.split[readable], duplicates)
        except ValueError as error:
            raise TrainingError(f"{error} since tables or photos were changed; delete {file} to split anew") from error
        return kept.split
    # Unreadable ones are all zero, and would be duplicates of each other.
    duplicates = np.flatnonzero(readable)[_duplicates(table.image[readable], array, cache)]
    split = splits.assign(table, duplicates, seed).where(readable, "unreadable")
    # Last, and whole or not at all: where the split is there, nothing above is done again.
    part = file.with_suffix(".part")
    pd.DataFrame({"image": table.image, "split": split}).to_csv(part, index=False)
    part.replace(file)
    return split


def _duplicates(images: pd.Series, array: np.ndarray, cache: Path) -> np.ndarray:
    """Which of these images are near-identical: numbers among them, (P, 2); `near_duplicates.csv` gets their names.

    Args:
        images: names, by row number in `array`.
    """
    duplicates = splits.near_duplicates(array[row] for row in images.index)
    first, second = (images.to_numpy()[side] for side in duplicates.T)
    pd.DataFrame({"first": first, "second": second}).to_csv(cache / "near_duplicates.csv", index=False)
    return duplicates
