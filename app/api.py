"""The JSON API for other programs: one photo or several in, answers of a versioned schema out. No cookies, no CORS."""

import dataclasses
import hashlib
import hmac
import time

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request
from flask_babel import gettext

from app import api_page, evaluation, limits, openapi, problems
from app.conditions import CONDITIONS
from app.i18n import current_language
from app.inference import ClientGone
from app.judging import judge
from app.reading import Reading
from app.sites import SITES
from app.uploads import FORM_S, MissingPhoto
from app.wording import ISSUES
from model_store.classes import CLASSES, LesionClass
from model_store.classifier import refusal
from model_store.errors import ModelStoreError, PhotoError
from model_store.prediction import SOURCES

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


class SourceUnknown(ModelStoreError):
    """The form names a source that is none of `prediction.SOURCES`."""

    def __init__(self) -> None:
        super().__init__("source_unknown", sources=", ".join(SOURCES))


class SiteUnknown(ModelStoreError):
    """The form names a place on the body that is none of `sites.SITES`."""

    def __init__(self) -> None:
        super().__init__("site_unknown", sites=", ".join(SITES))


class SaidTwice(ModelStoreError):
    """The form has different values of a field that holds for all its photos."""

    def __init__(self, field: str) -> None:
        super().__init__("said_twice", field=field)


class TooManyPhotos(ModelStoreError):
    """The form holds more photos than one request may, which is `most`."""

    def __init__(self, most: int) -> None:
        super().__init__("too_many_photos", limit=most)


@blueprint.post("/answer")
def answer() -> Response:
    """Answer one photo.

    Raises:
        MissingPhoto, TooManyPhotos, SourceUnknown, SiteUnknown, SaidTwice, PhotoError: the client can mend it.
        Overloaded, DeadlineExceeded, EngineError: the client can only try again.
    """
    _require_token()
    source, site = _source(), _site()
    photos = _photos(most=1)
    return jsonify(_answer_json(photos[0], source, site))


@blueprint.post("/answers")
def answers() -> Response:
    """Answer several photos, one after the other, and as many as the time allows.

    Raises as `answer`, but what is wrong with one photo becomes its entry; once one was answered, so does whatever
    keeps another from it, or a busy site would answer 19 photos and throw the answers away.
    """
    _require_token()
    source, site = _source(), _site()
    photos, until = _photos(openapi.MAX_PHOTOS), time.monotonic() + FORM_S
    limits.count_photos(len(photos))
    entries = []
    for number, data in enumerate(photos, start=1):
        some_answered = any("answer" in entry for entry in entries)
        entries.append({"photo": number} | _entry(data, source, site, until, some_answered))
    return jsonify(schema_version=openapi.SCHEMA_VERSION, answers=entries)


@blueprint.get("/openapi.json")
def description() -> Response:
    """What this API is, for programs."""
    return jsonify(_document())


@blueprint.get("/")
def page() -> str:
    """What this API is, for people."""
    with_tokens = bool(current_app.extensions["config"].api_tokens)
    return render_template("api.html", page=api_page.describe(_document(), with_tokens))


@blueprint.after_request
def _name_language(response: Response) -> Response:
    response.headers["Content-Language"] = current_language()
    response.vary.add("Accept-Language")
    return response


def _document() -> dict:
    config = current_app.extensions["config"]
    return openapi.document(config.max_upload_mb, with_tokens=bool(config.api_tokens))


def _require_token() -> None:
    """Let in whoever sends a token whose SHA-256 the operator named; everybody, where the operator named none."""
    digests = current_app.extensions["config"].api_tokens
    if not digests:
        return
    sent = request.authorization
    token = sent.token if sent is not None and sent.type == "bearer" and sent.token else ""
    digest = hashlib.sha256(token.encode()).hexdigest()
    # All are compared, each in constant time, so that the time taken tells nothing.
    if not sum(hmac.compare_digest(digest, known) for known in digests):
        abort(401)


def _source() -> str | None:
    source = _said("source") or None
    if source not in (None, *SOURCES):
        raise SourceUnknown()
    return source


def _said(field: str) -> str:
    """What the form says of all its photos, empty for nothing; who says something else of each means another API."""
    said = set(request.form.getlist(field))
    if len(said) > 1:
        raise SaidTwice(field)
    return next(iter(said), "")


def _site() -> str:
    site = _said("site")
    if site and site not in SITES:
        raise SiteUnknown()
    return site


def _photos(most: int) -> list[bytes]:
    files = request.files.getlist("photo")
    if not files:
        raise MissingPhoto()
    if len(files) > most:
        raise TooManyPhotos(most)
    return [file.stream.getvalue() for file in files]


def _entry(data: bytes, source: str | None, site: str, until: float, some_answered: bool) -> dict:
    """One photo's answer or problem; raises as `answers`."""
    if time.monotonic() > until:
        problems.note_failure("not_answered")
        return {"problem": problems.as_json("not_answered", {})}
    try:
        return {"answer": _answer_json(data, source, site)}
    except ClientGone:
        raise
    except ModelStoreError as error:
        if not (isinstance(error, PhotoError) or some_answered):
            raise
        problems.note_failure(error.code)
        return {"problem": problems.as_json(error.code, error.details)}


def _answer_json(data: bytes, source: str | None, site: str) -> dict:
    reading = judge(data, source, site)
    return {
        "schema_version": openapi.SCHEMA_VERSION,
        "status": "preliminary",
        "ai_generated": True,
        "notice": gettext("AI estimate, not a diagnosis. A doctor makes the diagnosis."),
        "model": {"name": reading.bundle.name, "version": reading.bundle.version, "id": reading.bundle.id},
        "source": reading.prediction.source,
        "advice": {
            **reading.advice.as_json(),
            "text": str(reading.text.heading),
            "within_days": reading.text.within_days,
        },
        "quality": _quality_json(reading),
        "prediction": _prediction_json(reading) if reading.has_diagnoses else None,
    }


def _quality_json(reading: Reading) -> dict:
    findings = [(code, False) for code in reading.answer.severe] + [(code, True) for code in reading.answer.mild]
    return {
        "accepted": not refusal(reading.answer.severe, reading.prediction),
        "out_of_distribution": reading.prediction.out_of_distribution,
        "findings": [{"code": code, "mild": mild, "text": str(ISSUES[code].what)} for code, mild in findings],
    }


def _prediction_json(reading: Reading) -> dict:
    prediction = reading.prediction
    on_test = evaluation.score_on_test(prediction, reading.calibration, reading.bundle)
    return {
        "ranking": [
            _diagnosis_json(CLASSES[index], float(prediction.probabilities[index])) for index in prediction.ranking
        ],
        "prediction_set": list(prediction.prediction_set),
        "prediction_set_coverage": reading.calibration.set_coverage,
        "malignancy": prediction.malignancy,
        "urgent_risk": prediction.urgent_risk,
        "malignancy_score": evaluation.score(prediction, reading.calibration, reading.bundle),
        "malignancy_score_on_test": on_test and dataclasses.asdict(on_test),
    }


def _diagnosis_json(lesion_class: LesionClass, probability: float) -> dict:
    return {
        "code": lesion_class.code,
        "name": str(CONDITIONS[lesion_class.code].name),
        "icd10": lesion_class.icd10,
        "icdo3": lesion_class.icdo3,
        "probability": probability,
    }
