import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from model_store import bundle
from model_store.errors import BundleError
from tests.conftest import build_tiny_probes


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    """A bundle to damage."""
    return shutil.copytree(tiny_bundle, tmp_path / "tiny" / "1.0.0")


def change_document(path, **changes) -> None:
    document = json.loads((path / "bundle.json").read_text())
    document.update(changes)
    (path / "bundle.json").write_text(json.dumps(document))


def rewrite_golden(path, **changes) -> None:
    with np.load(path / "golden.npz") as arrays:
        content = dict(arrays)
    for name, change in changes.items():
        content[name] = change(content[name])
    np.savez_compressed(path / "golden.npz", **content)
    files = json.loads((path / "bundle.json").read_text())["files"]
    change_document(path, files=files | {"golden.npz": bundle._sha256(path / "golden.npz")})


def refusal(act, *arguments) -> BundleError:
    with pytest.raises(BundleError) as caught:
        act(*arguments)
    return caught.value


def test_a_written_bundle_reads_back_as_it_was_given(tiny_bundle, calibrations):
    read = bundle.read(tiny_bundle)
    assert (read.name, read.version, read.path) == ("tiny", "1.0.0", tiny_bundle)
    assert read.calibrations == calibrations
    np.testing.assert_array_equal(read.probes.projection, build_tiny_probes().projection)
    assert read.input == bundle.InputSpec()
    assert read.metadata == {"data": "none: the weights are random"}
    assert read.report == {"balanced_accuracy": None}
    assert (tiny_bundle / "MODEL_CARD.md").read_text().startswith("# Tiny")
    assert (tiny_bundle / "LICENSE").read_text() == "Made for tests.\n"
    assert (tiny_bundle / "figures" / "reliability.png").is_file()


def test_a_written_bundle_can_be_read_by_another_user(tiny_bundle):
    assert tiny_bundle.stat().st_mode & 0o777 == 0o755


def test_the_id_changes_with_any_file(tiny_bundle, copy):
    assert bundle.read(copy).id == bundle.read(tiny_bundle).id
    rewrite_golden(copy, logits=lambda logits: logits + 1e-5)
    assert bundle.read(copy).id != bundle.read(tiny_bundle).id


def test_the_golden_photos_are_answered_as_when_the_bundle_was_written(tiny_bundle):
    assert bundle.verify(tiny_bundle).name == "tiny"


def test_a_directory_without_a_bundle_is_missing(tmp_path):
    assert refusal(bundle.read, tmp_path).code == "bundle_missing"


@pytest.mark.parametrize(
    "name", ["model.keras", "golden.npz", "probes.npz", "report.json", "LICENSE", "figures/reliability.png"]
)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    error = refusal(bundle.read, copy)
    assert (error.code, error.details) == ("bundle_file_missing", {"file": name})


@pytest.mark.parametrize("name", ["model.keras", "golden.npz", "report.json", "MODEL_CARD.md"])
def test_one_changed_bit_is_found(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    error = refusal(bundle.read, copy)
    assert (error.code, error.details) == ("bundle_file_changed", {"file": name})


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_schema_version_is_not_guessed_at(copy, version):
    change_document(copy, schema_version=version)
    error = refusal(bundle.read, copy)
    assert (error.code, error.details["found"], error.details["supported"]) == ("bundle_schema_unknown", version, 2)


BROKEN_DOCUMENTS = {
    "classes in another order": {"classes": ["NV", "MEL", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]},
    "input without a known fit": {"input": {"fit": "stretch"}},
    "input with an unknown field": {"input": {"size": 380}},
    "calibration is a number": {"calibration": 1},
    "calibration is empty": {"calibration": {}},
    "training is a text": {"training": "none"},
    "files is a list": {"files": ["model.keras"]},
    "files is empty": {"files": {}},
    "an unknown field": {"surprise": 1},
}


@pytest.mark.parametrize("changes", BROKEN_DOCUMENTS.values(), ids=BROKEN_DOCUMENTS.keys())
def test_a_broken_document_is_refused(copy, changes):
    change_document(copy, **changes)
    assert refusal(bundle.read, copy).code == "bundle_metadata_invalid"


def test_each_source_needs_its_calibration_and_no_other_has_one(copy):
    both = json.loads((copy / "bundle.json").read_text())["calibration"]
    for wrong in ({"phone": both["phone"]}, both | {"microscope": both["phone"]}):
        change_document(copy, calibration=wrong)
        assert refusal(bundle.read, copy).code == "bundle_metadata_invalid"


def test_probes_that_do_not_fit_together_are_refused(copy):
    with np.load(copy / "probes.npz") as arrays:
        content = dict(arrays)
    np.savez(copy / "probes.npz", **content | {"centres": np.zeros((2, 5))})
    files = json.loads((copy / "bundle.json").read_text())["files"]
    change_document(copy, files=files | {"probes.npz": bundle._sha256(copy / "probes.npz")})
    assert refusal(bundle.read, copy).code == "bundle_metadata_invalid"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 2}', b"\xff\xfe"])
def test_a_document_that_is_no_json_object_is_refused(copy, content):
    (copy / "bundle.json").write_bytes(content)
    assert refusal(bundle.read, copy).code == "bundle_metadata_invalid"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd"])
def test_a_file_outside_the_bundle_is_not_even_hashed(copy, name):
    files = json.loads((copy / "bundle.json").read_text())["files"]
    change_document(copy, files=files | {name: "0" * 64})
    assert refusal(bundle.read, copy).code == "bundle_metadata_invalid"


def test_another_golden_answer_fails_the_replay(copy):
    rewrite_golden(copy, logits=lambda logits: logits + 0.05)
    error = refusal(bundle.verify, copy)
    assert (error.code, error.details) == ("golden_logits_differ", {"difference": 0.05, "tolerance": 0.01})


def test_one_different_prepared_pixel_fails_the_replay(copy):
    def one_pixel(prepared):
        prepared[1, 200, 200, 0] ^= 1
        return prepared

    rewrite_golden(copy, prepared=one_pixel)
    error = refusal(bundle.verify, copy)
    assert (error.code, error.details) == ("golden_preprocessing_differs", {"photo": 1})


def test_golden_vectors_without_photos_are_unreadable(copy):
    np.savez(copy / "golden.npz", logits=np.zeros((0, 8)), prepared=np.zeros((0, 380, 380, 3)))
    rewrite_golden(copy)
    assert refusal(bundle.verify, copy).code == "golden_unreadable"


def test_a_model_that_keras_cannot_load_is_said(copy):
    (copy / "model.keras").write_bytes(b"not a model")
    files = json.loads((copy / "bundle.json").read_text())["files"]
    change_document(copy, files=files | {"model.keras": bundle._sha256(copy / "model.keras")})
    assert refusal(bundle.verify, copy).code == "model_unreadable"


@pytest.fixture
def pieces(tiny_bundle):
    """All that `write` needs, from a bundle that exists."""
    read = bundle.read(tiny_bundle)
    return {
        "name": "tiny",
        "version": "1.0.0",
        "model": tiny_bundle / "model.keras",
        "spec": read.input,
        "calibrations": read.calibrations,
        "probes": read.probes,
        "metadata": {},
        "report": {},
        "golden": bundle.read_golden(read),
        "card": "card",
        "licence": "licence",
    }


def test_a_version_is_never_overwritten(pieces, tmp_path):
    bundle.write(tmp_path, **pieces)
    with pytest.raises(FileExistsError):
        bundle.write(tmp_path, **pieces)


@pytest.mark.parametrize("change", [{"report": {"figure": float("nan")}}, {"metadata": {"path": object()}}])
def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(pieces, tmp_path, change):
    with pytest.raises((ValueError, TypeError)):
        bundle.write(tmp_path, **pieces | change)
    assert list((tmp_path / "tiny").iterdir()) == []


@pytest.mark.parametrize("change", [{"name": "../up"}, {"name": ""}, {"version": "1.0"}, {"version": "1.0.0/.."}])
def test_a_name_or_version_that_is_a_path_is_refused(pieces, tmp_path, change):
    with pytest.raises(ValueError, match="not a bundle name"):
        bundle.write(tmp_path, **pieces | change)
    assert list(tmp_path.iterdir()) == []


def test_the_newest_version_is_found_by_number_not_by_letter(pieces, tmp_path):
    for version in ("2.0.0", "10.0.0", "9.1.0"):
        bundle.write(tmp_path, **pieces | {"version": version})
    assert bundle.find("tiny", tmp_path) == tmp_path / "tiny" / "10.0.0"
    assert bundle.find("tiny/9.1.0", tmp_path) == tmp_path / "tiny" / "9.1.0"
    assert bundle.find(str(tmp_path / "tiny" / "2.0.0"), tmp_path) == tmp_path / "tiny" / "2.0.0"
    assert [path.name for path in bundle.available(tmp_path)] == ["2.0.0", "9.1.0", "10.0.0"]


def test_an_unknown_bundle_is_missing(tmp_path):
    error = refusal(bundle.find, "nothing", tmp_path)
    assert (error.code, error.details) == ("bundle_missing", {"bundle": "nothing"})


def test_a_calibration_without_the_points_of_the_advice_is_refused(calibration):
    with pytest.raises(ValueError, match="operating points"):
        replace(calibration, operating_points=calibration.operating_points[:1])
