import numpy as np
import pandas as pd

from model_store.classes import CODES
from training import subgroups

MEL, NV = CODES.index("MEL"), CODES.index("NV")


def table(**columns):
    count = len(next(iter(columns.values())))
    empty = {"age": [np.nan] * count, "sex": [None] * count, "site": [None] * count, "skin_type": [np.nan] * count}
    return pd.DataFrame(
        {**empty, "source": ["HAM10000"] * count, "lesion": range(count), "patient": range(count), **columns}
    )


def test_every_image_stands_under_every_heading_and_what_is_missing_is_unknown():
    parts = subgroups.columns(table(age=[29, 30, 49.5, 70, np.nan], sex=["male", None, "female", "male", "male"]))
    assert list(parts.age) == ["under 30", "30 to 49", "30 to 49", "70 and over", "unknown"]
    assert list(parts.sex) == ["male", "unknown", "female", "male", "male"]


def test_skin_types_are_named_by_fitzpatrick_and_a_heading_without_facts_is_left_out():
    rows = table(label=[NV] * 12, skin_type=[2.0] * 11 + [np.nan])
    measured = subgroups.figures(np.eye(8)[[NV] * 12], rows, np.zeros(12, bool))
    assert list(measured) == ["source", "skin_type"]
    assert list(measured["skin_type"]) == ["2", "unknown"]


def test_a_part_has_the_figures_of_its_own_images_and_a_small_one_only_their_number():
    rows = table(label=[NV] * 20 + [MEL] * 3, sex=["male"] * 10 + ["female"] * 10 + [None] * 3)
    stated = np.eye(8)[[NV] * 10 + [MEL] * 10 + [MEL] * 3]
    measured = subgroups.figures(stated, rows, stated[:, MEL] == 1)["sex"]
    assert measured["male"]["seven_classes"]["accuracy"]["value"] == 1
    assert measured["female"]["seven_classes"]["accuracy"]["value"] == 0
    assert measured["female"]["soon_specificity"]["value"] == 0
    assert measured["unknown"] == {"images": 3}
    assert list(measured) == ["female", "male", "unknown"]
