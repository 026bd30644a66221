"""Before a model is replaced, the same photos show what would change."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from model_store import upgrade
from model_store.__main__ import main
from model_store.bundle import DOCUMENT
from model_store.classifier import Classifier
from tests.conftest import draw_lesion


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle)


@pytest.fixture
def other_bundle(tiny_bundle, tmp_path):
    """The same network with a bias so strong that everything becomes a melanoma."""
    path = tmp_path / "other"
    shutil.copytree(tiny_bundle, path)
    document = json.loads((path / DOCUMENT).read_text())
    for calibration in document["calibration"].values():
        calibration["bias"] = [50.0, 0, 0, 0, 0, 0, 0, 0]
    (path / DOCUMENT).write_text(json.dumps(document))
    return path


def test_a_bundle_does_not_differ_from_itself(classifier):
    changes = list(upgrade.compare(classifier, classifier, upgrade.golden_photos([classifier])))
    assert len(changes) == 2
    assert not any(change.matters or change.difference for change in changes)


def test_another_first_diagnosis_and_the_points_that_it_reaches_are_told(classifier, other_bundle):
    other = Classifier.load(other_bundle)
    for change in upgrade.compare(classifier, other, upgrade.golden_photos([classifier, other])):
        assert change.new.first == "MEL"
        assert {"urgent", "soon"} <= set(change.new.reached)
        assert change.difference > 0.1


@pytest.mark.parametrize(
    ("changed", "matters"),
    [({}, False), ({"first": "NV"}, True), ({"reached": ()}, True), ({"refusal": "blurred"}, True)],
)
def test_what_matters_is_what_somebody_would_be_told(changed, matters):
    old = upgrade.Reading("MEL", ("urgent",), "")
    assert upgrade.Change("a", old, dataclasses.replace(old, **changed), 0.0).matters is matters


def test_the_command_answers_golden_photos_and_those_of_the_operator(tiny_bundle, other_bundle, tmp_path, capsys):
    draw_lesion(5).save(tmp_path / "ours.jpg")
    assert main(["compare", str(tiny_bundle), str(other_bundle), str(tmp_path / "ours.jpg")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 + 1 + 1
    assert "tiny/1.0.0 golden 1: " in lines[0]
    assert "ours.jpg: " in lines[4]
    assert "MEL (urgent+soon" in lines[4]
    assert lines[-1].endswith("of 5 photos get another answer.")


def test_a_file_that_is_no_photo_is_named_and_makes_the_exit_status_1(tiny_bundle, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no photo")
    assert main(["compare", str(tiny_bundle), str(tiny_bundle), str(tmp_path / "text.jpg")]) == 1
    captured = capsys.readouterr()
    assert "text.jpg: unsupported_format" in captured.err
    assert captured.out.splitlines()[-1] == "0 of 4 photos get another answer."


def test_golden_photos_are_those_of_the_bundle(classifier):
    (name, photo), _ = upgrade.golden_photos([classifier])
    assert name == "tiny/1.0.0 golden 1"
    assert np.array_equal(photo.rgb, np.asarray(draw_lesion(0, (400, 300))))
