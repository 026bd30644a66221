"""One photo opened: where the network looked, and every number."""

from dataclasses import dataclass

from flask_babel import format_decimal, format_percent, gettext
from flask_wtf.csrf import generate_csrf
from werkzeug.datastructures import MultiDict

from app import case_rows, cases, overlay, wording
from app.case_rows import Choice, Item, Point
from app.ranking import Diagnosis, diagnoses
from model_store.classes import CLASSES, CODES

OVERLAY_OPACITY = 60  # percent, at first
SIDE_PX = 380


@dataclass(frozen=True)
class PhotoPage:
    """All that templates/clinician/photo.html may see: one photo with everything about it.

    Where it cannot be judged, its numbers stay folded until their reader asks for them: `numbers_open`.
    """

    number: int
    name: str
    sealed: cases.Sealed
    photo_url: str
    overlay_url: str
    overlay_empty: bool
    opacity: int
    classes: tuple[Choice, ...]
    class_name: str
    diagnoses: tuple[Diagnosis, ...]
    prediction_set: str
    coverage: str
    malignancy: str
    urgent: str
    points: tuple[Point, ...]
    level: str
    cannot_judge: bool
    numbers_open: bool
    remarks: tuple[str, ...]
    source: str
    source_said: bool
    numbers: tuple[tuple[str, str], ...]
    truth_name: str
    places_without_calm: str
    model: str
    csrf: str


def page(item: Item, asked: MultiDict) -> PhotoPage:
    """Everything about one photo; `asked` may name a `class` to draw, and the overlay's `opacity` in percent."""
    case, detail = item.case, item.detail
    prediction, calibration = case.prediction, case.calibration
    wanted = asked.get("class", "")
    code = wanted if wanted in CODES else CODES[prediction.ranking[0]]
    saliency = detail.maps[CODES.index(code)]
    ranked = diagnoses(prediction)
    return PhotoPage(
        number=item.number,
        name=case.name,
        sealed=cases.seal(case, detail),
        photo_url=detail.photo_url,
        overlay_url=overlay.picture(saliency, SIDE_PX),
        overlay_empty=not saliency.any(),
        opacity=min(max(asked.get("opacity", OVERLAY_OPACITY, type=int), 0), 100),
        classes=tuple(Choice(one.code, f"{one.name} ({one.code}), {one.percent}", one.code == code) for one in ranked),
        class_name=case_rows.answer_name(code),
        diagnoses=ranked,
        prediction_set=", ".join(prediction.prediction_set),
        coverage=format_percent(calibration.set_coverage),
        malignancy=case_rows.risk_of(case, "malignancy"),
        urgent=case_rows.risk_of(case, "urgent"),
        points=case_rows.points_of(case),
        level=case_rows.level_of(case),
        cannot_judge=case.cannot_be_judged,
        numbers_open="draw" in asked,
        remarks=case_rows.remarks_of(case),
        source=str(wording.SOURCES[prediction.source]),
        source_said=bool(case.said_source),
        numbers=_numbers(case),
        truth_name=case_rows.answer_name(case_rows.actual(case.name)),
        places_without_calm=case_rows.places_without_calm(),
        model=case_rows.model_name(),
        csrf=generate_csrf(),
    )


def _numbers(case: cases.Case) -> tuple[tuple[str, str], ...]:
    """Name and value of every number, unrounded as far as it says anything."""
    prediction, calibration = case.prediction, case.calibration
    logits = zip(CLASSES, case.evidence.logits, prediction.probabilities, calibration.set_thresholds, strict=True)
    rows = [
        (
            gettext("%(code)s: logit, probability, threshold of the prediction set", code=one.code),
            f"{_four(logit)}; {_six(probability)}; {_six(threshold)}",
        )
        for one, logit, probability, threshold in logits
    ]
    rows += [
        (
            gettext("Operating point “%(name)s”: risk, threshold", name=wording.point(point.name)),
            f"{wording.RISKS[point.risk]}; {_six(point.threshold)}",
        )
        for point in calibration.operating_points
    ]
    strange = calibration.out_of_distribution
    rows += [
        (gettext("Malignancy: summed probability of MEL, BCC, AK and SCC"), _six(prediction.malignancy)),
        (gettext("Urgent risk: summed probability of MEL and SCC"), _six(prediction.urgent_risk)),
        (
            gettext("Out-of-distribution score, threshold"),
            f"{_four(prediction.ood_score)}; {_four(strange.threshold)}",
        ),
        (gettext("Temperature of the calibration"), _four(calibration.temperature)),
    ]
    return tuple(rows)


def _four(number: float) -> str:
    return format_decimal(number, "0.0000")


def _six(number: float) -> str:
    return format_decimal(number, "0.000000")
