import csv
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_store import comparison
from model_store.__main__ import main
from model_store.bundle import available
from model_store.classes import CODES
from model_store.classifier import Classifier, refusal
from model_store.images import open_photo
from model_store.prediction import SOURCES, pooled
from model_store.predictions_csv import BATCH
from model_store.quality import assess
from tests.conftest import draw_lesion
from tests.model_store.test_dicom import file_of
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
OFFICIAL = ["image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]


@pytest.fixture
def folder(tmp_path):
    """Photos in several formats and depths, and a file that is none."""
    photos = tmp_path / "photos"
    (photos / "more" / "deep").mkdir(parents=True)
    draw_lesion(0).save(photos / "ISIC_0000002.jpg")
    draw_lesion(1).save(photos / "ISIC_0000001.PNG")
    draw_lesion(2).save(photos / "more" / "ISIC_0000003.webp")
    draw_lesion(3).save(photos / "more" / "deep" / "a.b.avif")
    (photos / "ATTRIBUTION.txt").write_text("no photo")
    return photos


def predict(tiny_bundle, output: Path, *arguments: str | Path) -> int:
    chosen = ["--bundle", str(tiny_bundle), "--engine", "tensorflow"]
    return main(["predict", *map(str, arguments), "--output", str(output), *chosen])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_the_official_csv_sorted_by_name(folder, tiny_bundle, tmp_path):
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 0
    header = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert header.split(",") == OFFICIAL
    assert [row["image"] for row in rows(tmp_path / "out.csv")] == [
        "ISIC_0000001",
        "ISIC_0000002",
        "ISIC_0000003",
        "a.b",
    ]
    for row in rows(tmp_path / "out.csv"):
        assert row["UNK"] == "0.0"
        assert sum(float(row[code]) for code in CODES) == pytest.approx(1, abs=1e-12)


def test_the_csv_holds_exactly_what_the_classifier_says(folder, tiny_bundle, tmp_path):
    photo_path = folder / "ISIC_0000002.jpg"
    predict(tiny_bundle, tmp_path / "out.csv", photo_path, "--details")
    photo, classifier = open_photo(photo_path.read_bytes()), Classifier.load(tiny_bundle)
    expected, (row,) = classifier.classify(photo), rows(tmp_path / "out.csv")
    assert [float(row[code]) for code in CODES] == expected.probabilities.tolist()
    assert float(row["malignancy"]) == expected.malignancy
    assert row["prediction_set"].split() == list(expected.prediction_set)
    assert float(row["ood_score"]) == expected.ood_score
    assert row["refusal"] == refusal(assess(photo).severe, expected)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_is_said_decides_whose_calibration_every_photo_gets(folder, tiny_bundle, tmp_path, source):
    assert predict(tiny_bundle, tmp_path / "out.csv", folder, "--details", "--source", source) == 0
    classifier, photo = Classifier.load(tiny_bundle), open_photo((folder / "ISIC_0000002.jpg").read_bytes())
    by_name = {row["image"]: row for row in rows(tmp_path / "out.csv")}
    assert {(row["source"], row["source_is_sure"]) for row in by_name.values()} == {(source, "1")}
    expected = classifier.classify(photo, source).probabilities.tolist()
    assert [float(by_name["ISIC_0000002"][code]) for code in CODES] == pytest.approx(expected, abs=1e-6)


def test_details_say_where_the_bundle_guesses_how_a_photo_was_taken(folder, tiny_bundle, tmp_path, monkeypatch):
    """By the other calibration such a photo may alarm, and its row alone would be calm."""
    photo, classifier = folder / "ISIC_0000002.jpg", Classifier.load(tiny_bundle)
    output = classifier.engine.run(classifier.prepare(open_photo(photo.read_bytes()))[None])
    reading = abs(float(classifier.bundle.probes._source_readings(pooled(output.feature_map))[0]))
    for limit, said in ((0.9 * reading, "1"), (1.1 * reading, "0")):
        monkeypatch.setattr("model_store.probes._SURE", limit)
        predict(tiny_bundle, tmp_path / "out.csv", photo, "--details")
        (row,) = rows(tmp_path / "out.csv")
        assert row["source_is_sure"] == said


def test_a_file_of_several_pictures_gets_the_row_of_its_first(tiny_bundle, tmp_path, draw_photo):
    first, other = draw_photo(seed=5), draw_photo(seed=6)
    first.save(tmp_path / "several.webp", save_all=True, append_images=[other], lossless=True)
    first.save(tmp_path / "single.webp", lossless=True)
    photos = [tmp_path / "several.webp", tmp_path / "single.webp"]
    assert predict(tiny_bundle, tmp_path / "out.csv", *photos, "--details") == 0
    several, single = ({**row, "image": ""} for row in rows(tmp_path / "out.csv"))
    assert several == single
    assert several["refusal"] == ""


def test_details_say_which_photo_is_refused_and_why(folder, tiny_bundle, tmp_path):
    Image.new("RGB", (300, 300)).save(folder / "ISIC_0000004.png")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder, "--details") == 0
    header = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert header.split(",") == [
        *OFFICIAL,
        "malignancy",
        "prediction_set",
        "ood_score",
        "accepted",
        "refusal",
        "source",
        "source_is_sure",
    ]
    by_name = {row["image"]: row for row in rows(tmp_path / "out.csv")}
    assert (by_name["ISIC_0000004"]["accepted"], by_name["ISIC_0000004"]["refusal"]) == ("0", "too_dark")
    for row in by_name.values():
        assert row["accepted"] == ("0" if row["refusal"] else "1")


def test_an_unusable_file_is_named_with_its_reason_and_the_run_goes_on(folder, tiny_bundle, tmp_path, capsys):
    (folder / "ISIC_0000000.jpg").write_bytes(b"not a photo")
    (folder / "cut.jpg").write_bytes((folder / "ISIC_0000002.jpg").read_bytes()[:3000])
    (folder / "empty.png").write_bytes(b"")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder, tmp_path / "gone.jpg") == 1
    assert len(rows(tmp_path / "out.csv")) == 4
    complaints = capsys.readouterr().err
    for name, reason in [
        ("ISIC_0000000.jpg", "unsupported_format"),
        ("cut.jpg", "damaged_image"),
        ("empty.png", "empty_file"),
        ("gone.jpg", "No such file or directory"),
    ]:
        assert f"{name}: {reason}" in complaints
    assert "ATTRIBUTION" not in complaints


def test_pictures_of_formats_that_cannot_be_read_are_named_and_not_passed_over(folder, tiny_bundle, tmp_path, capsys):
    for name in ("scan.TIF", "old.bmp", "more/moving.gif"):
        (folder / name).write_bytes(b"whatever is in it")
    draw_lesion(4).save(folder / "ISIC_0000005.jfif", "JPEG")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 1
    assert [row["image"] for row in rows(tmp_path / "out.csv")].count("ISIC_0000005") == 1
    complaints = capsys.readouterr().err
    for name in ("scan.TIF", "old.bmp", "moving.gif"):
        assert complaints.count(f"{name}: unsupported_format") == 1
    assert "ATTRIBUTION" not in complaints


def test_more_photos_than_a_batch_keep_their_order_and_their_own_answers(tiny_bundle, tmp_path):
    (tmp_path / "many").mkdir()
    for index in range(BATCH + 3):
        draw_lesion(index, (96, 80)).save(tmp_path / "many" / f"{index:03}.png")
    assert predict(tiny_bundle, tmp_path / "all.csv", tmp_path / "many") == 0
    assert predict(tiny_bundle, tmp_path / "last.csv", tmp_path / "many" / f"{BATCH + 2:03}.png") == 0
    every, (last,) = rows(tmp_path / "all.csv"), rows(tmp_path / "last.csv")
    assert [row["image"] for row in every] == [f"{index:03}" for index in range(BATCH + 3)]
    np.testing.assert_allclose([float(every[-1][c]) for c in CODES], [float(last[c]) for c in CODES], atol=1e-5)


def test_a_photo_named_twice_is_one_row_and_the_order_of_arguments_does_not_matter(folder, tiny_bundle, tmp_path):
    inner = folder / "more"
    assert predict(tiny_bundle, tmp_path / "a.csv", folder, inner, inner / "ISIC_0000003.webp") == 0
    assert predict(tiny_bundle, tmp_path / "b.csv", inner, folder) == 0
    assert len(rows(tmp_path / "a.csv")) == 4
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_two_photos_of_one_name_do_not_become_two_rows_of_one_name(folder, tiny_bundle, tmp_path, capsys):
    draw_lesion(9).save(folder / "more" / "ISIC_0000002.png")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 1
    assert [row["image"] for row in rows(tmp_path / "out.csv")].count("ISIC_0000002") == 1
    assert "another photo has this name" in capsys.readouterr().err


def test_each_link_to_a_photo_has_its_own_row_and_one_of_the_same_name_none_of_its_own(folder, tiny_bundle, tmp_path):
    (folder / "b.jpg").symlink_to(folder / "ISIC_0000002.jpg")
    (folder / "more" / "ISIC_0000002.jpeg").symlink_to(folder / "ISIC_0000002.jpg")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 0
    assert [row["image"] for row in rows(tmp_path / "out.csv")] == [
        "ISIC_0000001",
        "ISIC_0000002",
        "ISIC_0000003",
        "a.b",
        "b",
    ]


def test_what_a_folder_hides_is_said(folder, tiny_bundle, tmp_path, capsys, monkeypatch):
    """Links to nowhere, folders behind links, and folders that may not be read."""
    (folder / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "IM0002").symlink_to(tmp_path / "IM0002")
    (folder / "linked").symlink_to(folder / "more")
    (folder / "locked").mkdir()
    scandir = os.scandir

    def refuse(path):  # whoever runs the tests may be allowed everything
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 1
    assert len(rows(tmp_path / "out.csv")) == 4
    complaints = capsys.readouterr().err
    for complaint in (
        "gone.png: No such file or directory",
        "IM0002: No such file or directory",
        "linked: a link to a folder is not followed",
        "locked: Permission denied",
    ):
        assert complaints.count(complaint) == 1


def test_photos_of_other_names_are_found_in_a_folder_by_what_is_in_them(folder, tiny_bundle, tmp_path):
    dicom = file_of(np.asarray(draw_lesion(5, (120, 90))).tobytes())
    for name in ("IM0001", "1.2.840.113619.1", "1.2.840.113619.2"):
        (folder / name).write_bytes(dicom)
    shutil.copyfile(folder / "ISIC_0000002.jpg", folder / "more" / "a_jpeg.bmp")
    shutil.copyfile(folder / "more" / "ISIC_0000003.webp", folder / "no_suffix")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(200))
    (folder / "mask.csv").write_text("0,1,1,0\n" * 100)
    (folder / "empty").touch()
    os.mkfifo(folder / "fifo")
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 0
    assert [row["image"] for row in rows(tmp_path / "out.csv")] == [
        "1.2.840.113619.1",
        "1.2.840.113619.2",
        "IM0001",
        "ISIC_0000001",
        "ISIC_0000002",
        "ISIC_0000003",
        "a.b",
        "a_jpeg",
        "no_suffix",
    ]


def test_an_empty_folder_is_said(tiny_bundle, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    assert predict(tiny_bundle, tmp_path / "out.csv", tmp_path / "nothing") == 1
    assert "no photo in this folder" in capsys.readouterr().err


def test_an_existing_csv_is_replaced_only_by_a_complete_one(folder, tiny_bundle, tmp_path):
    broken = shutil.copytree(tiny_bundle, tmp_path / "broken")
    (broken / "model.keras").unlink()
    (tmp_path / "out.csv").write_text("yesterday's")
    assert predict(broken, tmp_path / "out.csv", folder) == 1
    assert (tmp_path / "out.csv").read_text() == "yesterday's"
    assert predict(tiny_bundle, tmp_path / "out.csv", folder) == 0
    assert len(rows(tmp_path / "out.csv")) == 4
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))


def test_an_output_that_is_a_pipe_is_written_to_and_stays_one(folder, tiny_bundle, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        for output, end in ((tmp_path / "fifo", fifo), (Path(f"/dev/fd/{writing}"), reading)):
            assert predict(tiny_bundle, output, folder) == 0
            assert len(os.read(end, 2**16).splitlines()) == 1 + 4
        assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
        assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
    finally:
        for end in (fifo, reading, writing):
            os.close(end)


@pytest.mark.parametrize("existing", [True, False])
def test_of_an_output_that_is_a_link_the_target_is_replaced(folder, tiny_bundle, tmp_path, existing):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target.csv", tmp_path / "out.csv"
    link.symlink_to(target)
    if existing:
        target.write_text("yesterday's")
    assert predict(tiny_bundle, link, folder) == 0
    assert link.is_symlink()
    assert not target.is_symlink()
    assert len(rows(target)) == 4
    assert list(target.parent.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_said_before_the_work(folder, tiny_bundle, tmp_path, capsys):
    assert predict(tiny_bundle, tmp_path / "gone" / "out.csv", folder) == 2
    assert predict(tiny_bundle, tmp_path, folder) == 2
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone" / "out.csv")
    assert predict(tiny_bundle, tmp_path / "link.csv", folder) == 2
    assert capsys.readouterr().err.count("cannot be written") == 3


@pytest.mark.parametrize("name", ["ISIC_0000002.jpg", "IM0001", "scan.TIF", "more/a_link.csv", "new.png"])
def test_no_photo_is_overwritten_by_the_csv(folder, tiny_bundle, tmp_path, capsys, name):
    """As `predict --output *.jpg` would, where the CSV's name was forgotten."""
    for other in ("IM0001", "scan.TIF"):
        shutil.copyfile(folder / "ISIC_0000002.jpg", folder / other)
    (folder / "more" / "a_link.csv").symlink_to(folder / "IM0001")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert predict(tiny_bundle, folder / name, folder) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_that_is_an_input_is_not_overwritten_even_if_it_is_no_photo(tiny_bundle, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("no photo")
    assert predict(tiny_bundle, tmp_path / "list.csv", tmp_path / "list.csv") == 2
    assert "is one of the inputs" in capsys.readouterr().err
    assert (tmp_path / "list.csv").read_text() == "no photo"


def test_a_file_name_that_is_no_text_gets_its_row(tiny_bundle, tmp_path):
    (tmp_path / "odd").mkdir()
    name = os.fsencode(tmp_path / "odd") + b"/\xff\xfe.png"
    draw_lesion().save(os.fsdecode(name))
    assert predict(tiny_bundle, tmp_path / "out.csv", tmp_path / "odd") == 0
    assert b"\n\xff\xfe,0." in (tmp_path / "out.csv").read_bytes()


def test_verify_says_that_a_sound_bundle_is_sound(tiny_bundle, capsys):
    assert main(["verify", str(tiny_bundle)]) == 0
    assert capsys.readouterr().out.startswith("tiny/1.0.0")


def test_verify_names_the_changed_file(tiny_bundle, tmp_path, capsys):
    broken = shutil.copytree(tiny_bundle, tmp_path / "broken")
    (broken / "MODEL_CARD.md").write_text("# Better than it is\n")
    assert main(["verify", str(broken)]) == 1
    assert "bundle_file_changed file=MODEL_CARD.md" in capsys.readouterr().err


def test_verify_of_an_unknown_bundle_fails(capsys):
    assert main(["verify", "nothing_of_that_name"]) == 1
    assert "bundle_missing bundle=nothing_of_that_name" in capsys.readouterr().err


def test_list_names_every_bundle_that_is_here(capsys):
    assert main(["list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [f"{path.parent.name}/{path.name}" for path in available()]


@pytest.mark.parametrize("arguments", [[], ["guess"], ["predict"], ["predict", "photo.jpg"]])
def test_a_command_that_is_wrong_explains_itself(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m model_store" in capsys.readouterr().err


def test_the_command_runs_as_a_module_and_complains_of_no_good_photo(folder, tiny_bundle, tmp_path):
    command = [sys.executable, "-m", "model_store", "predict", str(folder), "--output", str(tmp_path / "out.csv")]
    command += ["--bundle", str(tiny_bundle), "--engine", "tensorflow"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(rows(tmp_path / "out.csv")) == 4
    assert run.stdout == ""
    assert str(folder) not in run.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_ends_in_a_line_and_leaves_no_draft(
    tiny_bundle, engine_options, tmp_path, number, status
):
    os.mkfifo(tmp_path / "endless.jpg")  # nobody writes to it: whoever reads it waits
    draft = tmp_path / ".out.csv.partial"
    command = [sys.executable, "-m", "model_store", "predict", str(tmp_path / "endless.jpg")]
    command += ["--output", str(tmp_path / "out.csv"), "--bundle", str(tiny_bundle), "--engine", "openvino"]
    command += ["--cache", str(engine_options.cache)]
    # Where the tests themselves run in the background of a shell, Ctrl-C is ignored, and a child would inherit that.
    heard = partial(signal.signal, number, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        try:
            wait_until(lambda: draft.exists() or process.poll() is not None, 120)
            assert process.poll() is None
            process.send_signal(number)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()  # or a test that fails here would wait for it for ever
    assert process.returncode == status
    assert complaints.splitlines()[-1] == "error: stopped before the end"
    assert "Traceback" not in complaints
    assert [path.name for path in tmp_path.iterdir()] == ["endless.jpg"]


def test_help_costs_no_tensorflow():
    check = "import sys, model_store.__main__; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


def test_shards_share_an_archive_without_gap_or_overlap(folder, tiny_bundle, tmp_path):
    names = []
    for index in range(3):
        part = tmp_path / f"part-{index}.csv"
        assert predict(tiny_bundle, part, folder, "--shard", f"{index}/3") == 0
        names.append([row["image"] for row in rows(part)])
    assert names == [["ISIC_0000001", "a.b"], ["ISIC_0000002"], ["ISIC_0000003"]]


def test_of_commands_that_share_an_archive_one_fails_for_what_all_find_there(folder, tiny_bundle, tmp_path, capsys):
    """Else each part of a Job would be computed again for one picture in the archive."""
    (folder / "scan.tif").write_bytes(b"whatever is in it")
    (folder / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "linked").symlink_to(folder / "more")
    (folder / "more" / "ISIC_0000002.png").write_bytes(b"of the same name as another")
    shards = [f"{index}/3" for index in range(3)]
    assert [predict(tiny_bundle, tmp_path / "part.csv", folder, "--shard", shard) for shard in shards] == [1, 0, 0]
    complaints = capsys.readouterr().err
    for complaint in ("scan.tif: unsupported", "gone.png: No such file", "linked: a link", "ISIC_0000002.png: another"):
        assert complaints.count(complaint) == 1


def test_a_photo_that_cannot_be_read_fails_the_command_whose_share_it_is(folder, tiny_bundle, tmp_path, capsys):
    (folder / "ISIC_0000002.jpg").write_bytes(b"not a photo")
    shards = [f"{index}/2" for index in range(2)]
    assert [predict(tiny_bundle, tmp_path / "part.csv", folder, "--shard", shard) for shard in shards] == [0, 1]
    assert capsys.readouterr().err.count("ISIC_0000002.jpg: unsupported_format") == 1


def test_a_folder_that_cannot_be_searched_fails_every_command_since_shares_may_differ(
    folder, tiny_bundle, tmp_path, monkeypatch
):
    def walk(top, onerror):
        onerror(PermissionError(errno.EACCES, "Permission denied", str(top / "more")))
        yield str(top), [], ["ISIC_0000002.jpg", "ISIC_0000001.PNG"]

    monkeypatch.setattr(os, "walk", walk)
    shards = [f"{index}/2" for index in range(2)]
    assert [predict(tiny_bundle, tmp_path / "part.csv", folder, "--shard", shard) for shard in shards] == [1, 1]


@pytest.mark.parametrize("shard", ["3/3", "-1/3", "1", "0/0", "a/b"])
def test_a_shard_that_does_not_exist_is_refused(folder, tiny_bundle, tmp_path, shard, capsys):
    with pytest.raises(SystemExit) as stop:
        predict(tiny_bundle, tmp_path / "out.csv", folder, f"--shard={shard}")
    assert stop.value.code == 2
    assert "not I/N" in capsys.readouterr().err


def test_build_converts_once_and_says_where(tiny_bundle, engine_options, capsys):
    command = ["build", "--bundle", str(tiny_bundle), "--cache", str(engine_options.cache)]
    assert main(command) == 0
    capsys.readouterr()
    assert main(command) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"tiny/1.0.0 is ready for OpenVINO in {engine_options.cache}")


def test_compare_engines_writes_its_figures_and_is_content_with_float32(tiny_bundle, engine_options, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for seed in range(4):
        draw_lesion(seed).save(tmp_path / "photos" / f"{seed}.jpg")
    command = ["compare-engines", str(tmp_path / "photos"), "--output", str(tmp_path / "engines.json")]
    command += ["--bundle", str(tiny_bundle), "--cache", str(engine_options.cache)]
    assert main([*command, "--count", "3"]) == 0
    assert json.loads((tmp_path / "engines.json").read_text())["photos"] == 3
    assert "f32: same first diagnosis 100.00 %" in capsys.readouterr().out
    assert main([*command, "--count", "5"]) == 2
    assert "4 photos are fewer than 5" in capsys.readouterr().err


@pytest.fixture
def compared(monkeypatch):
    """How many photos each comparison got, in place of the comparisons."""
    counts = []

    def compare(found, photos, cache_root):
        counts.append(len(list(photos)))
        same = {"top_1_agreement": 1.0, "largest_probability_difference": 0.0}
        return {"photos": counts[-1], "served": "f32", "precisions": {"f32": same}}

    monkeypatch.setattr(comparison, "compare", compare)
    return counts


def compare_engines(tiny_bundle, folder: Path, output: Path, count: int) -> int:
    chosen = ["--bundle", str(tiny_bundle), "--count", str(count)]
    return main(["compare-engines", str(folder), "--output", str(output), *chosen])


def test_compare_engines_names_a_photo_that_cannot_be_read(folder, tiny_bundle, tmp_path, capsys, compared):
    (folder / "ISIC_0000000.jpg").write_bytes(b"not a photo")
    (folder / "ISIC_0000004.jpg").write_bytes(b"")
    assert compare_engines(tiny_bundle, folder, tmp_path / "engines.json", count=6) == 1
    assert compared == [4]
    assert json.loads((tmp_path / "engines.json").read_text())["photos"] == 4
    complaints = capsys.readouterr().err
    assert "ISIC_0000000.jpg: unsupported_format" in complaints
    assert "ISIC_0000004.jpg: empty_file" in complaints


def test_compare_engines_of_no_photo_says_so_and_loads_no_engine(tiny_bundle, tmp_path, capsys, compared):
    photos = tmp_path / "photos"
    photos.mkdir()
    assert compare_engines(tiny_bundle, photos, tmp_path / "engines.json", count=1) == 2
    (photos / "a.jpg").write_bytes(b"not a photo")
    assert compare_engines(tiny_bundle, photos, tmp_path / "engines.json", count=1) == 1
    complaints = capsys.readouterr().err
    assert "0 photos are fewer than 1" in complaints
    assert "a.jpg: unsupported_format" in complaints
    assert compared == []
    assert not (tmp_path / "engines.json").exists()


def test_compare_engines_says_of_an_output_before_the_work_that_it_is_none(folder, tiny_bundle, capsys, compared):
    before = (folder / "ISIC_0000002.jpg").read_bytes()
    assert compare_engines(tiny_bundle, folder, folder / "more", count=1) == 2
    assert compare_engines(tiny_bundle, folder, folder / "ISIC_0000002.jpg", count=1) == 2
    assert compared == []
    assert (folder / "ISIC_0000002.jpg").read_bytes() == before


@pytest.mark.parametrize("count", [0, -1])
def test_compare_engines_asks_for_a_photo_at_least(folder, tiny_bundle, tmp_path, capsys, count):
    with pytest.raises(SystemExit) as stop:
        compare_engines(tiny_bundle, folder, tmp_path / "engines.json", count)
    assert stop.value.code == 2
    assert "not a number of photos from 1 on" in capsys.readouterr().err
