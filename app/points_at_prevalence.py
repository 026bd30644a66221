"""The page of operating points: the evaluation's sensitivity and specificity, and what follows at a prevalence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app
from flask_babel import format_decimal, gettext

from app import wording
from app.case_rows import Choice, model_name
from app.i18n import percent_in_tenths
from app.operating_points import CurvePoint, Measured, curve, predictive_values
from app.operating_points import measured as of_report
from model_store.prediction import SOURCES

DEFAULT_PREVALENCE = 10.0  # percent; an example, which the reader replaces
CURVE_RISK = "malignancy"  # that the evaluation's curve is over
START = "soon"  # the operating point at which the slider stands first: the one that the advice rests on


@dataclass(frozen=True)
class PointFigures:
    """One threshold at the prevalence that the reader entered; `marked` where the slider stands at it."""

    name: str
    risk: str
    threshold: str
    sensitivity: str
    specificity: str
    positive: str
    negative: str
    called: str
    marked: bool


@dataclass(frozen=True)
class Mark:
    """A named operating point on the slider and on the chart, where lengths are as in `Chart`."""

    code: str
    name: str
    at: int
    x: float
    sensitivity_y: float
    specificity_y: float


@dataclass(frozen=True)
class Slider:
    """What the reader moves: over the whole percents of the curve, else over the named points by their number."""

    field: str
    label: str
    low: int
    high: int
    at: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """The curve as the `points` of two SVG lines: thresholds from 0 to 100 across, shares from 100 to 0 down."""

    sensitivity: str
    specificity: str


@dataclass(frozen=True)
class PointsPage:
    """All that templates/clinician/points.html may see; without a measurement there is no `slider` and no `chosen`."""

    sources: tuple[Choice, ...]
    prevalence: str
    slider: Slider | None
    chosen: PointFigures | None
    chart: Chart | None
    points: tuple[PointFigures, ...]
    images: str
    model: str


def page(asked: Mapping[str, str]) -> PointsPage:
    """Compute everything.

    Args:
        asked: may hold `source`; `prevalence` in percent; `threshold` in whole percent where the evaluation has a
            curve, else `point`, a number from 0.
    """
    bundle = current_app.extensions["classifier"].bundle
    source = asked.get("source", "")
    source = source if source in SOURCES else SOURCES[0]
    prevalence = _percent(asked.get("prevalence", ""))
    named, curved = of_report(bundle.report, source), curve(bundle.report, source)
    slider = chosen = None
    marked = []
    if curved:
        slider = _over_curve(curved, named, _whole(asked.get("threshold", "")))
        marked = [mark.code for mark in slider.marks if mark.at == slider.at]
        point = min(curved, key=lambda point: abs(100 * point.threshold - slider.at))
        name = gettext("Threshold %(threshold)s", threshold=_tenths(point.threshold))
        chosen = _figures(name, CURVE_RISK, point, prevalence)
    elif named:
        slider = _over_names(named, _whole(asked.get("point", "")))
        point = named[slider.at]
        marked = [point.name]
        chosen = _figures(str(wording.point(point.name)), point.risk, point, prevalence)
    images = bundle.report.get("sets", {}).get(source, {}).get("images", 0)
    return PointsPage(
        sources=tuple(Choice(code, str(wording.SOURCES[code]), code == source) for code in SOURCES),
        prevalence=f"{prevalence:g}",
        slider=slider,
        chosen=chosen,
        chart=_chart(curved) if curved else None,
        points=tuple(
            _figures(str(wording.point(point.name)), point.risk, point, prevalence, point.name in marked)
            for point in named
        ),
        images=format_decimal(images),
        model=model_name(),
    )


def _over_curve(curved: tuple[CurvePoint, ...], named: tuple[Measured, ...], wanted: int | None) -> Slider:
    low, high = (round(100 * curved[end].threshold) for end in (0, -1))
    marks = tuple(
        Mark(
            code=point.name,
            name=str(wording.point(point.name)),
            at=min(max(round(100 * point.threshold), low), high),
            x=round(100 * point.threshold, 1),
            sensitivity_y=_down(point.sensitivity),
            specificity_y=_down(point.specificity),
        )
        for point in named
        if point.risk == CURVE_RISK
    )
    start = next((mark.at for mark in marks if mark.code == START), low)
    at = start if wanted is None else min(max(wanted, low), high)
    return Slider("threshold", gettext("Threshold of malignancy, percent"), low, high, at, marks)


def _over_names(named: tuple[Measured, ...], wanted: int | None) -> Slider:
    last = len(named) - 1
    return Slider("point", gettext("Operating point"), 0, last, min(wanted or 0, last), ())


def _chart(curved: tuple[CurvePoint, ...]) -> Chart:
    def line(share: str) -> str:
        return " ".join(f"{round(100 * point.threshold, 1)},{_down(getattr(point, share))}" for point in curved)

    return Chart(line("sensitivity"), line("specificity"))


def _down(share: float) -> float:
    return round(100 - 100 * share, 1)


def _figures(
    name: str, risk: str, point: CurvePoint | Measured, prevalence: float, marked: bool = False
) -> PointFigures:
    values = predictive_values(point.sensitivity, point.specificity, prevalence / 100)
    return PointFigures(
        name=name,
        risk=str(wording.RISKS[risk]),
        threshold=_tenths(point.threshold),
        sensitivity=_tenths(point.sensitivity),
        specificity=_tenths(point.specificity),
        positive=_tenths(values.positive),
        negative=_tenths(values.negative),
        called=_tenths(values.called),
        marked=marked,
    )


def _whole(text: str) -> int | None:
    """A whole number that a form of ours sends; None for whatever else arrives."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None


def _percent(text: str) -> float:
    """What a reader typed, kept within 0 to 100; `DEFAULT_PREVALENCE` where it is no number."""
    try:
        entered = float(text.replace(",", "."))
    except ValueError:
        return DEFAULT_PREVALENCE
    return min(max(entered, 0.0), 100.0) if math.isfinite(entered) else DEFAULT_PREVALENCE


def _tenths(share: float | None) -> str:
    return "–" if share is None else percent_in_tenths(share)
