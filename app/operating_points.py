"""What a threshold is worth in a practice: predictive values at the prevalence that its reader enters."""

from dataclasses import dataclass


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
class Measured:
    """One named threshold as the bundle's evaluation measured it on its test photos of one source.

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
class PredictiveValues:
    """Shares in [0, 1]; None where nobody is called, or nobody is left."""

    positive: float | None
    negative: float | None
    called: float


def measured(report: dict, source: str) -> tuple[Measured, ...]:
    """The operating points of a bundle's report for one source, from the lowest threshold to the highest.

    Empty where the evaluation had no photos of that source. A share may stand alone or with its interval, as `value`.
    """
    points = report.get("sets", {}).get(source, {}).get("operating_points", [])
    found = [
        Measured(p["name"], p["risk"], p["threshold"], sensitivity, specificity)
        for p in points
        if (sensitivity := _share(p["sensitivity"])) and (specificity := _share(p["specificity"]))
    ]
    return tuple(sorted(found, key=lambda point: (point.risk, point.threshold)))


def curve(report: dict, source: str) -> tuple[CurvePoint, ...]:
    """What calling at or above each threshold of malignancy finds and spares, from the lowest threshold to the highest.

    Empty where the evaluation wrote no curve of that source, or had nothing malignant or nothing else to measure it on.
    """
    figures = report.get("sets", {}).get(source, {})
    malignant = figures.get("malignant", 0)
    others = figures.get("images", 0) - malignant
    found = [
        CurvePoint(p["threshold"], sensitivity, specificity)
        for p in figures.get("curve", [])
        if (sensitivity := _share(p["sensitivity"], malignant)) and (specificity := _share(p["specificity"], others))
    ]
    return tuple(sorted(found, key=lambda point: point.threshold))


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> PredictiveValues:
    """Bayes' rule: how many of those at or above a threshold have the disease, and how many below it have not.

    Args:
        sensitivity, specificity, prevalence: shares in [0, 1].
    """
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    false_negative, true_negative = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    called = true_positive + false_positive
    left = false_negative + true_negative
    return PredictiveValues(true_positive / called if called else None, true_negative / left if left else None, called)


def _share(figure: float | dict | None, images: int = 0) -> Share | None:
    """A share as the report has it: alone, measured on so many photos, or with its interval and its own number."""
    if not isinstance(figure, dict):
        return None if figure is None else Share(figure, images=images)
    if figure["value"] is None:
        return None
    return Share(figure["value"], figure.get("low"), figure.get("high"), figure.get("images", images))
