import shutil

import pandas as pd
import pytest
from PIL import Image

from model_store.classes import CODES
from training import dataset


def test_every_image_has_a_row_with_its_diagnosis_and_rows_without_an_image_are_counted(table):
    assert len(table) == 160
    assert tuple(table.columns) == dataset.COLUMNS
    assert table.attrs["rows_without_image"] == 1
    assert table.groupby("label").size().tolist() == [20] * len(CODES)
    assert set(table.source) == {"HAM10000"}


def test_an_image_without_a_lesion_id_is_a_lesion_of_its_own(tmp_path):
    names = ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
    _write_tables(tmp_path, names, lesions=["MSK4_0001", "", "BCN_0003"])
    images = tmp_path / dataset.INPUT_FOLDER
    images.mkdir()
    for name in names[:2]:
        Image.new("RGB", (64, 64)).save(images / f"{name}.jpg")
    small = tmp_path / dataset.THUMBNAIL_FOLDER
    small.mkdir()
    Image.new("RGB", (84, 84)).save(small / f"{names[2]}.jpg")
    table = dataset.read(tmp_path)
    assert table.lesion.tolist() == ["MSK4_0001", "image_ISIC_0000002", "BCN_0003"]
    assert table.source.tolist() == ["MSK/UDA", "MSK/UDA", "BCN20000"]
    assert table.kind.tolist() == ["dermoscopy", "dermoscopy", "thumbnail"]


def test_phone_photos_are_read_in_isic_classes_and_missing_ones_counted(table, isic_folder, tmp_path):
    folder = shutil.copytree(isic_folder, tmp_path / "isic")
    phones = folder / dataset.PHONE_FOLDER
    (phones / "images" / "imgs_part_1").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(phones / "images" / "imgs_part_1" / "PAT_8_15_820.png")
    columns = {"patient_id": "PAT_8", "lesion_id": 15, "age": 61, "gender": "FEMALE", "region": "FACE"}
    rows = [
        {**columns, "fitspatrick": 2.0, "diagnostic": "ACK", "img_id": "PAT_8_15_820.png"},
        {**columns, "fitspatrick": None, "diagnostic": "SEK", "img_id": "PAT_8_15_999.png"},
    ]
    pd.DataFrame(rows).to_csv(phones / "metadata.csv", index=False)
    both = dataset.read(folder)
    assert len(both) == len(table) + 1
    assert both[["image", "label", "patient", "kind", "sex"]].iloc[-1].tolist() == [
        "PAT_8_15_820", CODES.index("AK"), "PAT_8", "phone", "female",
    ]  # fmt: skip
    assert both.attrs["rows_without_image"] == table.attrs["rows_without_image"] + 1


def test_a_folder_without_any_image_of_its_tables_is_an_error(tmp_path):
    _write_tables(tmp_path, ["ISIC_0000001"], lesions=["HAM_0000001"])
    with pytest.raises(FileNotFoundError, match="no image"):
        dataset.read(tmp_path)


def _write_tables(folder, names, lesions):
    truth = pd.DataFrame({"image": names, **{code: float(code == "NV") for code in CODES}, "UNK": 0.0})
    truth.to_csv(folder / "ISIC_2019_Training_GroundTruth.csv", index=False)
    metadata = {"age_approx": 50, "anatom_site_general": "anterior torso", "lesion_id": lesions, "sex": "female"}
    pd.DataFrame({"image": names, **metadata}).to_csv(folder / "ISIC_2019_Training_Metadata.csv", index=False)
