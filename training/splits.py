"""Which image trains, validates, calibrates or tests: by lesion, patient and near-duplicate, never by image."""

from collections.abc import Iterable

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

# Twentieths of the lesions. Thumbnails can only train: those on another side are left out of everything.
FOLDS = 20
SPLIT_OF_FOLD = ("test",) * 2 + ("validation",) * 2 + ("calibration",) + ("train",) * 15

# Chosen by judgement, not measured: too wide only groups more images together, which cannot leak.
HASH_BITS = 6
MEAN_DIFFERENCE = 6.0


def assign(table: pd.DataFrame, duplicates: np.ndarray, seed: int) -> pd.Series:
    """Assign each image to a split; whatever belongs together stays together.

    Args:
        table: from `dataset.read`, N rows.
        duplicates: shape (P, 2), int, row numbers of near-identical images.
        seed: fixes the assignment.

    Returns:
        N strings: "train", "validation", "calibration" or "test", stratified by class and source.

    Raises:
        ValueError: a lesion, patient or near-duplicate pair stands on two sides (a mistake in this module).
    """
    groups = group(table, duplicates)
    strata = table.source + "/" + table.kind + "/" + table.label.astype(str)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    split = np.empty(len(table), dtype=object)
    for fold, (_, rows) in enumerate(folds.split(table, strata, groups)):
        split[rows] = SPLIT_OF_FOLD[fold]
    split = pd.Series(split, index=table.index, name="split")
    check(table, split, duplicates)
    return split


def group(table: pd.DataFrame, duplicates: np.ndarray) -> np.ndarray:
    """Number the groups of images that share a lesion or a patient or are near-identical: shape (N,), int."""
    count = len(table)
    pairs = [np.asarray(duplicates, dtype=int).reshape(-1, 2)]
    for column in ("lesion", "patient"):
        first = table.groupby(column)[column].transform(lambda rows: rows.index[0])
        pairs.append(np.column_stack([table.index, first]))
    a, b = np.concatenate(pairs).T
    return connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)[1]


def check(table: pd.DataFrame, split: pd.Series, duplicates: np.ndarray) -> None:
    """Raise ValueError where a lesion, a patient or a near-duplicate pair stands on two sides."""
    for column in ("lesion", "patient"):
        leaks = split.groupby(table[column]).nunique() > 1
        if leaks.any():
            raise ValueError(f"{leaks.sum()} values of {column} stand on two sides, e.g. {leaks.idxmax()}")
    sides = split.to_numpy()[np.asarray(duplicates, dtype=int).reshape(-1, 2)]
    if (sides[:, 0] != sides[:, 1]).any():
        raise ValueError("a near-duplicate pair stands on two sides")


def near_duplicates(images: Iterable[np.ndarray]) -> np.ndarray:
    """Find pairs of near-identical images by perceptual hash, confirmed by their pixels.

    A hash alone also pairs different spots on plain skin; so 16x16 thumbnails must agree as well.

    Args:
        images: N, each (S, S, 3), uint8; taken one by one, since all of them may not fit into memory.

    Returns:
        Shape (P, 2), int, numbers of images, the smaller first.

    Source: perceptual hash of the `imagehash` library (Zauner 2010).
    """
    hashes, thumbnails = zip(*(_hash_and_thumbnail(image) for image in images), strict=True)
    words = np.packbits(np.array([h.hash.ravel() for h in hashes]), axis=1).view(np.uint64)[:, 0]
    thumbnails = np.array(thumbnails)
    pairs = []
    for i, word in enumerate(words[:-1]):
        near = i + 1 + np.flatnonzero(np.bitwise_count(words[i + 1 :] ^ word) <= HASH_BITS)
        difference = np.abs(thumbnails[near] - thumbnails[i]).mean(axis=(1, 2, 3))
        pairs += [(i, j) for j in near[difference <= MEAN_DIFFERENCE]]
    return np.array(pairs, dtype=int).reshape(-1, 2)


def _hash_and_thumbnail(image: np.ndarray) -> tuple[imagehash.ImageHash, np.ndarray]:
    picture = Image.fromarray(image)
    return imagehash.phash(picture), np.asarray(picture.resize((16, 16), Image.Resampling.BOX), dtype=np.float32)
