"""The JSON API's description, an OpenAPI 3.1 document; names and limits come from the code that they describe."""

from collections.abc import Iterable

from app.advice import REASONS, Level
from app.evaluation import MIN_PHOTOS
from app.problems import PROBLEMS
from app.sites import SITES
from app.uploads import FORM_S
from model_store.classes import CODES
from model_store.prediction import SOURCES
from model_store.quality import FINDING_CODES

# MAJOR.MINOR: a field more is a new minor version; a field less, or another meaning, is a new /api/vMAJOR/.
SCHEMA_VERSION = "1.1"
# What a later version still promises, so that who validates by this description gets past a field more.
_VERSION = {"type": "string", "pattern": r"^1\.[0-9]+$", "description": "MAJOR.MINOR; now " + SCHEMA_VERSION}
MAX_PHOTOS = 20

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 1}


def document(limit_mb: int, with_tokens: bool) -> dict:
    """Describe the API as this site is set up.

    Args:
        limit_mb: largest body.
        with_tokens: whether a bearer token is needed.
    """
    described = {
        "openapi": "3.1.1",
        "info": {
            "title": "Skin check",
            "version": SCHEMA_VERSION,
            "description": "Photos of skin lesions in, preliminary answers out: what to do, and the ranked diagnoses. "
            "Every answer is an estimate made by artificial intelligence, not a diagnosis; a doctor makes the "
            "diagnosis. Nothing of a photo is kept. Texts follow Accept-Language (kk, ru, en).",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/answer": {"post": _answer_operation(limit_mb)},
            "/api/v1/answers": {"post": _answers_operation(limit_mb)},
            "/api/v1/openapi.json": {"get": _document_operation()},
        },
        "components": {"schemas": _schemas(), "responses": _responses()},
    }
    if with_tokens:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path in ("/api/v1/answer", "/api/v1/answers"):
            described["paths"][path]["post"]["security"] = [{"token": []}]
            described["paths"][path]["post"]["responses"]["401"] = {"$ref": "#/components/responses/problem"}
    return described


def _answer_operation(limit_mb: int) -> dict:
    return {
        "operationId": "answer",
        "summary": "Answer one photo",
        "description": f"JPEG, PNG, WebP, HEIC, AVIF or DICOM, up to {limit_mb} MB. What is wrong with the photo is "
        "told as a problem. A photo that was read but cannot be judged is an answer of the level cannot_judge.",
        "requestBody": _form({"photo": _file()}, ["photo"]),
        "responses": {"200": _json_of("Answer", "The answer."), **_problems("400", "413", "415", "422", "429", "503")},
    }


def _answers_operation(limit_mb: int) -> dict:
    photos = {"type": "array", "items": _file(), "minItems": 1, "maxItems": MAX_PHOTOS}
    return {
        "operationId": "answers",
        "summary": "Answer several photos",
        "description": f"Up to {MAX_PHOTOS} photos, together up to {limit_mb} MB. Each gets its answer or its problem, "
        f"in the order sent; one that is no photo does not spoil the others. After {FORM_S} seconds the rest get the "
        "problem not_answered, and once a photo was answered, one for which there was no place or for which the model "
        "failed gets that as its problem: where a problem's status is 503, send the photo again.",
        "requestBody": _form({"photo": photos}, ["photo"]),
        "responses": {
            "200": _json_of("Answers", "An entry for each photo."),
            **_problems("400", "413", "422", "429", "503"),
        },
    }


def _document_operation() -> dict:
    return {
        "operationId": "description",
        "summary": "This description",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {}}}}},
    }


def _form(fields: dict, required: list[str]) -> dict:
    source = {
        "enum": list(SOURCES),
        "description": "How the photo was taken: through a dermatoscope, or with a phone held before the skin. Left "
        "out, the model tells it; where it is not sure, the answer is that with the more pressing advice. "
        "It holds for all photos of a request.",
    }
    site = {
        "enum": list(SITES),
        "description": "Where on the body the spot is. Where the model has hardly ever seen one, it may alarm, but "
        "calms nobody. It holds for all photos of a request.",
    }
    schema = {"type": "object", "properties": {**fields, "source": source, "site": site}, "required": required}
    kinds = "image/jpeg, image/png, image/webp, image/heic, image/avif, application/dicom"
    encoding = {"photo": {"contentType": kinds}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}


def _codes(known: Iterable[str | None], description: str) -> dict:
    """A code of an answer. No `enum`, since a client made from this description would break on one that comes later."""
    known = list(known)
    kind = ["string", "null"] if None in known else "string"
    return {
        "type": kind,
        "x-extensible-enum": known,
        "description": f"{description} Later versions may have more.",
    }


def _file() -> dict:
    return {"type": "string", "format": "binary", "description": "The photo's file; its name is ignored."}


def _json_of(name: str, description: str) -> dict:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(*statuses: str) -> dict:
    delayed = {"429": "wait", "503": "wait"}
    return {status: {"$ref": f"#/components/responses/{delayed.get(status, 'problem')}"} for status in statuses}


def _responses() -> dict:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    wait = {"description": "Seconds after which to come again.", "schema": {"type": "integer", "minimum": 1}}
    return {
        "problem": {"description": "A problem as in RFC 9457.", "content": content},
        "wait": {
            "description": "Too much was sent or is waiting, or the model failed. Nothing was kept; send it again.",
            "headers": {"Retry-After": wait},
            "content": content,
        },
    }


def _object(**properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schemas() -> dict:
    return {
        "Answer": _answer_schema(),
        "Answers": _object(schema_version=_VERSION, answers={"type": "array", "items": _entry()}),
        "Prediction": _prediction_schema(),
        "Problem": _problem_schema(),
    }


def _entry() -> dict:
    answer = _object(photo={"type": "integer", "minimum": 1}, answer={"$ref": "#/components/schemas/Answer"})
    problem = _object(photo={"type": "integer", "minimum": 1}, problem={"$ref": "#/components/schemas/Problem"})
    return {"oneOf": [answer, problem]}


def _answer_schema() -> dict:
    finding = _object(
        code=_codes(sorted(FINDING_CODES), "What is wrong with the photo."), mild={"type": "boolean"}, text=_TEXT
    )
    reasons = {"type": "array", "items": _codes(sorted(REASONS), "A reason.")}
    return _object(
        schema_version=_VERSION,
        status={"const": "preliminary", "description": "Never final: only a doctor makes a diagnosis."},
        ai_generated={"const": True, "description": "Made by artificial intelligence."},
        notice=_TEXT,
        model=_object(name=_TEXT, version=_TEXT, id={**_TEXT, "description": "SHA-256 of the bundle."}),
        source=_codes(SOURCES, "The calibration that was used."),
        advice=_object(
            level=_codes(
                [level.value for level in Level],
                "What to do. Show `text` with one that you do not know, and take it for no all-clear.",
            ),
            text=_TEXT,
            within_days={"type": ["integer", "null"], "description": "How soon; null where no date applies."},
            reasons={**reasons, "description": "What speaks against relying on the answer, worst first."},
            if_a_spot=_codes(
                [Level.URGENT.value, Level.SOON.value, None],
                "What the level would be if a photo unlike all that the model knows does show a spot.",
            ),
        ),
        quality=_object(
            accepted={
                "type": "boolean",
                "description": "Whether the gate lets the photo through. One that it lets through may still be "
                "cannot_judge: decide by advice.level.",
            },
            out_of_distribution={"type": "boolean", "description": "Unlike what the network has learnt."},
            findings={"type": "array", "items": finding},
        ),
        prediction={
            "oneOf": [{"$ref": "#/components/schemas/Prediction"}, {"type": "null"}],
            "description": "null where the photo cannot be judged.",
        },
    )


def _prediction_schema() -> dict:
    diagnosis = _object(code={"enum": list(CODES)}, name=_TEXT, icd10=_TEXT, icdo3=_TEXT, probability=_PROBABILITY)
    return _object(
        ranking={"type": "array", "items": diagnosis, "minItems": len(CODES), "maxItems": len(CODES)},
        prediction_set={"type": "array", "items": {"enum": list(CODES)}},
        prediction_set_coverage=_PROBABILITY,
        malignancy={**_PROBABILITY, "description": "MEL, BCC, AK and SCC together."},
        urgent_risk={**_PROBABILITY, "description": "MEL and SCC together."},
        malignancy_score={
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 10,
            "description": "malignancy on a scale from 1 to 10. null where fewer than "
            f"{MIN_PHOTOS} test photos of this source had the same score: nobody knows what it is worth.",
        },
        malignancy_score_on_test={
            "oneOf": [_object(photos=_COUNT, malignant=_COUNT), {"type": "null"}],
            "description": "How many test photos of this source had the same score, and how many of them were MEL, "
            "BCC, AK or SCC. null where malignancy_score is, and where none of them was, which promises nothing.",
        },
    )


def _problem_schema() -> dict:
    return _object(
        type={"type": "string", "format": "uri"},
        title=_TEXT,
        status={"type": "integer"},
        detail=_TEXT,
        code=_codes(sorted(PROBLEMS), "Which problem. One that you do not know means what `status` says."),
        request_id={**_TEXT, "description": "Finds the request in the operator's log."},
    )
