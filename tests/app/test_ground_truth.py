"""The actual diagnoses come from a table in the official layout."""

import pytest

from app.config import ConfigError
from app.ground_truth import read

COLUMNS = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"


def test_each_image_has_its_diagnosis_and_unknown_ones_are_left_out(tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text(COLUMNS + "ISIC_1,0.0,1.0,0,0,0,0,0,0,0\nISIC_2,0,0,0,0,0,0,0,0,1\nISIC_3,1,0,0,0,0,0,0,0,0\n")
    assert read(str(table)) == {"ISIC_1": "NV", "ISIC_3": "MEL"}


def test_without_the_setting_nothing_is_known():
    assert read("") == {}


@pytest.mark.parametrize("content", ["image,MEL\nISIC_1,1\n", "", COLUMNS + "ISIC_1,yes,0,0,0,0,0,0,0,0\n"])
def test_a_table_of_another_layout_stops_the_start(tmp_path, content):
    table = tmp_path / "truth.csv"
    table.write_text(content)
    with pytest.raises(ConfigError, match="SKIN_GROUND_TRUTH_CSV"):
        read(str(table))


def test_a_missing_table_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="SKIN_GROUND_TRUTH_CSV"):
        read(str(tmp_path / "none.csv"))
