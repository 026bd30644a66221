"""The one table: error code -> HTTP status -> localized text; and the one place where an error becomes an answer."""

import logging
import traceback
from dataclasses import dataclass

from flask import Flask, Response, current_app, jsonify, render_template, request, url_for
from flask_babel import force_locale, format_decimal
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from flask_wtf.csrf import CSRFError
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from app import limits, observability
from app.i18n import LANGUAGES, current_language
from model_store.errors import ModelStoreError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """One row: what is answered to one error code.

    Attributes:
        status: HTTP status.
        title: the page's heading.
        happened: what happened, in plain words; may name a detail of the error, as in `%(limit_mb)s`.
        to_do: what to do now.
    """

    status: int
    title: LazyString
    happened: LazyString
    to_do: LazyString


_TAKE_AGAIN = _l("Take the photo again, or choose another one.")
_OUR_SIDE = _l(
    "Please try again in a few minutes. If the spot worries you, see a doctor without waiting for this site."
)

PROBLEMS = {
    "missing_photo": Problem(
        400, _l("No photo was chosen"),
        _l("The form arrived without a photo."),
        _l("Go back, take or choose a photo, and send it."),
    ),
    "empty_file": Problem(
        422, _l("The file is empty"),
        _l("The file that arrived has no content. This can happen when a photo is still being saved or synchronised."),
        _l("Wait until the photo opens on your device, or take a new one, and send it again."),
    ),
    "unsupported_format": Problem(
        415, _l("This file is not a photo we can read"),
        _l("The file is not one of the kinds of photo that this site understands."),
        _l("Send a JPEG, PNG, WebP, HEIC or AVIF photo. A photo straight from a phone's camera works."),
    ),
    "damaged_image": Problem(
        422, _l("The photo is damaged"),
        _l("The file begins like a photo, but it is cut off or broken, so it cannot be shown."),
        _TAKE_AGAIN,
    ),
    "image_too_small": Problem(
        422, _l("The photo is too small"),
        _l("A side of the photo is shorter than %(limit_px)s pixels, which is too little to see a spot."),
        _l("Send the original photo from the camera, not a thumbnail or a small screenshot."),
    ),
    "image_too_large": Problem(
        422, _l("The photo has too many pixels"),
        _l("The photo has more than %(limit_megapixels)s megapixels."),
        _l("Set the camera to a smaller size, or crop the photo around the spot, and send it again."),
    ),
    "body_too_large": Problem(
        413, _l("The file is too large"),
        _l("The file is larger than %(limit_mb)s MB."),
        _l("Send a smaller copy: crop the photo around the spot, or set the camera to a smaller size."),
    ),
    "body_cut_off": Problem(
        400, _l("The photo did not arrive whole"),
        _l("The connection broke or is very slow, so that only a part came. Nothing of it was kept."),
        _l("Send it again, if you can where the connection is better. If the spot worries you, see a doctor without "
           "waiting for this site."),
    ),
    "csrf_expired": Problem(
        400, _l("The page was open too long"),
        _l("For your safety, a form can be sent only for a limited time after its page was opened, and only from a "
           "browser that keeps this site's cookie until it is closed."),
        _l("Open the start page, choose the photo again and send it. Nothing of it was kept."),
    ),
    "answer_expired": Problem(
        400, _l("This answer can no longer be shown"),
        _l("The answer is too old, or the site or its model has been replaced since it was given. The site keeps no "
           "copy of it."),
        _l("Open the start page and send the photo again."),
    ),
    "source_unknown": Problem(
        400, _l("There is no such source"),
        _l("The source of a photo can be one of these: %(sources)s."),
        _l("Correct it, or leave it out and let the model decide."),
    ),
    "site_unknown": Problem(
        400, _l("There is no such place on the body"),
        _l("Where the spot is can be one of these: %(sites)s."),
        _l("Correct it, or leave it out."),
    ),
    "said_twice": Problem(
        400, _l("The request contradicts itself"),
        _l("The field %(field)s holds for all photos of a request, and came with different values."),
        _l("Send it once. Send photos that differ in it in requests of their own."),
    ),
    "token_wrong": Problem(
        401, _l("A token is needed"),
        _l("Programs may ask this site only with a token, and none that it knows was sent."),
        _l("Ask the operator for a token, and send it as described in the documents of the API."),
    ),
    "too_many_requests": Problem(
        429, _l("Too many photos from one place"),
        _l("So much was sent from your network in a short time that this was not looked at. Nothing of it was kept."),
        _l("Please send it again in %(seconds)s seconds. If the spot worries you, see a doctor without waiting for "
           "this site."),
    ),
    "damaged_archive": Problem(
        422, _l("The archive cannot be opened"),
        _l("The ZIP archive is damaged, protected by a password, or packed in an unusual way."),
        _l("Pack the photos into a new ZIP archive without a password, or send them without one."),
    ),
    "packed_otherwise": Problem(
        422, _l("The file cannot be unpacked from its archive"),
        _l("The file in the ZIP archive is protected by a password, or packed by a method that this site does not "
           "know."),
        _l("Pack the photos into a new ZIP archive without a password, or send them without one."),
    ),
    "empty_archive": Problem(
        422, _l("The archive holds no photo"),
        _l("The ZIP archive is empty, or has folders alone."),
        _l("Pack the photos into a new ZIP archive, or send them without one."),
    ),
    "archive_too_large": Problem(
        422, _l("The archive holds too much"),
        _l("The ZIP archive has more than %(limit)s files, or what it unpacks to is too large."),
        _l("Send the photos in several smaller archives, or without one."),
    ),
    "too_many_photos": Problem(  # a clinician's table shows the heading alone, beside each file that was left out
        422, _l("Too many photos at once"),
        _l("The request held more photos than it may (at most %(limit)s), so none of them was looked at."),
        _l("Send the photos in several requests."),
    ),
    "not_answered": Problem(
        503, _l("No answer came"),
        _l("The file could not be read, or the site did not answer it."),
        _l("Send it again."),
    ),
    "own_first": Problem(
        400, _l("Your own diagnosis comes first"),
        _l("Some photos still wait for your own diagnosis, and this would show you the model's."),
        _l("Go back to the table, give your diagnosis of every photo, and try again."),
    ),
    "too_few_lesions": Problem(
        400, _l("Too few lesions to compare"),
        _l("At least %(number)s lesions of one person are needed to tell which is least like the others. Photos that "
           "cannot be judged do not count."),
        _l("Go back to the table and mark more photos as the same person's."),
    ),
    "overloaded": Problem(
        503, _l("Too many people are asking right now"),
        _l("Your photo was not looked at, and nothing of it was kept."),
        _l("Please send it again in %(seconds)s seconds. If the spot worries you, see a doctor without waiting for "
           "this site."),
    ),
    "client_gone": Problem(
        499, _l("The connection was closed"),
        _l("The connection was closed before the answer was there. Nothing of the photo was kept."),
        _l("Send the photo again."),
    ),
    "deadline_exceeded": Problem(
        503, _l("The answer took too long"),
        _l("The model did not answer in time. This is our fault, not your photo's. Nothing of it was kept."),
        _OUR_SIDE,
    ),
    "engine_failed": Problem(
        503, _l("The model could not answer"),
        _l("Something failed on our side while the model looked at the photo. Nothing of it was kept."),
        _OUR_SIDE,
    ),
    "bad_request": Problem(
        400, _l("This request cannot be understood"),
        _l("What arrived is not what a form of this site sends."),
        _l("Open the start page and try again from there."),
    ),
    "host_unknown": Problem(
        400, _l("This site does not answer to this name"),
        _l("The host name in the address is none of this site's."),
        _l("Use the site's own address. If this is the right one, its operator has to add the name to SKIN_HOSTS."),
    ),
    "not_found": Problem(
        404, _l("There is no such page"),
        _l("The address may be mistyped, or the page has moved."),
        _l("Open the start page and look from there."),
    ),
    "method_not_allowed": Problem(
        405, _l("This address does not work that way"),
        _l("The page exists, but it cannot be asked for like this."),
        _l("Open the start page and use its form."),
    ),
    "internal_error": Problem(
        500, _l("Something failed on our side"),
        _l("The site made a mistake. Nothing of your photo was kept."),
        _OUR_SIDE,
    ),
}  # fmt: skip

# After a failure of the model; an inference server is left alone for as long. A full queue knows better.
RETRY_S = 10
_CODE_OF_STATUS = {
    401: "token_wrong", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 429: "too_many_requests",
}  # fmt: skip

FAULTS_OF_OURS = tuple(code for code, problem in PROBLEMS.items() if problem.status >= 500)
_FAULTS_OF_A_PHOTO = {413, 415, 422}


class HostUnknown(ModelStoreError):
    """The site was asked under a host name that is not in SKIN_HOSTS."""

    def __init__(self) -> None:
        super().__init__("host_unknown")


@dataclass(frozen=True)
class ProblemText:
    """A problem in one language."""

    title: str
    happened: str
    to_do: str


@dataclass(frozen=True)
class ProblemPage:
    """All that templates/problem.html may see. `request_id` finds the request in the log; scripts read the `code`.

    `elsewhere` says the same in the other languages, by their codes, where the page has no address: the language switch
    would lead away from it.
    """

    code: str
    text: ProblemText
    elsewhere: dict[str, ProblemText]
    request_id: str
    way_on: str
    way_on_url: str


def init_app(app: Flask) -> None:
    """Let every error of every view become an answer here."""
    app.register_error_handler(ModelStoreError, _answer_expected)
    app.register_error_handler(HTTPException, _answer_http)
    # Of a body in chunks only its reader finds out that it is malformed.
    app.register_error_handler(ParseException, lambda _error: _answer("bad_request", {}))
    app.register_error_handler(Exception, _answer_unexpected)


def _answer_expected(error: ModelStoreError) -> Response:
    if error.code not in PROBLEMS:
        return _answer_unexpected(error)
    response = _answer(error.code, error.details)
    if response.status_code == 503:
        response.headers["Retry-After"] = str(error.details.get("seconds", RETRY_S))
    return response


def _answer_http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:  # a redirect is no error
        return error.get_response()
    if error.code >= 500:
        return _answer_unexpected(error)
    code = _code_of(error)
    details = {}
    if code == "body_too_large":
        details["limit_mb"] = current_app.extensions["config"].max_upload_mb
    if code == "too_many_requests":
        details["seconds"] = limits.seconds_to_wait()
    response = _answer(code, details)
    if code == "too_many_requests":
        response.headers["Retry-After"] = str(details["seconds"])
    if code == "token_wrong":
        response.headers["WWW-Authenticate"] = "Bearer"
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _code_of(error: HTTPException) -> str:
    if isinstance(error, CSRFError):
        return "csrf_expired"
    announced = request.content_length
    if error.code == 413 and announced is not None and announced <= current_app.config["MAX_CONTENT_LENGTH"]:
        return "bad_request"  # not the body was too large: it had more fields, or longer ones, than a form of ours
    return _CODE_OF_STATUS.get(error.code, "bad_request")


def _answer_unexpected(error: Exception) -> Response:
    # The place, never the message: a library's message may quote what was uploaded, as a file name or as bytes.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error(
        "Request %s failed with %s:\n%s", observability.request_id(), type(error).__qualname__, frames,
        extra={"request_id": observability.request_id()},
    )  # fmt: skip
    return _answer("internal_error", {})


def _answer(code: str, details: dict) -> Response:
    observability.note_problem(code)
    if wants_json():
        response = jsonify(as_json(code, details))
        response.content_type = "application/problem+json"
        response.headers["Content-Language"] = current_language()
        response.vary.update(("Accept", "Accept-Language"))
    else:
        response = Response(render_template("problem.html", page=_page(code, details)))
    response.status_code = PROBLEMS[code].status
    return response


def _page(code: str, details: dict) -> ProblemPage:
    has_address, here = request.method in limits.READING, current_language()
    texts = {}
    for language in [here] if has_address else LANGUAGES:
        with force_locale(language):
            texts[language] = _text(code, details)
    text = texts.pop(here)
    way_on, url = _way_on(PROBLEMS[code])
    return ProblemPage(code, text, texts, observability.request_id(), str(way_on), url)


def _text(code: str, details: dict) -> ProblemText:
    problem = PROBLEMS[code]
    numbers = {
        name: format_decimal(value) if isinstance(value, int | float) else value for name, value in details.items()
    }
    return ProblemText(str(problem.title), str(problem.happened) % numbers, str(problem.to_do) % numbers)


def _way_on(problem: Problem) -> tuple[LazyString, str]:
    """The words of the page's button and where it leads: to the form of whoever sent something."""
    if request.blueprint == "clinician":
        return _l("Back to the page for clinicians"), url_for("clinician.series")
    words = _l("Choose another photo") if problem.status in _FAULTS_OF_A_PHOTO else _l("Back to the start page")
    return words, url_for("patient.upload")


def as_json(code: str, details: dict) -> dict:
    """A problem in the current language as RFC 9457 has it, with its code, its details and the request's id beside."""
    text = _text(code, details)
    return {
        "type": f"urn:skin-check:problem:{code}",
        "title": text.title,
        "status": PROBLEMS[code].status,
        "detail": f"{text.happened} {text.to_do}",
        "code": code,
        "request_id": observability.request_id(),
        **details,
    }


def note_failure(code: str) -> None:
    """Count a request that answers its other photos as failed, where one has no answer by a fault of ours."""
    if code in FAULTS_OF_OURS:
        observability.note_problem(code)


def wants_json() -> bool:
    """Whether this request likes JSON more than HTML, as all of the API's do; one without a wish gets HTML."""
    if request.path.startswith("/api/"):
        return True
    offers = ["text/html", "application/problem+json", "application/json"]
    return request.accept_mimetypes.best_match(offers, default="text/html") != "text/html"
