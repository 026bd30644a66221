import pytest

from training import figures


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ({"value": 0.5, "low": 0.25, "high": 0.75}, "0.500 (0.250 to 0.750)"),
        ({"value": 0.5, "low": None, "high": None}, "0.500"),
        ({"value": None, "low": None, "high": None}, "not measurable"),
    ],
)
def test_a_figure_stands_with_its_interval_where_it_has_one(measured, text):
    assert figures.with_interval(measured) == text
