"""The exploration of a generated data set: what it writes, and that it says what was planted there."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from model_store.preprocessing import InputSpec
from training import eda, eda_plots


@pytest.fixture(scope="module")
def explored(isic_folder, tmp_path_factory):
    """A data set with one damaged file, one copied image under another label and a class without lesion ids."""
    folder = shutil.copytree(isic_folder, tmp_path_factory.mktemp("explored") / "isic")
    images = folder / "ISIC_2019_Training_Input"
    (images / "ISIC_0000003.jpg").write_bytes(b"not an image")
    Image.open(images / "ISIC_0000000.jpg").save(images / "ISIC_0000150.jpg", quality=90)
    metadata = pd.read_csv(folder / "ISIC_2019_Training_Metadata.csv")
    metadata.loc[metadata.image == "ISIC_0000010", "sex"] = None
    metadata.loc[100:119, "lesion_id"] = None
    metadata.loc[metadata.image == "ISIC_0000039", "lesion_id"] = metadata.lesion_id[40]
    metadata.to_csv(folder / "ISIC_2019_Training_Metadata.csv", index=False)
    out = tmp_path_factory.mktemp("eda")
    eda.run(folder, InputSpec(size_px=64, common_px=64), tmp_path_factory.mktemp("cache"), out)
    return out


def test_the_audit_counts_what_is_wrong(explored):
    found = json.loads((explored / "summary.json").read_text())["audit"]
    assert found["images"] == 160
    assert found["rows of the tables without an image"] == 1
    assert found["unreadable files"] == 1
    assert found["images without a lesion's id"] == 20
    assert found["lesions with several labels"] == 1
    assert found["lesion ids that several patients share"] == 0
    assert found["near-identical pairs"] == 1
    assert found["near-identical pairs without thumbnails"] == 1
    assert found["of these, of two lesions"] == 1
    assert found["of these, with two labels"] == 1
    assert found["near-identical pairs on two sides of the split"] == 0


def test_every_table_of_the_audit_names_the_images(explored):
    tables = {path.stem: pd.read_csv(path) for path in (explored / "tables").glob("*.csv")}
    assert list(tables["unreadable"].image) == ["ISIC_0000003"]
    assert set(tables["without_lesion_id"].diagnosis) == {"DF"}
    assert tables["label_conflicts"].diagnoses.item() == "NV BCC"
    assert tables["near_duplicates"][["first", "second"]].values.tolist() == [["ISIC_0000000", "ISIC_0000150"]]
    sexes = tables["sex"]
    assert sexes.unknown.sum() == 1
    assert sexes[["female", "male", "unknown"]].sum().sum() == 160


def test_the_probe_is_measured_before_and_after_preparation_near_chance(explored):
    probes = json.loads((explored / "summary.json").read_text())["shortcut_probe"]
    assert {row["when"] for row in probes} == {"before", "after"}
    by_name = {(row["when"], row["what"]): row["balanced_accuracy"] for row in probes}
    assert by_name["before", "size"] == pytest.approx(1 / 8, abs=0.02)  # every file is of one size
    assert all(0 <= row["balanced_accuracy"] <= 1 for row in probes)


def test_the_page_needs_no_other_file_and_shows_every_plot(explored):
    page = (explored / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    plots = {path.stem for path in (explored / "figures").glob("*.svg")}
    assert page.count("<img ") == len(plots) == 15
    assert plots == {path.stem for path in (explored / "figures").glob("*.png")}
    with Image.open(explored / "figures" / "classes.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 200  # something is drawn


def test_boxes_of_size_show_the_files_of_their_own_group_alone():
    table = pd.DataFrame({"label": [0, 0, 1, 1], "source": "some", "kind": "dermoscopy"})
    facts = pd.DataFrame({"file_width": [400, 400, 900, 900], "file_height": [100, 100, 400, 400]})
    (axis,) = eda_plots.sizes(table, facts, "diagnosis").axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["MEL\nn 2", "NV\nn 2"]
    assert axis.dataLim.ymin == pytest.approx(200)
    assert axis.dataLim.ymax == pytest.approx(600)


def test_the_summary_holds_the_same_figures_as_the_table(explored):
    text = (explored / "summary.md").read_text()
    for row in pd.read_csv(explored / "tables" / "shortcut_probe.csv").itertuples():
        assert f"| {row.when} | {row.what} | {row.balanced_accuracy:.3f} |" in text
