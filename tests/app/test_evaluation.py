"""The evaluation's figures are read as the bundle's report has them."""

from types import SimpleNamespace

from app.evaluation import Share, curve, operating_points


def bundle(**sets):
    return SimpleNamespace(report={"sets": sets})


def test_figures_are_read_with_and_without_their_intervals_in_the_order_of_thresholds():
    plain = {"name": "b", "risk": "malignancy", "threshold": 0.3, "sensitivity": 0.8, "specificity": 0.7}
    with_intervals = {
        "name": "a",
        "risk": "malignancy",
        "threshold": 0.2,
        "sensitivity": {"value": 0.9, "low": 0.8, "high": 1.0, "images": 43},
        "specificity": {"value": 0.6, "low": 0.5, "high": 0.7, "images": 22},
    }
    found = operating_points(bundle(dermoscopy={"operating_points": [plain, with_intervals]}), "dermoscopy")
    assert [(point.name, point.sensitivity, point.specificity) for point in found] == [
        ("a", Share(0.9, 0.8, 1.0, 43), Share(0.6, 0.5, 0.7, 22)),
        ("b", Share(0.8), Share(0.7)),
    ]


def test_a_point_without_a_measured_share_is_left_out_and_a_missing_source_has_none():
    point = {"name": "a", "risk": "urgent", "threshold": 0.2, "sensitivity": None, "specificity": 0.5}
    unmeasured = {"value": None, "low": None, "high": None, "images": 0}
    points = [point, {**point, "sensitivity": unmeasured}]
    assert operating_points(bundle(phone={"operating_points": points}), "phone") == ()
    assert operating_points(bundle(), "phone") == ()


def test_the_curve_goes_up_and_leaves_out_what_could_not_be_measured():
    points = [
        {"threshold": 0.02, "sensitivity": 0.8, "specificity": 0.3},
        {"threshold": 0.01, "sensitivity": 0.9, "specificity": 0.2},
        {"threshold": 0.03, "sensitivity": None, "specificity": 0.4},
    ]
    found = curve(bundle(phone={"images": 65, "malignant": 43, "curve": points}), "phone")
    assert [(point.threshold, point.sensitivity, point.specificity) for point in found] == [
        (0.01, Share(0.9, images=43), Share(0.2, images=22)),
        (0.02, Share(0.8, images=43), Share(0.3, images=22)),
    ]
    assert curve(bundle(phone={}), "phone") == ()
