import dataclasses

import keras
import numpy as np
import pytest

from model_store.engines.tensorflow import TensorFlowEngine
from model_store.prediction import pooled
from model_store.preprocessing import InputSpec, prepare, to_input
from tests.conftest import build_tiny_network, draw_lesion
from training import features, record
from training.prepare import Data

SPEC = InputSpec(common_px=64)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / "model.keras"
    build_tiny_network().save(file)
    return file


@pytest.fixture(scope="module")
def small(data) -> Data:
    return Data(data.table.iloc[:20].reset_index(drop=True), data.pixels[:20], data.thumbnails[:20])


@pytest.fixture
def run(small, tmp_path):
    """The folder of a run that trained with these images."""
    record.data(small.table, tmp_path)
    return tmp_path


def test_logits_and_features_are_those_of_the_engine_that_serves(model_file, small, run):
    rows = np.array([3, 17, 5])
    said = features.of_rows(model_file, small, rows, SPEC, run)
    output = TensorFlowEngine(model_file).run(np.stack([to_input(small.pixels[row], SPEC) for row in rows]))
    np.testing.assert_allclose(said.logits, output.logits, atol=1e-4)
    np.testing.assert_allclose(said.features, pooled(output.feature_map), atol=1e-5)


def test_what_was_asked_before_is_not_asked_again(model_file, small, run, monkeypatch):
    rows = np.arange(10)
    first = features.of_rows(model_file, small, rows, SPEC, run)
    monkeypatch.setattr(features, "_ask", lambda *_: pytest.fail("asked again"))
    np.testing.assert_array_equal(features.of_rows(model_file, small, rows[::-1], SPEC, run).logits, first.logits[::-1])


def test_a_photo_that_was_replaced_is_asked_about_again_and_no_other(model_file, small, run, monkeypatch):
    rows = np.arange(10)
    first = features.of_rows(model_file, small, rows, SPEC, run)
    changed = np.array(small.pixels)
    changed[4] = 255 - changed[4]
    asked, ask = [], features._ask
    monkeypatch.setattr(features, "_ask", lambda model, inputs: asked.append(len(inputs)) or ask(model, inputs))
    again = features.of_rows(model_file, dataclasses.replace(small, pixels=changed), rows, SPEC, run)
    assert asked == [1]
    assert (again.logits != first.logits).any(axis=1).tolist() == [row == 4 for row in rows]


def test_a_network_is_loaded_once_for_all_that_it_is_asked(model_file, small, run, monkeypatch):
    loaded, load = [], keras.saving.load_model
    features._network.cache_clear()
    monkeypatch.setattr(keras.saving, "load_model", lambda *some, **named: loaded.append(some) or load(*some, **named))
    for rows in (np.arange(3), np.arange(3, 6)):
        features.of_rows(model_file, small, rows, SPEC, run)
    features.of_photos(model_file, [np.asarray(draw_lesion())], SPEC, run)
    assert len(loaded) == 1


def test_another_network_is_asked_anew(model_file, small, run):
    first = features.of_rows(model_file, small, np.arange(3), SPEC, run)
    other = run / "other.keras"
    build_tiny_network(seed=1).save(other)
    assert not np.allclose(features.of_rows(other, small, np.arange(3), SPEC, run).logits, first.logits)


@pytest.mark.parametrize("column", ["split", "label", "image"])
def test_a_run_does_not_answer_for_other_data_than_its_own(model_file, small, run, column):
    changed = small.table.copy()
    changed.loc[0, column] = changed[column].iloc[0] * 2 + ("x" if column != "label" else 1)
    with pytest.raises(record.OtherSplit, match="began with other"):
        features.of_rows(model_file, dataclasses.replace(small, table=changed), np.arange(2), SPEC, run)


def test_a_run_that_does_not_say_what_it_trained_with_does_not_answer(model_file, small, tmp_path):
    with pytest.raises(record.OtherSplit, match="does not say"):
        features.of_rows(model_file, small, np.arange(2), SPEC, tmp_path)


def test_photos_are_prepared_as_on_the_site(model_file, tmp_path):
    photos = [np.asarray(draw_lesion(seed, (300, 200 + seed))) for seed in range(18)]
    said = features.of_photos(model_file, photos, SPEC, tmp_path)
    output = TensorFlowEngine(model_file).run(np.stack([prepare(photo, SPEC) for photo in photos]))
    np.testing.assert_allclose(said.logits, output.logits, atol=1e-4)
    again = features.of_photos(model_file, photos, SPEC, tmp_path)
    np.testing.assert_array_equal(again.features, said.features)
