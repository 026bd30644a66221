"""The page of operating points: the evaluation's sensitivity and specificity, and what follows at a prevalence."""

from dataclasses import dataclass

from flask import current_app
from flask_babel import format_decimal, gettext
from werkzeug.datastructures import MultiDict

from app import evaluation, wording
from app.case_rows import Choice, model_name
from app.evaluation import MIN_PHOTOS, CurvePoint, MeasuredPoint, Share
from app.figures import estimate_in_tenths, percent_in_tenths
from model_store.prediction import SOURCES

DEFAULT_PREVALENCE = 10.0  # percent; an example, which the reader replaces
CURVE_RISK = "malignancy"  # that the evaluation's curve is over, and that the reader's prevalence is of
START = "soon"  # the operating point at which the slider stands first: the one that the advice rests on


@dataclass(frozen=True)
class PredictiveValues:
    """Shares in [0, 1]; None where nobody is called, or nobody is left."""

    positive: float | None
    negative: float | None
    called: float


@dataclass(frozen=True)
class PointFigures:
    """One threshold at the prevalence that the reader entered; `marked` where the slider stands at it.

    Beside each share stands what it rests on: its interval and its number of photos. Where a dash stands although the
    prevalence is known, `no_values` says why for all figures that follow from it, `no_positive` and `no_negative` for
    one predictive value.
    """

    name: str
    risk: str
    threshold: str
    sensitivity: str
    sensitivity_rests_on: str
    specificity: str
    specificity_rests_on: str
    positive: str
    no_positive: str
    negative: str
    no_negative: str
    called: str
    no_values: str
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
    """All that templates/clinician/points.html may see; without a measurement there is no `slider` and no `chosen`.

    `prevalence` is as the reader typed it; `stated` says which one the figures are for, or what to type.
    """

    sources: tuple[Choice, ...]
    prevalence: str
    stated: str
    slider: Slider | None
    chosen: PointFigures | None
    chart: Chart | None
    points: tuple[PointFigures, ...]
    images: str
    model: str


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


def page(asked: MultiDict) -> PointsPage:
    """Compute everything.

    Args:
        asked: may hold `source`; `prevalence` in percent; `threshold` in whole percent where the evaluation has a
            curve, else `point`, a number from 0.
    """
    bundle = current_app.extensions["classifier"].bundle
    source = asked.get("source", "")
    source = source if source in SOURCES else SOURCES[0]
    typed = asked.get("prevalence", f"{DEFAULT_PREVALENCE:g}")
    prevalence = _percent(typed)
    named, curved = evaluation.operating_points(bundle, source), evaluation.curve(bundle, source)
    slider = chosen = None
    marked = []
    if curved:
        slider = _over_curve(curved, named, asked.get("threshold", type=int))
        marked = [mark.code for mark in slider.marks if mark.at == slider.at]
        point = min(curved, key=lambda point: abs(100 * point.threshold - slider.at))
        name = gettext("Threshold %(threshold)s", threshold=_tenths(point.threshold))
        chosen = _figures(name, CURVE_RISK, point, prevalence)
    elif named:
        slider = _over_names(named, asked.get("point", 0, type=int))
        point = named[slider.at]
        marked = [point.name]
        chosen = _figures(str(wording.point(point.name)), point.risk, point, prevalence)
    images = evaluation.figures(bundle, source).get("images", 0)
    return PointsPage(
        sources=tuple(Choice(code, str(wording.SOURCES[code]), code == source) for code in SOURCES),
        prevalence=typed,
        stated=_stated(prevalence),
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


def _over_curve(curved: tuple[CurvePoint, ...], named: tuple[MeasuredPoint, ...], wanted: int | None) -> Slider:
    low, high = (round(100 * curved[end].threshold) for end in (0, -1))
    marks = tuple(
        Mark(
            code=point.name,
            name=str(wording.point(point.name)),
            at=min(max(round(100 * point.threshold), low), high),
            x=round(100 * point.threshold, 1),
            sensitivity_y=_down(point.sensitivity.value),
            specificity_y=_down(point.specificity.value),
        )
        for point in named
        if point.risk == CURVE_RISK
    )
    start = next((mark.at for mark in marks if mark.code == START), low)
    at = start if wanted is None else min(max(wanted, low), high)
    return Slider("threshold", gettext("Threshold of malignancy, percent"), low, high, at, marks)


def _over_names(named: tuple[MeasuredPoint, ...], wanted: int) -> Slider:
    last = len(named) - 1
    return Slider("point", gettext("Operating point"), 0, last, min(max(wanted, 0), last), ())


def _chart(curved: tuple[CurvePoint, ...]) -> Chart:
    def line(share: str) -> str:
        return " ".join(f"{round(100 * point.threshold, 1)},{_down(getattr(point, share).value)}" for point in curved)

    return Chart(line("sensitivity"), line("specificity"))


def _down(share: float) -> float:
    return round(100 - 100 * share, 1)


def _figures(
    name: str, risk: str, point: CurvePoint | MeasuredPoint, prevalence: float | None, marked: bool = False
) -> PointFigures:
    no_values = _no_values(risk, point)
    no_positive = "" if no_values else _no_positive(point)
    no_negative = "" if no_values else _no_negative(point)
    values = None
    if prevalence is not None and not no_values:
        values = predictive_values(point.sensitivity.value, point.specificity.value, prevalence / 100)
    return PointFigures(
        name=name,
        risk=str(wording.RISKS[risk]),
        threshold=_tenths(point.threshold),
        sensitivity=_tenths(point.sensitivity.value),
        sensitivity_rests_on=_rests_on(point.sensitivity),
        specificity=_tenths(point.specificity.value),
        specificity_rests_on=_rests_on(point.specificity),
        positive="–" if no_positive else _estimate(values and values.positive),
        no_positive=no_positive,
        negative="–" if no_negative else _estimate(values and values.negative),
        no_negative=no_negative,
        called=_tenths(values and values.called),
        no_values=no_values,
        marked=marked,
    )


def _no_values(risk: str, point: CurvePoint | MeasuredPoint) -> str:
    """Why nothing may be computed from the prevalence for this threshold; empty where it may."""
    if risk != CURVE_RISK:
        return gettext("Not computed: this point looks for fewer diagnoses than the prevalence that you enter counts.")
    if min(point.sensitivity.images, point.specificity.images) < MIN_PHOTOS:
        return gettext(
            "Not computed: fewer than %(number)s test photos with malignancy, or without, stand behind this point.",
            number=format_decimal(MIN_PHOTOS),
        )
    return ""


def _no_positive(point: CurvePoint | MeasuredPoint) -> str:
    """Why there is no positive predictive value: by Bayes' rule it would be 100 percent, at whatever prevalence."""
    if point.specificity.value < 1:
        return ""
    return gettext(
        "Not computed: none of the %(number)s test photos without malignancy was called, too few to promise that none "
        "of yours is.",
        number=format_decimal(point.specificity.images),
    )


def _no_negative(point: CurvePoint | MeasuredPoint) -> str:
    """Why there is no negative one: it would be 100 percent too, and calm where the next photo may be missed."""
    if point.sensitivity.value < 1:
        return ""
    return gettext(
        "Not computed: none of the %(number)s test photos with malignancy was missed, too few to promise that none of "
        "yours is.",
        number=format_decimal(point.sensitivity.images),
    )


def _rests_on(share: Share) -> str:
    photos = gettext("photos: %(number)s", number=format_decimal(share.images)) if share.images else ""
    if share.low is None or share.high is None:
        return photos
    interval = f"{_tenths(share.low)}–{_tenths(share.high)}"
    return f"{interval}, {photos}" if photos else interval


def _stated(prevalence: float | None) -> str:
    if prevalence is None:
        return gettext("Enter a number from 0 to 100.")
    return gettext("At a prevalence of malignancy of %(number)s percent", number=format_decimal(round(prevalence, 3)))


def _percent(text: str) -> float | None:
    """What a reader typed, with or without a sign of percent; None where it is no number from 0 to 100."""
    try:
        entered = float(text.replace("%", "").replace(",", "."))  # which takes spaces of all kinds around it
    except ValueError:
        return None
    return entered if 0 <= entered <= 100 else None


def _estimate(share: float | None) -> str:
    return "–" if share is None else estimate_in_tenths(share)


def _tenths(share: float | None) -> str:
    return "–" if share is None else percent_in_tenths(share)
