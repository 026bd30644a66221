import numpy as np

from model_store.classes import CODES
from training import seven


def test_keratosis_and_squamous_carcinoma_are_one_class_and_the_others_stay():
    labels = np.arange(len(CODES))
    assert [seven.SEVEN_CODES[k] for k in seven.merge_labels(labels)] == [
        "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC", "AKIEC",
    ]  # fmt: skip


def test_their_probabilities_are_added_before_the_largest_is_taken():
    probabilities = np.array([[0.0, 0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 0.3]])
    assert seven.merge_probabilities(probabilities)[0].tolist() == [0, 0.4, 0, 0.6, 0, 0, 0]
    matrix = seven.confusion(probabilities, np.array([CODES.index("SCC")]))
    assert matrix[3, 3] == matrix.sum() == 1
