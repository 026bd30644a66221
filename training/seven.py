"""The seven classes of ISIC 2018: AK and SCC together are AKIEC; all others as in ISIC 2019."""

import numpy as np

from model_store.classes import CODES
from training import metrics

SEVEN_CODES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_SEVEN_OF_EIGHT = np.array([SEVEN_CODES.index("AKIEC" if code in {"AK", "SCC"} else code) for code in CODES])


def merge_labels(labels: np.ndarray) -> np.ndarray:
    """Indices into `classes.CODES`, shape (N,), become indices into `SEVEN_CODES`."""
    return _SEVEN_OF_EIGHT[labels]


def merge_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Shape (N, 8) becomes (N, 7): the probabilities of AK and SCC are added."""
    merged = np.zeros((len(probabilities), len(SEVEN_CODES)))
    for eight, into in enumerate(_SEVEN_OF_EIGHT):
        merged[:, into] += probabilities[:, eight]
    return merged


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Confusion matrix of the seven, shape (7, 7), from probabilities (N, 8) and labels (N,) of the eight."""
    predicted = merge_probabilities(probabilities).argmax(axis=1)
    return metrics.confusion(merge_labels(labels), predicted, len(SEVEN_CODES))
