import pandas as pd

from training import audit


def _table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "patient", "lesion", "label"])


def test_a_lesion_with_two_labels_is_a_conflict():
    found = audit.lesions_with_several_labels(_table([("a", "p", "1", 0), ("b", "p", "1", 2), ("c", "p", "2", 2)]))
    assert found.to_dict("records") == [{"patient": "p", "lesion": "1", "images": 2, "diagnoses": "MEL BCC"}]


def test_the_same_id_at_two_patients_is_two_lesions_and_said():
    table = _table([("a", "p", "1", 0), ("b", "q", "1", 2)])
    assert audit.lesions_with_several_labels(table).empty
    assert audit.shared_lesion_ids(table).to_dict("records") == [{"lesion": "1", "patients": 2, "images": 2}]
