"""For clinicians: many photos at once, one opened, several of one person, operating points, files to take away."""

import dataclasses
import time
from dataclasses import dataclass

from flask import Response, current_app, redirect, render_template, request, url_for
from flask_wtf.csrf import generate_csrf

from app import (
    archives,
    case_forms,
    case_rows,
    cases,
    i18n,
    limits,
    opened_photo,
    person_lesions,
    points_at_prevalence,
    problems,
    wording,
)
from app.case_rows import ANSWERS, FILTERS, ORDERS, UNJUDGED, CaseRow, Choice, Item
from app.exports import fhir, pdf, tables
from app.inference import ClientGone
from app.uploads import FORM_S, MissingPhoto
from model_store.errors import ModelStoreError
from model_store.images import LIMIT_PX
from model_store.prediction import SOURCES

blueprint = i18n.blueprint("clinician", __name__, "/clinician")

PLAIN_LIMIT = 20  # photos in one form: their answers come back in one form too, which has to stay below its limit


@dataclass(frozen=True)
class Failure:
    """A file that gave no answer: its name, the error's code and what that means."""

    name: str
    code: str
    text: str


@dataclass(frozen=True)
class SeriesPage:
    """All that templates/clinician/series.html may see: the form for photos, and the table of those that came."""

    limit: int
    plain_limit: int
    limit_mb: int
    archives: archives.Budget
    archive_ratio: int
    smallest_px: int
    sources: tuple[Choice, ...]
    rows: tuple[CaseRow, ...]
    details: tuple[str, ...]
    failures: tuple[Failure, ...]
    own_first: bool
    orders: tuple[Choice, ...]
    filters: tuple[Choice, ...]
    answers: tuple[Choice, ...]
    shown: str
    research: bool
    summary: case_rows.Summary
    places_without_calm: str
    model: str
    csrf: str


@blueprint.get("")
def series() -> str:
    """The form, and an empty table that a script fills."""
    return _series([], [], own_first=False)


@blueprint.post("")
def results() -> str:
    """Answer all photos of a form in one page.

    Raises:
        MissingPhoto: there is none.
        ClientGone: nobody waits for the page any more.
    """
    limits.count_photos(min(case_forms.listed_photos(), PLAIN_LIMIT))
    items, failures, until = [], [], time.monotonic() + FORM_S
    for name, content in case_forms.photos():
        if len(items) + len(failures) >= PLAIN_LIMIT:
            failures.append((name, "too_many_photos"))
            continue
        if time.monotonic() > until:
            failures.append((name, "not_answered"))
            continue
        try:
            if isinstance(content, ModelStoreError):
                raise content
            items.append(Item(len(items) + 1, *cases.look(content, name, case_forms.said_source())))
        except ClientGone:
            raise
        except ModelStoreError as error:
            failures.append((name, error.code))
    if not items and not failures:
        raise MissingPhoto()
    for _name, code in failures:
        problems.note_failure(code)
    return _series(items, failures, "own_first" in request.form)


@blueprint.post("/table")
@limits.without_photo
@limits.weighs(4)
def table() -> str:
    """Show a series again: sorted, filtered, with diagnoses given, in another language.

    Raises:
        AnswerExpired: an answer is too old.
    """
    return _series(case_forms.all_items(), case_forms.failed(), "own_first" in request.form)


@blueprint.get("/table")
@blueprint.get("/open", endpoint="no_photo")
@blueprint.get("/person", endpoint="no_person")
def no_table() -> Response:
    """A table has no address, since nothing of it is kept: whoever asks for one, or reloads one, starts again."""
    return redirect(url_for("clinician.series"), 303)


@blueprint.post("/photo")
def photo() -> str:
    """Answer one photo of a series with its row, for the script.

    An archive is no photo here: the script has opened those that were chosen, and what is in one that lay in another
    would be dropped but for its first file.

    Raises:
        MissingPhoto, PhotoError: the file gives no answer.
        Overloaded, DeadlineExceeded, EngineError: the script may try again.
    """
    file = request.files.get("photo")
    if not file or not file.filename:
        raise MissingPhoto()
    case, detail = cases.look(file.stream.getvalue(), file.filename, case_forms.said_source())
    return _row(Item(case_forms.number(), case, detail))


@blueprint.post("/row")
@limits.without_photo
def row() -> str:
    """Show a row again once its reader has given a diagnosis, for the script."""
    case = cases.unseal(request.form["case"])
    own = request.form.get("own", "")
    sealed = request.form.get("detail", "")
    detail = cases.unseal_detail(sealed, case) if sealed else None  # a long series leaves its pictures behind
    return _row(Item(case_forms.number(), case, detail, own if own in ANSWERS else ""))


@blueprint.post("/summary")
@limits.without_photo
def summary() -> str:
    """The sentences on a whole series, for the script: each `told` is a row's first, own and actual diagnosis."""
    told = [tuple(text.split(" ")) for text in request.form.getlist("told")]
    if any(len(row) != 3 or not {*row} <= {*ANSWERS, UNJUDGED, "-"} for row in told):
        told = []
    rows = [tuple("" if code == "-" else code for code in row) for row in told]
    return render_template("clinician/_summary.html", summary=case_rows.summary(rows, case_forms.number("failures")))


@blueprint.post("/open")
@limits.without_photo
def opened() -> str:
    """One photo with everything about it, and where the network looked for one class.

    Raises:
        AnswerExpired: the answer is too old.
        OwnFirst: the photo waits for its reader's diagnosis.
    """
    return render_template("clinician/photo.html", page=opened_photo.page(case_forms.opened_item(), request.form))


@blueprint.post("/person")
@limits.without_photo
def person() -> str:
    """The marked lesions as one person's: which is least like the others.

    `taken` says of all of them how they were taken, where the model told them apart wrongly.

    Raises:
        TooFewLesions: fewer than three that can be judged are marked.
        AnswerExpired: an answer is too old.
        OwnFirst: some photos wait for their reader's diagnosis.
    """
    marked, taken = [item for item in case_forms.shown_items() if item.marked], case_forms.said_source("taken")
    if taken:
        marked = [dataclasses.replace(item, case=item.case.judged_as(taken)) for item in marked]
    return render_template("clinician/person.html", page=person_lesions.page(marked))


@blueprint.get("/operating-points")
def points() -> str:
    """What each operating point is worth at the reader's prevalence."""
    return render_template("clinician/points.html", page=points_at_prevalence.page(request.args))


@blueprint.post("/export/<any(csv,json,fhir):kind>")
@limits.without_photo
def export(kind: str) -> Response:
    """The series as a file.

    Raises:
        AnswerExpired: an answer is too old.
        OwnFirst: some photos wait for their reader's diagnosis.
    """
    items, bundle = case_forms.shown_items(), current_app.extensions["classifier"].bundle
    if kind == "csv":
        return _download(tables.isic_csv(items), "text/csv; charset=utf-8", "skin-check.csv")
    if kind == "json":
        failures = [(failure.name, failure.code) for failure in _told(case_forms.failed())]
        return _download(tables.json_text(items, failures, bundle), "application/json", "skin-check.json")
    return _download(fhir.fhir_text(items, bundle), fhir.MEDIA_TYPE, "skin-check.fhir.json")


@blueprint.post("/export/pdf")
@limits.without_photo
@limits.weighs(10)
def summary_pdf() -> Response:
    """The series as a list to print; raises as `export`."""
    failures = [(failure.name, failure.text) for failure in _told(case_forms.failed())]
    return _download(pdf.summary_pdf(case_forms.shown_items(), failures), "application/pdf", "skin-check.pdf")


@blueprint.post("/lesion.pdf")
@limits.without_photo
@limits.weighs(5)
def lesion_pdf() -> Response:
    """One opened photo as a page to print; raises as `opened`."""
    return _download(pdf.lesion_pdf(case_forms.opened_item()), "application/pdf", "skin-check-lesion.pdf")


def _told(failures: list[tuple[str, str]]) -> list[Failure]:
    return [
        Failure(cases.tidy(name), code, str(problems.PROBLEMS[code].title))
        for name, code in failures
        if code in problems.PROBLEMS
    ]


def _row(item: Item) -> str:
    own_first = "own_first" in request.form
    return render_template(
        "clinician/_row.html",
        row=case_rows.row(item, own_first),
        csrf=generate_csrf(),
        answers=_answers(),
        shown="all",
        model=case_rows.model_name(),
    )


def _series(items: list[Item], failures: list[tuple[str, str]], own_first: bool) -> str:
    order, shown = request.form.get("order", ""), request.form.get("show", "")
    order, shown = order if order in ORDERS else ORDERS[0], shown if shown in FILTERS else FILTERS[0]
    rows = [case_rows.row(item, own_first) for item in items]
    told = _told(failures)
    ordered = case_rows.in_order(rows, order)
    page = SeriesPage(
        limit=case_forms.LIMIT,
        plain_limit=PLAIN_LIMIT,
        limit_mb=current_app.extensions["config"].max_upload_mb,
        archives=case_forms.archive_budget(),
        archive_ratio=archives.MAX_RATIO,
        smallest_px=LIMIT_PX,
        sources=tuple(Choice(code, str(wording.SOURCES[code]), code == case_forms.said_source()) for code in SOURCES),
        rows=ordered,
        details=cases.for_one_form(row.sealed.detail for row in ordered),
        failures=tuple(told),
        own_first=own_first,
        orders=tuple(Choice(name, str(wording.ORDERS[name]), name == order) for name in ORDERS),
        filters=tuple(Choice(name, str(wording.FILTERS[name]), name == shown) for name in FILTERS if _useful(name)),
        answers=_answers(),
        shown=shown,
        research=bool(current_app.extensions["ground_truth"]),
        summary=case_rows.summary([(row.top, row.own, row.truth) for row in rows], len(told)),
        places_without_calm=case_rows.places_without_calm(),
        model=case_rows.model_name(),
        csrf=generate_csrf(),
    )
    return render_template("clinician/series.html", page=page)


def _useful(name: str) -> bool:
    return name != "wrong" or bool(current_app.extensions["ground_truth"])


def _answers() -> tuple[Choice, ...]:
    return tuple(Choice(code, case_rows.answer_name(code)) for code in ANSWERS)


def _download(text: str | bytes, media_type: str, name: str) -> Response:
    response = Response(text, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
