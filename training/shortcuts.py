"""The shortcut probe: how well can the class be told from what has nothing to do with the lesion?"""

import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from model_store.classes import CODES

FOLDS = 5
CHANCE = 1 / len(CODES)

# What each probe may look at. "before" is the file as it lies there, "after" the square that the network sees.
PROBES = {
    ("before", "size"): ("file_width", "file_height"),
    ("before", "sharpness"): ("file_sharpness",),
    ("before", "compression"): ("file_bytes", "file_bytes_per_pixel", "file_quantisation"),
    ("before", "source"): ("source",),
    ("before", "all of these"): (
        "file_width",
        "file_height",
        "file_sharpness",
        "file_bytes",
        "file_bytes_per_pixel",
        "file_quantisation",
        "source",
    ),
    ("after", "sharpness"): ("square_sharpness",),
    ("after", "compression"): ("square_blockiness", "square_deflated"),
    ("after", "dark rim"): ("square_dark",),
    ("after", "all of these"): ("square_sharpness", "square_blockiness", "square_deflated", "square_dark"),
}


def probe(facts: pd.DataFrame, labels: np.ndarray, groups: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Tell the class from each set of columns, by boosted trees, on lesions that they did not learn from.

    Args:
        facts: from `image_facts.measure`, with the column `source`; N rows, at least `FOLDS` groups in each class.
        labels: shape (N,), indices of `classes.CODES`.
        groups: shape (N,): images of one group stay on one side.
        seed: of folds and trees.

    Returns:
        A row a probe: when, what, balanced_accuracy (mean over the folds), deviation (over the folds), images.
        Chance is 1 over the number of classes that there are.
    """
    codes = facts.assign(source=facts.source.astype("category").cat.codes)
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(codes, labels, groups))
    rows = []
    for (when, what), columns in PROBES.items():
        values = codes[list(columns)].to_numpy(float)
        scores = [_score(values, labels, train, held_out, seed) for train, held_out in folds]
        rows.append(
            {
                "when": when,
                "what": what,
                "balanced_accuracy": np.mean(scores),
                "deviation": np.std(scores, ddof=1),
                "images": len(labels),
            }
        )
    return pd.DataFrame(rows)


def _score(values: np.ndarray, labels: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int) -> float:
    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, class_weight="balanced", early_stopping=False, random_state=seed
    )
    # One thread: on so few rows the threads would mostly wait for each other, for minutes on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        # In a small set a fold may lack a class: its recall is then left out, as it should be.
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        predicted = trees.fit(values[train], labels[train]).predict(values[held_out])
        return balanced_accuracy_score(labels[held_out], predicted)
