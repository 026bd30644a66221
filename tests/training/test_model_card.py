"""The card says what the report says, and what the report falls short of."""

import copy
import json

import pytest

from model_store import bundle
from training import model_card


@pytest.fixture(scope="module")
def shipped():
    return bundle.read(bundle.find())


@pytest.fixture
def metadata(shipped) -> dict:
    return json.loads((shipped.path / "bundle.json").read_text(encoding="utf-8"))["training"]


@pytest.fixture
def card_of(shipped, metadata):
    """A function that writes the card of the shipped bundle as if its evaluation had found another report."""
    return lambda report: model_card.text(shipped.name, shipped.version, metadata, shipped.calibrations, report)


def test_each_stage_stands_with_the_commits_that_trained_it(shipped, metadata, card_of):
    first, second = [stage["name"] for stage in metadata["recipe"]["stages"]][:2]
    metadata["versions"]["stages"] = {first: ["abc", "def-dirty"]}
    lines = card_of(shipped.report).splitlines()
    told = [next(line for line in lines if line.startswith(f"| {name} |")) for name in (first, second)]
    assert told[0].endswith("| abc, def-dirty |")
    assert told[1].endswith("| not recorded |")


def test_each_stage_stands_with_its_network_and_what_grew_is_told(shipped, metadata, card_of):
    first, second = metadata["recipe"]["stages"][:2]
    for stage in metadata["recipe"]["stages"]:
        stage["network"] = "efficientnet_b4"
    assert "Net2Net" not in card_of(shipped.report)
    first["network"] = "efficientnet_lite2"
    card = card_of(shipped.report)
    assert f"| {first['name']} | EfficientNet-Lite2 | {first['size_px']} px |" in card
    assert f"| {second['name']} | EfficientNetB4 | {second['size_px']} px |" in card
    assert "EfficientNetB4 was grown from it by Net2Net" in card


def test_a_stage_that_learnt_from_an_earlier_network_says_from_which(shipped, metadata, card_of):
    for stage in metadata["recipe"]["stages"]:
        stage["teacher_share"] = 0.0
    assert "Distilling" not in card_of(shipped.report)
    metadata["recipe"] |= {"teacher": "model.keras", "teacher_sha256": "0123456789abcdef"}
    stage = metadata["recipe"]["stages"][-1]
    stage["teacher_share"] = 0.5
    card = card_of(shipped.report)
    assert "an earlier network (model.keras, SHA-256 0123456789ab)" in card
    assert f"0.5 in {stage['name']}." in card


def test_the_backend_stands_with_its_version_where_that_was_noted(shipped, metadata, card_of):
    metadata["versions"].pop("backend_version", None)
    assert "on tensorflow at commit" in card_of(shipped.report)
    metadata["versions"]["backend_version"] = "2.21.0"
    assert "on tensorflow 2.21.0 at commit" in card_of(shipped.report)


@pytest.mark.parametrize(
    ("figure", "value", "said"),
    [
        ("melanoma_auc", 0.9, "| at least 0.90 | 0.900 (0.800 to 1.000) | yes |"),
        ("melanoma_auc", 0.8999, "| at least 0.90 | 0.900 (0.800 to 1.000) | no |"),
        ("melanoma_auc", None, "| at least 0.90 | not measurable | no |"),
        ("calibration_error", 0.05, "| at most 0.05 | 0.050 (0.800 to 1.000) | yes |"),
        ("calibration_error", 0.0501, "| at most 0.05 | 0.050 (0.800 to 1.000) | no |"),
    ],
)
def test_what_was_asked_stands_beside_what_was_reached(shipped, card_of, figure, value, said):
    report = copy.deepcopy(shipped.report)
    report["sets"]["dermoscopy"][figure] = {"value": value, "low": 0.8, "high": 1.0}
    assert said in card_of(report)


def test_the_real_photos_that_the_gate_refuses_are_counted_for_each_source_and_split(shipped, card_of):
    card = card_of(shipped.report)
    for source, splits in shipped.report["gate"]["real"].items():
        for split, row in splits.items():
            share = f"{row['refused']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            assert f"| {source}, {split} | {row['n']} | {share} |" in card


def test_what_the_gate_does_of_unknown_diagnoses_is_said_to_be_measured_on_those_that_the_network_learnt(
    shipped, card_of
):
    (told,) = [line for line in card_of(shipped.report).splitlines() if line.startswith("A diagnosis that the score's")]
    assert "The network itself learnt all eight" in told


def test_only_the_choices_that_were_measured_are_told_of_with_their_gain(shipped, card_of):
    row = {"source": "dermoscopy", "images": 100, "balanced_accuracy": 0.5, "low": 0.4, "high": 0.6, "log_loss": 1.0,
           "malignancy_auc": 0.9}  # fmt: skip
    gain = {"gain": 0.1, "gain_low": -0.1, "gain_high": 0.2}
    report = {**shipped.report, "choices": {"views": [{"views": 2, **row, **gain}]}}
    assert "| 2 | dermoscopy | 100 | 0.500 (0.400 to 0.600) | 0.100 (-0.100 to 0.200) | 1.000 | 0.900 |" in (
        card := card_of(report)
    )
    assert "with the weights of the last stage" not in card
    report = {**shipped.report, "choices": {"fit": []}}
    assert "How a whole frame becomes a square" not in card_of(report)
    report = {**shipped.report, "choices": {"fit": [{"fit": "crop", **row}]}}
    assert "with the weights of the last stage" in card_of(report)


def test_phone_photos_are_only_claimed_where_there_were_some(shipped, metadata, card_of):
    assert "PAD-UFES-20 (Pacheco et al. 2020" in (card := card_of(shipped.report))
    assert "Phone photos are few" in card
    for kinds in metadata["data"]["by_split"].values():
        kinds.pop("phone")
    sets = {"dermoscopy": shipped.report["sets"]["dermoscopy"]}
    card = card_of({**shipped.report, "sets": sets})
    assert "PAD-UFES-20 (Pacheco et al. 2020" not in card
    assert "- No phone photo trained, calibrated or tested it" in card


def test_a_part_of_the_data_is_not_claimed_to_be_all_of_it_nor_all_to_be_a_part(shipped, metadata, card_of):
    assert "Of these sets there was a part. BCN20000" in card_of(shipped.report)
    metadata["data"]["rows_without_image"] = 0
    assert "All images of ISIC 2019 were there. BCN20000" in card_of(shipped.report)
