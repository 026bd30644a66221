"""The page of operating points: the evaluation's sensitivity and specificity, and what follows at a prevalence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app
from flask_babel import format_decimal, format_percent

from app import wording
from app.case_rows import Choice, model_name
from app.i18n import current_language
from app.operating_points import measured as of_report
from app.operating_points import predictive_values
from model_store.prediction import SOURCES

DEFAULT_PREVALENCE = 10.0  # percent; an example, which the reader replaces


@dataclass(frozen=True)
class PointFigures:
    """One operating point at the prevalence that the reader entered."""

    name: str
    risk: str
    threshold: str
    sensitivity: str
    specificity: str
    positive: str
    negative: str
    called: str
    chosen: bool


@dataclass(frozen=True)
class PointsPage:
    """All that templates/clinician/points.html may see."""

    sources: tuple[Choice, ...]
    prevalence: str
    points: tuple[PointFigures, ...]
    chosen: int
    images: str
    model: str


def page(asked: Mapping[str, str]) -> PointsPage:
    """Compute everything; `asked` may hold `source`, `prevalence` in percent, and `point`, a number from 0."""
    bundle = current_app.extensions["classifier"].bundle
    source = asked.get("source", "")
    source = source if source in SOURCES else SOURCES[0]
    measured = of_report(bundle.report, source)
    prevalence = _percent(asked.get("prevalence", ""))
    wanted = asked.get("point", "")
    chosen = min(int(wanted), max(len(measured) - 1, 0)) if wanted.isdecimal() and len(wanted) < 4 else 0
    figures = []
    for index, point in enumerate(measured):
        values = predictive_values(point.sensitivity, point.specificity, prevalence / 100)
        figures.append(
            PointFigures(
                name=str(wording.point(point.name)),
                risk=str(wording.RISKS[point.risk]),
                threshold=_tenths(point.threshold),
                sensitivity=_tenths(point.sensitivity),
                specificity=_tenths(point.specificity),
                positive=_tenths(values.positive),
                negative=_tenths(values.negative),
                called=_tenths(values.called),
                chosen=index == chosen,
            )
        )
    images = bundle.report.get("sets", {}).get(source, {}).get("images", 0)
    return PointsPage(
        sources=tuple(Choice(code, str(wording.SOURCES[code]), code == source) for code in SOURCES),
        prevalence=f"{prevalence:g}",
        points=tuple(figures),
        chosen=chosen,
        images=format_decimal(images),
        model=model_name(),
    )


def _percent(text: str) -> float:
    """What a reader typed, kept within 0 to 100; `DEFAULT_PREVALENCE` where it is no number."""
    try:
        entered = float(text.replace(",", "."))
    except ValueError:
        return DEFAULT_PREVALENCE
    return min(max(entered, 0.0), 100.0) if math.isfinite(entered) else DEFAULT_PREVALENCE


def _tenths(share: float | None) -> str:
    if share is None:
        return "–"
    return format_percent(share, format="#,##0.0\N{NO-BREAK SPACE}%" if current_language() == "ru" else "#,##0.0%")
