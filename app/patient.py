"""For people with a spot: the upload page, the answer, and what to read about it."""

import dataclasses
from dataclasses import dataclass

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug import Response

from app import answers, i18n, letter, limits, results, wording
from app.conditions import CODE_OF_SLUG, CONDITIONS, GROUPS, Condition
from app.judging import judge
from app.reading import read
from app.sites import REGIONS, SITES, Region, Site
from app.uploads import read_one_sealed, read_photo
from model_store.classes import CLASSES, CODES, Group, LesionClass
from model_store.images import LIMIT_PX
from model_store.prediction import SOURCES

blueprint = i18n.blueprint("patient", __name__)


@dataclass(frozen=True)
class UploadPage:
    """All that templates/patient/upload.html may see; `sources` by their codes.

    `answer_gone` is true for who reloaded an answer.
    """

    limit_mb: int
    smallest_px: int
    sources: dict
    regions: tuple[Region, ...]
    sites: dict[str, Site]
    answer_gone: bool


@dataclass(frozen=True)
class SignsPage:
    """All that templates/patient/signs.html may see."""

    go_anyway: tuple


@dataclass(frozen=True)
class ConditionPage:
    """All that templates/patient/condition.html may see; `tag` is the group in words."""

    condition: Condition
    icd10: str
    icdo3: str
    tag: str
    benign: bool


@dataclass(frozen=True)
class ConditionEntry:
    """One diagnosis in the list of all; `tag` is the group in words."""

    name: str
    medical_name: str
    tag: str
    benign: bool
    url: str


@dataclass(frozen=True)
class ConditionsPage:
    """All that templates/patient/conditions.html may see; what needs a doctor first."""

    entries: tuple[ConditionEntry, ...]


@dataclass(frozen=True)
class AboutPage:
    """All that the pages about the site itself may see; `remote` where the model runs on another machine."""

    operator: str
    model_name: str
    model_version: str
    remote: bool


@blueprint.get("/")
def upload() -> str:
    """The start page, with the form."""
    limit_mb = current_app.extensions["config"].max_upload_mb
    page = UploadPage(limit_mb, LIMIT_PX, wording.SOURCES, REGIONS, SITES, "gone" in request.args)
    return render_template("patient/upload.html", page=page)


@blueprint.get("/result")
@blueprint.get("/answer", endpoint="no_answer")
def no_result() -> Response:
    """An answer has no address, since nothing of it is kept: whoever reloads one starts again, and is told why."""
    return redirect(url_for("patient.upload", gone=1), 303)


@blueprint.post("/result")
def result() -> str:
    """Answer a new photo; what its sender said of it counts only if we know it.

    Raises:
        MissingPhoto, PhotoError: the visitor can mend it.
        Overloaded, DeadlineExceeded, EngineError: the visitor can only try again.
    """
    site = request.form.get("site")
    reading = judge(read_photo(request), _said_source(), site=site if site in SITES else "")
    return render_template("patient/result.html", page=results.result_page(reading, anyway=False))


@blueprint.post("/answer")
@limits.without_photo
def kept_answer() -> str:
    """Show an answer again that the browser kept; how the photo was taken can be said, or taken back, only now.

    Raises:
        AnswerExpired: it cannot be shown any more.
    """
    answer = answers.unseal(read_one_sealed(request, "answer"))
    anyway = "anyway" in request.form
    if "source" in request.form:
        answer = dataclasses.replace(answer, source=_said_source())
        anyway = False  # it is another answer: who wanted the one before in spite of a warning is warned again
    return render_template("patient/result.html", page=results.result_page(read(answer, anyway), anyway))


@blueprint.get("/letter")
@blueprint.get("/letter.pdf", endpoint="no_letter_file")
def no_letter() -> Response:
    """As `no_result`."""
    return redirect(url_for("patient.upload", gone=1), 303)


@blueprint.post("/letter")
@limits.without_photo
def letter_page() -> str:
    """The letter for the doctor, to be printed on one page.

    Raises:
        AnswerExpired: there is no answer that it could be about.
    """
    return render_template("patient/letter.html", page=_letter())


@blueprint.post("/letter.pdf")
@limits.without_photo
@limits.weighs(10)
def letter_file() -> Response:
    """The same letter as a file; raises as `letter_page`."""
    file = Response(letter.to_pdf(_letter()), content_type="application/pdf")
    file.headers.set("Content-Disposition", "attachment", filename="letter.pdf")
    return file


@blueprint.get("/compare")
def compare() -> str:
    """Photos of one spot side by side, which the browser keeps; the site sees none of them."""
    return render_template("patient/compare.html")


@blueprint.get("/conditions")
def conditions() -> str:
    """The eight diagnoses that the model knows."""
    by_group = sorted(CLASSES, key=lambda lesion_class: list(Group).index(lesion_class.group))
    page = ConditionsPage(tuple(_entry(lesion_class) for lesion_class in by_group))
    return render_template("patient/conditions.html", page=page)


@blueprint.get("/conditions/<slug>")
def condition(slug: str) -> str:
    """One diagnosis in plain words."""
    if slug not in CODE_OF_SLUG:
        abort(404)
    code = CODE_OF_SLUG[slug]
    lesion_class = CLASSES[CODES.index(code)]
    page = ConditionPage(
        condition=CONDITIONS[code],
        icd10=lesion_class.icd10,
        icdo3=lesion_class.icdo3,
        tag=str(GROUPS[lesion_class.group]),
        benign=lesion_class.group is Group.BENIGN,
    )
    return render_template("patient/condition.html", page=page)


@blueprint.get("/signs")
def signs() -> str:
    """What to look for in a spot, without any model."""
    return render_template("patient/signs.html", page=SignsPage(wording.GO_ANYWAY))


@blueprint.get("/<any(about,privacy,terms):name>")
def about(name: str) -> str:
    """What this site is, what happens to a photo, and on which terms it is used."""
    classifier = current_app.extensions["classifier"]
    page = AboutPage(
        operator=current_app.extensions["config"].operator,
        model_name=classifier.bundle.name,
        model_version=classifier.bundle.version,
        remote=classifier.engine.name == "remote",
    )
    return render_template(f"patient/{name}.html", page=page)


def _entry(lesion_class: LesionClass) -> ConditionEntry:
    condition = CONDITIONS[lesion_class.code]
    return ConditionEntry(
        name=str(condition.name),
        medical_name=str(condition.medical_name),
        tag=str(GROUPS[lesion_class.group]),
        benign=lesion_class.group is Group.BENIGN,
        url=url_for("patient.condition", slug=condition.slug),
    )


def _letter() -> letter.Letter:
    sealed = read_one_sealed(request, "answer")
    return letter.write(answers.unseal(sealed), "anyway" in request.form, "photo" in request.form, sealed)


def _said_source() -> str | None:
    """How the photo was taken, as the form says; None, to let the model decide, where it says nothing that we know."""
    said = request.form.get("source")
    return said if said in SOURCES else None
