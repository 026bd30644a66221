"""A version that is no longer shipped keeps its place in the history, with the figures of its own report."""

import json
import runpy

import pytest

from app import versions
from model_store.bundle import BUNDLES, available

FIGURE = {"value": 0.7, "low": 0.6, "high": 0.8, "images": 9, "lesions": 9}


def write_bundle(folder, figure=FIGURE):
    folder.mkdir(parents=True)
    report = {"sets": {"phone": {"eight_classes": {"balanced_accuracy": figure}}}}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_noted_versions_are_kept_beside_each_other_and_a_repeated_one_is_written_anew(tmp_path):
    history = tmp_path / "versions.json"
    first, second = write_bundle(tmp_path / "net" / "1.0.0"), write_bundle(tmp_path / "net" / "1.1.0", 0.75)
    versions.note([first], history)
    versions.note([second, first], history)
    told = versions.noted("net", history)
    assert list(told) == ["1.0.0", "1.1.0"]
    interval = {"value": 0.7, "low": 0.6, "high": 0.8}
    assert told["1.0.0"] == {"phone": {"eight_classes": {"balanced_accuracy": interval}}}
    assert told["1.1.0"]["phone"]["eight_classes"]["balanced_accuracy"] == 0.75
    assert versions.noted("another", history) == {}


def test_a_set_without_all_eight_classes_has_no_figure_and_hides_no_other(tmp_path):
    bundle = write_bundle(tmp_path / "net" / "1.0.0", 0.75)
    report = json.loads((bundle / "report.json").read_text())
    report["sets"]["dermoscopy"] = {"images": 9}
    (bundle / "report.json").write_text(json.dumps(report))
    assert versions.key_figures(bundle) == {"phone": {"eight_classes": {"balanced_accuracy": 0.75}}}


def test_the_command_notes_what_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "HISTORY", tmp_path / "versions.json")
    monkeypatch.setattr("sys.argv", ["app", "note", str(write_bundle(tmp_path / "net" / "1.0.0"))])
    runpy.run_module("app", run_name="__main__")
    assert list(versions.noted("net", tmp_path / "versions.json")) == ["1.0.0"]


@pytest.mark.parametrize("path", available(BUNDLES), ids=lambda path: path.name)
def test_the_history_says_what_a_shipped_bundle_s_report_says(path):
    told = versions.noted(path.parent.name)
    assert told.get(path.name, versions.key_figures(path)) == versions.key_figures(path)


def test_the_versions_before_the_shipped_one_are_noted():
    assert {"1.0.0", "2.0.0"} <= versions.noted("efficientnet_b4_isic2019").keys()
