"""The bundle in the tree is the one that is served, small enough to ship, and as good as its issue asked."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from openvino import Core

from app import create_app, evaluation
from app.config import Config
from benchmarks import photos as bench_photos
from benchmarks.site import is_full_answer
from model_store import comparison, engines
from model_store.bundle import MODEL, find, verify
from model_store.classes import CODES
from model_store.classifier import Classifier
from model_store.engines.openvino import NETWORK
from model_store.engines.views import take_apart
from model_store.prediction import ADVICE_POINTS, SOURCES
from tests.app.conftest import SECRET_KEY, send
from tests.load import photos as load_photos
from tests.load.answers import read, unfit

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def bundle():
    return verify(find())


@pytest.fixture(scope="module")
def client(bundle, engine_options):
    """A browser at the site with the shipped network."""
    running = Classifier.load(bundle.path, "openvino", engine_options)
    app = create_app(Config(secret_key=SECRET_KEY, rate_limit=""), running)
    yield app.test_client()
    app.extensions["inference"].close()


def test_it_verifies_and_can_be_shipped(bundle):
    assert (bundle.name, bundle.version) == ("efficientnet_b4_isic2019", "2.3.0")
    assert (bundle.input.size_px, bundle.path.parent.name) == (380, bundle.name)
    assert sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file()) < 45_000_000


def test_it_reaches_the_figures_that_were_asked_for_on_lesions_it_never_saw(bundle):
    figures = bundle.report["sets"]["dermoscopy"]
    assert figures["seven_classes"]["balanced_accuracy"]["value"] >= 0.76
    assert figures["seven_classes"]["accuracy"]["value"] >= 0.80
    assert figures["calibration_error"]["value"] <= 0.05
    assert bundle.report["sets"]["phone"]["seven_classes"]["balanced_accuracy"]["value"] >= 0.52
    assert figures["lesions"] > 1000


@pytest.mark.parametrize("source", SOURCES)
def test_its_evaluation_has_every_figure_that_a_page_shows(bundle, source):
    """A figure under another name would vanish from the pages without an error."""
    assert {point.name for point in evaluation.operating_points(bundle, source)} >= set(ADVICE_POINTS)
    assert all(point.sensitivity.low is not None for point in evaluation.operating_points(bundle, source))
    assert len(evaluation.curve(bundle, source)) > 90
    assert set(evaluation.by_advice(bundle, source)) == {"urgent", "soon", "unsure", "watch"}
    assert sum(row["n"] for row in evaluation.by_advice(bundle, source).values()) > 60
    assert set(evaluation.answers(bundle, source)["by_score"]) == {str(score) for score in range(1, 11)}
    counted = evaluation.answers(bundle, source)["by_top_class"]
    assert sum(row["n"] for row in counted.values()) == evaluation.figures(bundle, source)["images"]
    for code in CODES:
        told = evaluation.with_diagnosis(bundle, source, code)
        row = counted.get(code, {"n": 0})
        assert (told is not None) == (row["n"] >= evaluation.MIN_PHOTOS)
        assert told is None or told.right == row["counts"].get(code, 0)
    assert evaluation.answers(bundle, source)["set"]
    assert evaluation.calibration_error(bundle, source).images == evaluation.figures(bundle, source)["images"]
    assert evaluation.ugly_duckling(bundle)


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_each_engine_gives_the_answers_that_it_was_exported_with(bundle, engine_options, engine):
    running = Classifier.load(bundle.path, engine, engine_options)  # replays the golden photos
    assert running.engine.name == engine


def test_the_fast_engine_computes_the_looks_at_a_photo_side_by_side(bundle, engine_options):
    folder = engines.cache.get(bundle.path / MODEL, engine_options.cache)
    parts = take_apart(Core().read_model(folder / NETWORK))
    assert len(parts.before.outputs) == bundle.metadata["recipe"]["views"] == 2


@pytest.mark.parametrize("megapixels", [1, 12])
def test_the_photo_that_is_timed_is_as_large_as_a_phones_and_gets_a_full_answer(client, megapixels):
    photo = bench_photos.jpeg(megapixels)
    assert 0.15e6 < len(photo) / megapixels < 0.3e6
    assert is_full_answer(send(client, photo).data)


def test_every_good_photo_of_the_load_test_gets_diagnoses_of_its_own(client):
    answers = {name: send(client, photo, path="/api/v1/answer") for name, photo in load_photos.good().items()}
    assert unfit({name: read(answer.status_code, answer.json) for name, answer in answers.items()}) == []


def test_its_card_says_what_its_report_says(bundle):
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name, figures in bundle.report["sets"].items():
        assert f"### Test: {name}\n\n{figures['images']} images of {figures['lesions']} lesions." in card
        for figure in (*figures["seven_classes"].values(), figures["calibration_error"], figures["melanoma_auc"]):
            assert f"| {figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} |" in card


def test_the_split_in_the_tree_is_the_one_that_it_was_trained_with(bundle):
    file = ROOT / "training" / "split_seed0.csv"
    training = json.loads((bundle.path / "bundle.json").read_text())["training"]
    with file.open(newline="") as rows:
        sides = Counter(row["split"] for row in csv.DictReader(rows))
    assert sides == {side: sum(kinds.values()) for side, kinds in training["data"]["by_split"].items()}
    # Bundle 2.0.0 does not name the digest; every later one does.
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert training["versions"].get("data", digest) == digest


def test_the_fast_engine_was_held_against_the_reference_on_real_photos_and_agrees(bundle):
    result = json.loads((ROOT / "benchmarks" / "engines.json").read_text())
    assert result["bundle"] == f"{bundle.name}/{bundle.version}"
    assert result["photos"] >= 500
    assert comparison.is_within_limits(result)
