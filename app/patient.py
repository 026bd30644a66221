"""For people with a spot: the upload page, the answer, and what to read about it."""

import datetime
from dataclasses import dataclass

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_babel import format_date, format_decimal, format_percent, gettext
from werkzeug import Response

from app import advice, answers, inference, wording
from app.advice import Level
from app.answers import Answer
from app.conditions import CODE_OF_SLUG, CONDITIONS, GROUPS, Condition
from app.i18n import LANGUAGES
from app.uploads import read_photo
from model_store import quality
from model_store.bundle import Bundle
from model_store.classes import CLASSES, CODES, MALIGNANT_CODES, Group, LesionClass
from model_store.images import open_photo
from model_store.prediction import Prediction, interpret

blueprint = Blueprint("patient", __name__, url_prefix=f"/<any({','.join(LANGUAGES)}):language>")

# Fewer photos than this say too little about the next one.
MIN_PHOTOS_FOR_FREQUENCY = 20


@blueprint.url_value_preprocessor
def _drop_language(_endpoint: str | None, values: dict | None) -> None:
    """Views need no `language` argument: `i18n.current_language` reads it from the path."""
    if values:
        values.pop("language", None)


@dataclass(frozen=True)
class UploadPage:
    """All that templates/patient/upload.html may see."""

    limit_mb: int


@dataclass(frozen=True)
class SignsPage:
    """All that templates/patient/signs.html may see."""

    go_anyway: tuple


@dataclass(frozen=True)
class DiagnosisRow:
    """One of the eight ranked diagnoses: names, calibrated probability as text and bar length in percent, its page."""

    name: str
    medical_name: str
    icd10: str
    percent: str
    bar: float
    tag: str
    url: str


@dataclass(frozen=True)
class ResultPage:
    """All that templates/patient/result.html may see.

    `reasons` say why a photo cannot be judged, `remarks` what is wrong with one that is judged all the same. Where the
    photo cannot be judged there are no `rows`, and `confidence` and `frequency` are empty; `frequency` also where too
    few test photos got this answer, or it was right for none of them.
    """

    level: str
    text: wording.LevelText
    where: str
    where_to_turn: str
    reasons: tuple
    may_show_anyway: bool
    remarks: tuple
    go_anyway: tuple
    rows: tuple[DiagnosisRow, ...]
    confidence: str
    frequency: tuple[str, ...]
    photo_url: str
    sealed_answer: str
    anyway: bool
    model_name: str
    model_version: str
    model_id: str


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
    """All that the pages about the site itself may see."""

    operator: str
    model_name: str
    model_version: str


@blueprint.get("/")
def upload() -> str:
    """The start page, with the form."""
    page = UploadPage(limit_mb=current_app.extensions["config"].max_upload_mb)
    return render_template("patient/upload.html", page=page)


@blueprint.get("/result")
def no_result() -> Response:
    """An answer has no address, since nothing of it is kept: whoever reloads one starts again."""
    return redirect(url_for("patient.upload"), 303)


@blueprint.post("/result")
def result() -> str:
    """Answer a new photo, or show an answer again that the browser kept.

    Raises:
        MissingPhoto, PhotoError, AnswerExpired: the visitor can mend it.
        Overloaded, DeadlineExceeded, EngineError: the visitor can only try again.
    """
    sealed = request.form.get("answer")
    answer = answers.unseal(sealed) if sealed else _judge(read_photo(request))
    return render_template("patient/result.html", page=_result_page(answer, anyway="anyway" in request.form))


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
    bundle = current_app.extensions["classifier"].bundle
    page = AboutPage(current_app.extensions["config"].operator, bundle.name, bundle.version)
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


def _judge(data: bytes) -> Answer:
    photo = open_photo(data)
    findings = quality.assess(photo).findings
    prepared = current_app.extensions["classifier"].prepare(photo)
    logits = inference.submit(prepared)
    return Answer(
        logits=tuple(float(logit) for logit in logits),
        severe=tuple(finding.code for finding in findings if not finding.mild),
        mild=tuple(finding.code for finding in findings if finding.mild),
        photo_jpeg=answers.jpeg(prepared),
    )


def _result_page(answer: Answer, anyway: bool) -> ResultPage:
    bundle = current_app.extensions["classifier"].bundle
    prediction = interpret(answer.logits, bundle.calibration)
    given = advice.for_prediction(prediction, answer.severe, answer.mild, bundle.calibration, anyway)
    judged = given.level is not Level.CANNOT_JUDGE
    text = wording.LEVELS[given.level]
    issues = tuple(wording.ISSUES[code] for code in given.reasons)
    top = prediction.ranking[0]
    return ResultPage(
        level=given.level.value,
        text=text,
        where=_with_date(text),
        where_to_turn=current_app.extensions["config"].where_to_turn,
        reasons=() if judged else issues,
        may_show_anyway=given.may_show_anyway,
        remarks=issues if judged else (),
        go_anyway=wording.GO_ANYWAY,
        rows=_rows(prediction) if judged else (),
        confidence=_confidence(prediction.probabilities[top]) if judged else "",
        frequency=_frequency(CODES[top], bundle) if judged else (),
        photo_url=answer.photo_url,
        sealed_answer=answers.seal(answer),
        anyway=anyway,
        model_name=bundle.name,
        model_version=bundle.version,
        model_id=bundle.id[:12],
    )


def _with_date(text: wording.LevelText) -> str:
    if text.within_days is None:
        return str(text.where)
    last_day = datetime.date.today() + datetime.timedelta(days=text.within_days)
    return str(text.where) % {"date": format_date(last_day, "long")}


def _rows(prediction: Prediction) -> tuple[DiagnosisRow, ...]:
    return tuple(_row(CLASSES[index], prediction.probabilities[index]) for index in prediction.ranking)


def _row(lesion_class: LesionClass, probability: float) -> DiagnosisRow:
    condition = CONDITIONS[lesion_class.code]
    return DiagnosisRow(
        name=str(condition.name),
        medical_name=str(condition.medical_name),
        icd10=lesion_class.icd10,
        percent=_percent(probability),
        bar=round(100 * probability, 1),
        tag="" if lesion_class.group is Group.BENIGN else str(GROUPS[lesion_class.group]),
        url=url_for("patient.condition", slug=condition.slug),
    )


def _confidence(probability: float) -> str:
    return str(wording.confidence(probability)) % {"percent": _percent(probability)}


def _percent(probability: float) -> str:
    """In whole percent; never 0 % or 100 %, since no model can know that."""
    if probability < 0.01:
        return f"< {format_percent(0.01)}"
    if probability > 0.99:
        return f"> {format_percent(0.99)}"
    return format_percent(round(probability, 2))


def _frequency(code: str, bundle: Bundle) -> tuple[str, ...]:
    """What test photos with the same first answer were, from the bundle's evaluation, as counts.

    Never that none was cancer: a count of zero says no more than that there were few photos.
    """
    measured = bundle.report.get("answers", {"by_top_class": {}})
    answered = measured["by_top_class"].get(code)
    if not answered or answered["n"] < MIN_PHOTOS_FOR_FREQUENCY:
        return ()
    counts, n = answered["counts"], answered["n"]
    right, cancer = counts.get(code, 0), sum(counts.get(other, 0) for other in MALIGNANT_CODES)
    if not right:
        return ()
    shown = {"n": format_decimal(n), "right": format_decimal(right)}
    if cancer:
        found = gettext(
            "Of %(n)s test photos that got this answer, %(right)s really were this, and %(cancer)s were skin cancer or "
            "could become it.",
            cancer=format_decimal(cancer),
            **shown,
        )
    else:
        found = gettext("Of %(n)s test photos that got this answer, %(right)s really were this.", **shown)
    mix = gettext(
        "The model had never seen these photos (%(set)s). They show another mix of people and spots than yours, so for "
        "you the share can be different.",
        set=wording.test_set(measured["set"]),
    )
    return found, mix
