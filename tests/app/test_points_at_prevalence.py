"""Predictive values follow from sensitivity, specificity and prevalence."""

import pytest

from app.points_at_prevalence import predictive_values


def test_predictive_values_are_those_of_a_table_of_a_thousand_people():
    # 100 ill: 90 called, 10 left. 900 others: 180 called, 720 left.
    values = predictive_values(0.9, 0.8, 0.1)
    assert values.positive == pytest.approx(90 / 270)
    assert values.negative == pytest.approx(720 / 730)
    assert values.called == pytest.approx(270 / 1000)


def test_nothing_is_told_of_groups_that_are_empty():
    assert predictive_values(0.0, 1.0, 0.5).positive is None
    assert predictive_values(1.0, 0.0, 0.5).negative is None
