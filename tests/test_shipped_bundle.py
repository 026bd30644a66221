"""The bundle in the tree is the one that is served, small enough to ship, and as good as its issue asked."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from model_store import comparison, engines
from model_store.bundle import find, verify
from model_store.classifier import Classifier

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def bundle():
    return verify(find())


def test_it_verifies_and_can_be_shipped(bundle):
    assert (bundle.name, bundle.version) == ("efficientnet_b4_isic2019", "2.2.0")
    assert (bundle.input.size_px, bundle.path.parent.name) == (380, bundle.name)
    assert sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file()) < 45_000_000


def test_it_reaches_the_figures_that_were_asked_for_on_lesions_it_never_saw(bundle):
    figures = bundle.report["sets"]["dermoscopy"]
    assert figures["seven_classes"]["balanced_accuracy"]["value"] >= 0.76
    assert figures["seven_classes"]["accuracy"]["value"] >= 0.80
    assert figures["calibration_error"]["value"] <= 0.05
    assert bundle.report["sets"]["phone"]["seven_classes"]["balanced_accuracy"]["value"] >= 0.52
    assert figures["lesions"] > 1000


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_each_engine_gives_the_answers_that_it_was_exported_with(bundle, tmp_path, engine):
    running = Classifier.load(bundle.path, engine, engines.Options(cache=tmp_path))  # replays the golden photos
    assert running.engine.name == engine


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
