"""What the evaluation measured on test photos: the one place that knows how a bundle's `report.json` is laid out.

The tables of `/model` apart, which show all of it.
"""

from dataclasses import dataclass

from app.advice import UNSURE, Advice
from model_store.bundle import Bundle
from model_store.classes import MALIGNANT_CODES
from model_store.prediction import Calibration, Prediction, malignancy_score

# Of fewer test photos than this, what seems a share is chance: too little to say of the next photo.
MIN_PHOTOS = 20


@dataclass(frozen=True)
class Share:
    """A measured share in [0, 1].

    Attributes:
        low, high: of its 95 percent interval; None where the report has none.
        images: how many test photos it was measured on; 0 where the report does not say.
    """

    value: float
    low: float | None = None
    high: float | None = None
    images: int = 0

    @property
    def count(self) -> int:
        """How many of the test photos it is."""
        return round(self.value * self.images)


@dataclass(frozen=True)
class MeasuredPoint:
    """One named threshold as the evaluation measured it on its test photos of one source.

    Attributes:
        name, risk, threshold: as in `prediction.OperatingPoint`.
    """

    name: str
    risk: str
    threshold: float
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True)
class CurvePoint:
    """What one threshold of malignancy, in [0, 1], finds and spares, named or not."""

    threshold: float
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True)
class Count:
    """How many test photos got the same answer, and how many of these showed cancer or what can become it."""

    photos: int
    malignant: int


@dataclass(frozen=True)
class DiagnosisCount(Count):
    """The same of the test photos with one most likely diagnosis, and for how many of them it was right."""

    right: int


def figures(bundle: Bundle, source: str) -> dict:
    """The report's figures on one source's test photos; empty where there were none."""
    return bundle.report.get("sets", {}).get(source, {})


def answers(bundle: Bundle, source: str) -> dict:
    """What the report counted of one source's test photos by the answer that they got; empty where it counted none."""
    return bundle.report.get("answers", {}).get(source, {})


def test_set(bundle: Bundle, source: str) -> str:
    """Which test photos of a source were counted, a code of `wording.test_set`; empty where none were."""
    return answers(bundle, source).get("set", "")


def by_advice(bundle: Bundle, source: str) -> dict:
    """The report's count of test photos for each advice; empty where it has none: bundles before 2.1.1."""
    return answers(bundle, source).get("by_advice", {})


def with_advice(bundle: Bundle, source: str, given: Advice) -> Count | None:
    """The test photos that led to the same advice; None where too few did."""
    return _count(by_advice(bundle, source).get(UNSURE if UNSURE in given.reasons else given.level.value))


def with_diagnosis(bundle: Bundle, source: str, code: str) -> DiagnosisCount | None:
    """The test photos for which a diagnosis, one of `CODES`, was the most likely; None where too few of them were."""
    row = answers(bundle, source).get("by_top_class", {}).get(code)
    if not row or row["n"] < MIN_PHOTOS:
        return None
    malignant = sum(row["counts"].get(other, 0) for other in MALIGNANT_CODES)
    return DiagnosisCount(row["n"], malignant, row["counts"].get(code, 0))


def calibration_error(bundle: Bundle, source: str) -> Share | None:
    """Stated against true probability of the most likely diagnosis; None where it was measured without an interval."""
    measured = figures(bundle, source)
    error = _share(measured.get("calibration_error"), measured.get("images", 0))
    return error if error and error.low is not None else None


def score(prediction: Prediction, calibration: Calibration, bundle: Bundle) -> int | None:
    """The malignancy score, 1 to 10. None where too few test photos of the source had it: its worth is unknown."""
    value = malignancy_score(prediction.malignancy, calibration)
    return value if _with_score(bundle, prediction.source, value) else None


def score_on_test(prediction: Prediction, calibration: Calibration, bundle: Bundle) -> Count | None:
    """The test photos that had the same malignancy score.

    None where `score` has none, and where none of them was malignant: so few photos prove no absence.
    """
    counted = _with_score(bundle, prediction.source, malignancy_score(prediction.malignancy, calibration))
    return counted if counted and counted.malignant else None


def operating_points(bundle: Bundle, source: str) -> tuple[MeasuredPoint, ...]:
    """The named thresholds as measured on one source, by risk and from the lowest threshold to the highest.

    Empty where the evaluation had no photos of that source. A share may stand alone or with its interval, as `value`.
    """
    found = [
        MeasuredPoint(p["name"], p["risk"], p["threshold"], sensitivity, specificity)
        for p in figures(bundle, source).get("operating_points", [])
        if (sensitivity := _share(p["sensitivity"])) and (specificity := _share(p["specificity"]))
    ]
    return tuple(sorted(found, key=lambda point: (point.risk, point.threshold)))


def curve(bundle: Bundle, source: str) -> tuple[CurvePoint, ...]:
    """What calling at or above each threshold of malignancy finds and spares, from the lowest threshold to the highest.

    Empty where the evaluation wrote no curve of that source, or had nothing malignant or nothing else to measure it on.
    """
    measured = figures(bundle, source)
    malignant = measured.get("malignant", 0)
    others = measured.get("images", 0) - malignant
    found = [
        CurvePoint(p["threshold"], sensitivity, specificity)
        for p in measured.get("curve", [])
        if (sensitivity := _share(p["sensitivity"], malignant)) and (specificity := _share(p["specificity"], others))
    ]
    return tuple(sorted(found, key=lambda point: point.threshold))


def ugly_duckling(bundle: Bundle) -> list[dict]:
    """How often the odd one out was the melanoma, by the number of lesions; empty where it was not measured."""
    return [one for one in bundle.report.get("ugly_duckling", {}).get("lesions", []) if one["by_distance"]]


def _with_score(bundle: Bundle, source: str, value: int) -> Count | None:
    return _count(answers(bundle, source).get("by_score", {}).get(str(value)))


def _count(row: dict | None) -> Count | None:
    return Count(row["n"], row["malignant"]) if row and row["n"] >= MIN_PHOTOS else None


def _share(figure: float | dict | None, images: int = 0) -> Share | None:
    """A share as the report has it: alone, measured on so many photos, or with its interval and its own number."""
    if not isinstance(figure, dict):
        return None if figure is None else Share(figure, images=images)
    if figure["value"] is None:
        return None
    return Share(figure["value"], figure.get("low"), figure.get("high"), figure.get("images", images))
