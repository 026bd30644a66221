import pytest

from training import readme
from training.errors import TrainingError


def test_a_table_takes_the_place_of_the_last_one_of_its_name(tmp_path):
    file = tmp_path / "README.md"
    other = "<!-- other: begin -->\nkept\n<!-- other: end -->\n"
    file.write_text(f"before\n<!-- table: begin -->\nold\n<!-- table: end -->\n{other}")
    for _ in range(2):
        readme.insert(file, "table", "new\n")
    assert file.read_text() == f"before\n<!-- table: begin -->\nnew\n<!-- table: end -->\n{other}"


@pytest.mark.parametrize("text", ["nothing here\n", "<!-- table: end -->\n<!-- table: begin -->\n"])
def test_a_document_without_the_markers_is_left_alone(tmp_path, text):
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(TrainingError, match="no document with the lines <!-- table: begin -->"):
        readme.insert(file, "table", "text")
    assert file.read_text() == text
