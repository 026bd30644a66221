"""What a clinician's table says of each photo, and of all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from flask import current_app
from flask_babel import format_decimal, gettext

from app import agreement, cases, wording
from app.advice import UNSURE
from app.cases import Case, Detail
from app.conditions import CONDITIONS
from app.figures import percent_apart
from app.ranking import Diagnosis, diagnoses
from app.sites import HARDLY_SEEN, SITES
from model_store.classes import CODES

# Stands for the model's first diagnosis where the photo cannot be judged: its numbers are no answer to agree with.
UNJUDGED = "cannot_judge"
# What a reader may answer beside the eight: something that the model does not know.
OTHER = "other"
ANSWERS = (*CODES, OTHER)

# How rows may be ordered: by number (as they were sent), by file name, by two risks from the highest.
ORDERS = ("number", "name", "malignancy", "urgent")
# Which rows may be shown alone. A row that still hides the model's answer is always shown, since not to is to tell.
FILTERS = ("all", "urgent", "soon", "remarks", "disagree", "wrong")


@dataclass(frozen=True)
class Choice:
    """One entry of a list to choose from."""

    value: str
    name: str
    chosen: bool = False


@dataclass(frozen=True)
class Item:
    """One photo of a series: its number from 1, the reader's own diagnosis (of `ANSWERS`, or empty), its mark."""

    number: int
    case: Case
    detail: Detail | None
    own: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Point:
    """A named operating point and whether this photo reaches it."""

    name: str
    reached: bool


@dataclass(frozen=True)
class CaseRow:
    """All that one row of the table may see.

    `hidden` is true while the reader has to give a diagnosis first; then everything that the model says is empty.
    `flags` are those of `FILTERS` that let the row through. `top` is the model's first diagnosis, or `UNJUDGED`; then
    `agrees` and `right` mean nothing.
    """

    number: int
    name: str
    sealed: cases.Sealed
    photo_url: str
    hidden: bool
    marked: bool
    source: str
    diagnoses: tuple[Diagnosis, ...]
    prediction_set: str
    malignancy: str
    urgent: str
    malignancy_order: float
    urgent_order: float
    points: tuple[Point, ...]
    remarks: tuple[str, ...]
    cannot_judge: bool
    level: str
    own: str
    own_name: str
    agrees: bool
    top: str
    truth: str
    truth_name: str
    right: bool
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """A few sentences on all rows together: how many, and how far reader, model and truth agree."""

    sentences: tuple[str, ...]


def row(item: Item, own_first: bool) -> CaseRow:
    """Tell everything about one photo, in the current language."""
    case, prediction = item.case, item.case.prediction
    hidden = own_first and not item.own
    top = UNJUDGED if case.cannot_be_judged else CODES[prediction.ranking[0]]
    truth = actual(case.name)
    shown_truth = "" if hidden else truth
    points = () if hidden else points_of(case)
    remarks = remarks_of(case, hidden)
    flags = {
        "urgent": not hidden and _may_reach(case, "urgent"),
        "soon": not hidden and (_may_reach(case, "soon") or _may_reach(case, "urgent")),
        "remarks": bool(remarks),
        "disagree": bool(item.own) and top not in (item.own, UNJUDGED),
        "wrong": bool(shown_truth) and top not in (shown_truth, UNJUDGED),
    }
    return CaseRow(
        number=item.number,
        name=case.name,
        sealed=cases.seal(case, item.detail),
        photo_url=item.detail.photo_url if item.detail else "",
        hidden=hidden,
        marked=item.marked,
        source=str(wording.SOURCES[prediction.source]),
        diagnoses=() if hidden else diagnoses(prediction),
        prediction_set="" if hidden else ", ".join(prediction.prediction_set),
        malignancy="" if hidden else risk_of(case, "malignancy"),
        urgent="" if hidden else risk_of(case, "urgent"),
        malignancy_order=-1.0 if hidden else round(prediction.malignancy, 6),
        urgent_order=-1.0 if hidden else round(prediction.urgent_risk, 6),
        points=points,
        remarks=remarks,
        cannot_judge=case.cannot_be_judged,
        level="" if hidden else level_of(case),
        own=item.own,
        own_name=answer_name(item.own),
        agrees=item.own == top,
        top="" if hidden else top,
        truth=shown_truth,
        truth_name=answer_name(shown_truth),
        right=shown_truth == top,
        flags=tuple(name for name, raised in flags.items() if raised),
    )


def risk_of(case: Case, name: str) -> str:
    """One of `prediction.RISKS` in percent, so that it is seen on its side of each operating point."""
    risk = case.prediction.risks[name]
    return percent_apart(risk, [point.threshold for point in case.calibration.operating_points if point.risk == name])


def points_of(case: Case) -> tuple[Point, ...]:
    """The operating points of the case's calibration, from the lowest threshold of each risk to the highest."""
    ordered = sorted(case.calibration.operating_points, key=lambda point: (point.risk, point.threshold))
    return tuple(Point(str(wording.point(point.name)), case.prediction.reaches(point)) for point in ordered)


def remarks_of(case: Case, hidden: bool = False) -> tuple[str, ...]:
    """What speaks against relying on the answer, worst first; of a hidden answer nothing that would tell of it."""
    told = [str(wording.ISSUES[code].what) for code in case.advice.reasons if not (hidden and code == UNSURE)]
    return (*told, *([] if case.source_is_sure else [_source_remark(case, hidden)]))


def _source_remark(case: Case, hidden: bool) -> str:
    """That nobody knows how the photo was taken, and what the advice would be if it was the other way."""
    other = case.otherwise
    if hidden or other is None:
        return str(wording.SOURCE_UNSURE)
    return str(wording.SOURCE_DECIDES[other.said_source]) % {"level": level_of(other).rstrip(".")}


def level_of(case: Case) -> str:
    """The advice: in a word, or in a sentence where the photo cannot be judged, which may still name a date."""
    text = wording.of_advice(case.advice)
    if case.advice.if_a_spot:
        return str(text.heading)
    return gettext("This photo cannot be judged.") if case.cannot_be_judged else str(text.word)


def answer_name(code: str) -> str:
    """A reader's or an actual diagnosis in words; empty for none."""
    if code == OTHER:
        return gettext("Another diagnosis")
    return str(CONDITIONS[code].name) if code else ""


def actual(name: str) -> str:
    """The actual diagnosis of a file that the operator's ground truth knows, by its name without ending; else empty."""
    return current_app.extensions["ground_truth"].get(PurePosixPath(name).stem, "")


def in_order(rows: Sequence[CaseRow], order: str) -> tuple[CaseRow, ...]:
    """Sort rows by one of `ORDERS`."""
    keys = {
        "number": lambda one: one.number,
        "name": lambda one: (one.name.lower(), one.number),
        "malignancy": lambda one: (-one.malignancy_order, one.number),
        "urgent": lambda one: (-one.urgent_order, one.number),
    }
    return tuple(sorted(rows, key=keys[order]))


def summary(told: Sequence[tuple[str, str, str]], failures: int) -> Summary:
    """Put what is known of all photos into sentences.

    Args:
        told: for each photo the model's first diagnosis (`UNJUDGED` where it has none, empty while hidden), the
            reader's and the actual one.
        failures: how many files gave no answer.
    """
    sentences = [gettext("Photos: %(number)s.", number=format_decimal(len(told)))]
    if failures:
        sentences.append(gettext("Files without an answer: %(number)s.", number=format_decimal(failures)))
    if unjudged := sum(top == UNJUDGED for top, _, _ in told):
        sentences.append(
            gettext(
                "Photos that cannot be judged: %(number)s. They are left out where the model's diagnoses are compared.",
                number=format_decimal(unjudged),
            )
        )
    told = [("" if top == UNJUDGED else top, own, truth) for top, own, truth in told]
    read = [(own, top) for top, own, _ in told if own and top]
    if read:
        sentences.append(_agreement(gettext("Your diagnosis and the model's first are the same"), read))
    known = [(truth, top) for top, _, truth in told if truth and top]
    if known:
        sentences.append(_agreement(gettext("The actual diagnosis and the model's first are the same"), known))
    readers = [(truth, own) for _, own, truth in told if truth and own]
    if readers:
        sentences.append(_agreement(gettext("The actual diagnosis and yours are the same"), readers))
    return Summary(tuple(sentences))


def _agreement(what: str, pairs: list[tuple[str, str]]) -> str:
    first, second = zip(*pairs, strict=True)
    found = agreement.between(first, second)
    counts = {"same": format_decimal(found.same), "count": format_decimal(found.count)}
    said = gettext("%(what)s: %(same)s of %(count)s.", what=what, **counts)
    if found.kappa is None:
        return said
    return said + " " + gettext("Cohen's kappa: %(kappa)s.", kappa=format_decimal(round(found.kappa, 2)))


def _may_reach(case: Case, name: str) -> bool:
    """Whether the risk reaches an operating point, also if it does only where the photo was taken the other way.

    Who looks at the rows above a point alone would else not see one that its remark calls urgent.
    """
    read = (case, case.otherwise) if case.otherwise else (case,)
    return any(one.prediction.reaches(one.calibration.operating_point(name)) for one in read)


def places_without_calm() -> str:
    """At which places a calm answer is none. A patient names the place of a spot; of a series nobody does."""
    return gettext(
        "Nobody told the model where on the body a spot is. In these places it has hardly ever seen one, so a calm "
        "answer says nothing there: %(places)s.",
        places="; ".join(str(SITES[code].name) for code in HARDLY_SEEN),
    )


def model_name() -> str:
    """Name, version and fingerprint of the bundle that answers."""
    return current_app.extensions["classifier"].bundle.label
