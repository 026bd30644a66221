"""Each row of the guide's table of faults names the tests that show it, and these exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
SECTION = re.search(r"^## When something breaks\n(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL).group(1)
ROWS = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][2:]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_everybody_sees_and_is_shown_by_tests_that_exist(row):
    assert len(row) == 5
    assert all(cell.strip() for cell in row)
    named = re.findall(r"`(test_\w+)`", row[-1])
    assert named
    assert set(named) <= TESTS
