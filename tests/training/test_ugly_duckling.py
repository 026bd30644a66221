"""How often the odd one out is the melanoma is counted on made-up persons, and stands beside chance."""

import json

import numpy as np
import pandas as pd
import pytest

from model_store.classes import CODES
from training import configs, export, features, ugly_duckling
from training.features import Answers
from training.ugly_duckling import measure

MEL, NV = CODES.index("MEL"), CODES.index("NV")


@pytest.fixture
def table() -> pd.DataFrame:
    labels = [MEL] * 10 + [NV] * 40
    return pd.DataFrame(
        {"label": labels, "lesion": [f"L{i}" for i in range(50)], "source": ["one"] * 30 + ["other"] * 20}
    )


def test_a_melanoma_that_is_clearly_unlike_the_moles_always_ranks_first(table):
    vectors = np.tile([1.0, 0.0], (50, 1)) + np.arange(50)[:, None] * 1e-3
    vectors[:10] = [0.0, 1.0]
    found = measure(table, vectors, np.linspace(0, 1, 50), 5, seed=0)
    assert found["by_distance"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["by_melanoma_probability"]["value"] == 0.0  # each mole was given a higher one
    assert (found["melanomas"], found["persons"], found["by_chance"]) == (
        10,
        10 * ugly_duckling.PERSONS_PER_MELANOMA,
        0.2,
    )


def test_features_that_say_nothing_are_as_good_as_chance(table):
    alike = np.ones((50, 4))
    assert measure(table, alike, np.full(50, 0.5), 5, seed=0)["by_distance"]["value"] == pytest.approx(0.2)


def test_a_person_s_lesions_come_from_one_source_and_no_mole_twice(table):
    # The other source's moles all look alike, and unlike this source's: were they mixed, they would stand out.
    vectors = np.tile([1.0, 0.0, 0.0], (50, 1))
    vectors[30:] = [0.0, 1.0, 0.0]
    vectors[:10] = [0.9, 0.0, 0.4]
    assert measure(table, vectors, np.zeros(50), 3, seed=0)["by_distance"]["value"] == 1.0
    one_lesion = table.assign(lesion=["L"] * 50)
    assert measure(one_lesion, vectors, np.zeros(50), 3, seed=0)["by_distance"] is None


def test_too_few_moles_give_no_figure(table):
    found = measure(table.iloc[:12], np.ones((12, 2)), np.zeros(12), 5, seed=0)
    assert (found["persons"], found["by_distance"]) == (0, None)


def test_the_step_writes_a_figure_for_each_number_of_lesions(data, tmp_path, monkeypatch, calibrations):
    monkeypatch.setattr(export, "calibrations", lambda recipe, folder: calibrations)
    monkeypatch.setattr(export, "served_network", lambda recipe, folder: folder / "model.keras")
    generator = np.random.default_rng(0)
    asked = []

    def answer(_model, _data, rows, _spec, _folder):
        asked.append(rows)
        return Answers(generator.normal(size=(len(rows), 8)), generator.random((len(rows), 6)))

    monkeypatch.setattr(features, "of_rows", answer)
    content = ugly_duckling.run(configs.load("smoke"), data, tmp_path)
    assert json.loads((tmp_path / "ugly_duckling.json").read_text()) == content
    assert [one["count"] for one in content["lesions"]] == list(ugly_duckling.LESIONS)
    (rows,) = asked
    assert set(data.table.split.iloc[rows]) == {"test"}
    assert set(data.table.label.iloc[rows]) <= {MEL, NV}
