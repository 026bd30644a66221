"""Does the lesion least like its neighbours turn out to be the melanoma? Measured on made-up persons."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.classes import CODES
from model_store.prediction import probabilities
from model_store.ugly_duckling import strangeness
from training import export, features, metrics
from training.configs.recipe import Recipe
from training.prepare import Data

FILE = "ugly_duckling.json"
LESIONS = (3, 5, 10, 20)  # of one person, the melanoma among them
PERSONS_PER_MELANOMA = 20


def run(recipe: Recipe, data: Data, folder: Path) -> dict:
    """Measure on the test split; writes `ugly_duckling.json`.

    A person is one melanoma among moles of the same source, since other sources differ in camera and light, which
    would make the odd one out easy to find.

    Args:
        recipe: what was trained.
        data: its images; melanomas and moles seen through a dermatoscope are used.
        folder: of the run; its network answers, and the dermoscopy calibration in its `calibration.json` ranks by
            melanoma probability.

    Returns:
        What is written: for each number of lesions, how often the melanoma ranks first, with a 95 % interval by
        melanoma: by distance, by melanoma probability, and by chance.
    """
    fitted = export.calibrations(recipe, folder)["dermoscopy"]
    wanted = data.table.label.isin([CODES.index("MEL"), CODES.index("NV")])
    numbers = np.flatnonzero((data.table.split == "test") & (data.table.kind == "dermoscopy") & wanted)
    model = export.served_network(recipe, folder)
    answers = features.of_rows(model, data, numbers, recipe.input, folder)
    table = data.table.iloc[numbers].reset_index(drop=True)
    melanoma = probabilities(answers.logits, fitted)[:, CODES.index("MEL")]
    content = {
        "set": "ISIC 2019 dermoscopy, lesions held out for the test; one melanoma among moles of the same source",
        "persons_per_melanoma": PERSONS_PER_MELANOMA,
        "lesions": [measure(table, answers.features, melanoma, count, recipe.seed) for count in LESIONS],
    }
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def measure(table: pd.DataFrame, vectors: np.ndarray, melanoma: np.ndarray, count: int, seed: int) -> dict:
    """Draw persons with so many lesions, and count how often their melanoma ranks first.

    Args:
        table: `label`, `lesion` and `source` of N melanomas and moles; one image of a lesion at most is drawn.
        vectors: shape (N, C), pooled features.
        melanoma: shape (N,), the melanoma probability.
        count: lesions of a person, one of them the melanoma.
        seed: of the draw.

    Returns:
        `count`, `persons`, `melanomas`, and the shares `by_distance`, `by_melanoma_probability` (each with `value`,
        `low`, `high`; None where no source has moles enough) and `by_chance`.
    """
    generator = np.random.default_rng(seed)
    firsts, of_lesion = [], []
    for source, rows in table.groupby("source"):
        moles = rows[rows.label == CODES.index("NV")].drop_duplicates("lesion").index.to_numpy()
        if len(moles) < count - 1:
            continue
        for index in rows[rows.label == CODES.index("MEL")].index:
            for _ in range(PERSONS_PER_MELANOMA):
                person = np.concatenate([[index], generator.choice(moles, count - 1, replace=False)])
                firsts.append((_share_of_first(strangeness(vectors[person])), _share_of_first(melanoma[person])))
                of_lesion.append(f"{source} {table.lesion[index]}")
    shares, lesions = np.array(firsts).reshape(-1, 2), np.array(of_lesion)
    return {
        "count": count,
        "persons": len(shares),
        "melanomas": len(np.unique(lesions)),
        "by_distance": _interval(shares[:, 0], lesions),
        "by_melanoma_probability": _interval(shares[:, 1], lesions),
        "by_chance": 1 / count,
    }


def _share_of_first(scores: np.ndarray) -> float:
    """1 where the melanoma, which comes first, has the highest score; a share of 1 where it ties for it."""
    return float(scores[0] == scores.max()) / float((scores == scores.max()).sum())


def _interval(shares: np.ndarray, lesions: np.ndarray) -> dict | None:
    if not len(shares):
        return None
    low, high = metrics.bootstrap_interval(lambda rows: float(shares[rows].mean()), lesions)
    return {"value": float(shares.mean()), "low": low, "high": high}
