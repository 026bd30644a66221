"""Predictive values follow from sensitivity, specificity and prevalence."""

import pytest

from app.operating_points import Share, curve, measured, predictive_values


def test_predictive_values_are_those_of_a_table_of_a_thousand_people():
    # 100 ill: 90 called, 10 left. 900 others: 180 called, 720 left.
    values = predictive_values(0.9, 0.8, 0.1)
    assert values.positive == pytest.approx(90 / 270)
    assert values.negative == pytest.approx(720 / 730)
    assert values.called == pytest.approx(270 / 1000)


def test_nothing_is_told_of_groups_that_are_empty():
    assert predictive_values(0.0, 1.0, 0.5).positive is None
    assert predictive_values(1.0, 0.0, 0.5).negative is None


def test_figures_are_read_with_and_without_their_intervals_in_the_order_of_thresholds():
    plain = {"name": "b", "risk": "malignancy", "threshold": 0.3, "sensitivity": 0.8, "specificity": 0.7}
    with_intervals = {
        "name": "a",
        "risk": "malignancy",
        "threshold": 0.2,
        "sensitivity": {"value": 0.9, "low": 0.8, "high": 1.0, "images": 43},
        "specificity": {"value": 0.6, "low": 0.5, "high": 0.7, "images": 22},
    }
    report = {"sets": {"dermoscopy": {"operating_points": [plain, with_intervals]}}}
    found = measured(report, "dermoscopy")
    assert [(point.name, point.sensitivity, point.specificity) for point in found] == [
        ("a", Share(0.9, 0.8, 1.0, 43), Share(0.6, 0.5, 0.7, 22)),
        ("b", Share(0.8), Share(0.7)),
    ]


def test_a_point_without_a_measured_share_is_left_out_and_a_missing_source_has_none():
    point = {"name": "a", "risk": "urgent", "threshold": 0.2, "sensitivity": None, "specificity": 0.5}
    unmeasured = {"value": None, "low": None, "high": None, "images": 0}
    points = [point, {**point, "sensitivity": unmeasured}]
    assert measured({"sets": {"phone": {"operating_points": points}}}, "phone") == ()
    assert measured({}, "phone") == ()


def test_the_curve_goes_up_and_leaves_out_what_could_not_be_measured():
    points = [
        {"threshold": 0.02, "sensitivity": 0.8, "specificity": 0.3},
        {"threshold": 0.01, "sensitivity": 0.9, "specificity": 0.2},
        {"threshold": 0.03, "sensitivity": None, "specificity": 0.4},
    ]
    found = curve({"sets": {"phone": {"images": 65, "malignant": 43, "curve": points}}}, "phone")
    assert [(point.threshold, point.sensitivity, point.specificity) for point in found] == [
        (0.01, Share(0.9, images=43), Share(0.2, images=22)),
        (0.02, Share(0.8, images=43), Share(0.3, images=22)),
    ]
    assert curve({"sets": {"phone": {}}}, "phone") == ()
