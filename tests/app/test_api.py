"""The JSON API keeps to its own description, tells every mistake as a problem, and lets in whom the operator named."""

import hashlib
import io
import json
import re
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app import api
from app.advice import Level
from app.inference import DeadlineExceeded, Overloaded
from app.problems import PROBLEMS
from model_store.classes import CODES
from model_store.errors import EngineError
from tests.app.conftest import STRANGE, URGENT, WATCH, WATCH_UNLESS_PHONE, encode, send


def post(
    client,
    *photos: bytes,
    path: str = "/api/v1/answer",
    headers: dict | None = None,
    environ_base: dict | None = None,
    **fields: str,
):
    """Send photos and fields to the API as a form."""
    form = {"photo": [FileStorage(io.BytesIO(photo), f"{number}.jpg") for number, photo in enumerate(photos)], **fields}
    # Encoded here, since the test client itself would put a large form into a temporary file.
    boundary, body = encode_multipart(form)
    kind = f"multipart/form-data; boundary={boundary}"
    return client.post(path, data=body, content_type=kind, headers=headers, environ_base=environ_base or {})


def schema(client, name: str) -> Draft202012Validator:
    """What the site publishes, but strict: no field more. Only a problem has its details beside."""
    document = client.get("/api/v1/openapi.json").json
    for published, content in document["components"]["schemas"].items():
        if published != "Problem":
            close(content)
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def close(content) -> None:
    """Allow only the properties that are named, in every object of a published schema."""
    for inner in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        close(inner)
    if isinstance(content, dict) and content.get("type") == "object":
        content["additionalProperties"] = False


def test_one_photo_gets_a_preliminary_answer_marked_as_made_by_artificial_intelligence(make_app, photo):
    client = make_app(answering=URGENT).test_client()
    answer = post(client, photo)
    assert answer.status_code == 200
    schema(client, "Answer").validate(answer.json)
    assert (answer.json["schema_version"], answer.json["status"], answer.json["ai_generated"]) == (
        "1.1", "preliminary", True,
    )  # fmt: skip
    assert (answer.json["model"]["name"], answer.json["model"]["version"]) == ("tiny", "1.0.0")
    assert answer.json["advice"]["level"] == "urgent"
    assert answer.json["advice"]["within_days"] == 14
    ranking = answer.json["prediction"]["ranking"]
    assert ranking[0]["code"] == "MEL"
    assert sorted(row["code"] for row in ranking) == sorted(CODES)
    assert sum(row["probability"] for row in ranking) == pytest.approx(1)
    assert "MEL" in answer.json["prediction"]["prediction_set"]


def test_an_answer_sets_no_cookie_is_kept_by_no_cache_and_allows_no_other_origin(make_app, photo):
    answer = post(make_app(answering=URGENT).test_client(), photo, headers={"Origin": "https://elsewhere.example"})
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("source", ["dermoscopy", "phone"])
def test_the_source_that_the_client_names_is_the_one_that_is_used(make_app, photo, source):
    assert post(make_app(answering=WATCH).test_client(), photo, source=source).json["source"] == source


def test_where_the_client_names_no_source_the_more_pressing_advice_counts(make_app, photo):
    client = make_app(answering=WATCH_UNLESS_PHONE).test_client()
    told = {
        said: post(client, photo, **({"source": said} if said else {})).json for said in ("", "dermoscopy", "phone")
    }
    assert {said: answer["advice"]["level"] for said, answer in told.items()} == {
        "": "urgent", "dermoscopy": "watch", "phone": "urgent",
    }  # fmt: skip
    assert told[""] == told["phone"]


def test_a_photo_that_cannot_be_judged_is_an_answer_without_a_prediction(make_app, photo):
    client = make_app(answering=STRANGE).test_client()
    answer = post(client, photo)
    assert answer.status_code == 200
    schema(client, "Answer").validate(answer.json)
    assert answer.json["prediction"] is None
    assert answer.json["advice"]["level"] == "cannot_judge"
    assert answer.json["advice"]["reasons"] == ["out_of_distribution"]
    assert answer.json["quality"]["accepted"] is False


@pytest.mark.parametrize(("answering", "level"), [(WATCH, "cannot_judge"), (URGENT, "urgent")])
def test_a_file_of_several_pictures_calms_nobody_by_its_first_one(make_app, draw_photo, answering, level):
    client = make_app(answering=answering).test_client()
    several = encode(draw_photo(), "WEBP", save_all=True, append_images=[draw_photo(seed=1)], lossless=True)
    answer = post(client, several)
    schema(client, "Answer").validate(answer.json)
    assert answer.json["advice"]["level"] == level
    assert answer.json["advice"]["reasons"] == ["first_of_several"]
    (finding,) = answer.json["quality"]["findings"]
    assert (finding["code"], finding["mild"]) == ("first_of_several", True)
    assert "Only the first one was looked at: send the others one by one." in finding["text"]
    assert finding["text"] in send(client, several).text


def test_where_the_model_has_hardly_seen_a_spot_its_calm_answer_is_none(make_app, photo):
    client = make_app(answering=WATCH).test_client()
    answer = post(client, photo, site="sole").json
    schema(client, "Answer").validate(answer)
    assert (answer["advice"]["level"], answer["advice"]["reasons"]) == ("cannot_judge", ["hardly_seen_site"])
    assert answer["advice"]["within_days"] == 28
    assert answer["prediction"] is None
    (several,) = post(client, photo, path="/api/v1/answers", site="sole").json["answers"]
    assert several["answer"]["advice"] == answer["advice"]
    assert post(client, photo, site="back").json["advice"]["level"] == "watch"


def test_of_several_photos_each_gets_its_answer_or_its_problem(make_app, photo):
    client = make_app(answering=WATCH).test_client()
    answer = post(client, photo, b"no photo", encode(Image.new("RGB", (20, 20))), photo, path="/api/v1/answers")
    assert answer.status_code == 200
    schema(client, "Answers").validate(answer.json)
    entries = answer.json["answers"]
    assert [entry["photo"] for entry in entries] == [1, 2, 3, 4]
    assert ["answer" in entry for entry in entries] == [True, False, False, True]
    assert [entries[i]["problem"]["code"] for i in (1, 2)] == ["unsupported_format", "image_too_small"]


def test_photos_that_are_not_reached_in_time_are_named_and_the_others_answered(make_app, photo, monkeypatch):
    client = make_app(answering=WATCH).test_client()
    clock = iter([0, 0, api.FORM_S + 1])  # at the start, before the first photo, before the second
    monkeypatch.setattr(api, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    answer = post(client, photo, photo, path="/api/v1/answers")
    assert answer.status_code == 200
    schema(client, "Answers").validate(answer.json)
    first, second = answer.json["answers"]
    assert "answer" in first
    assert second["problem"]["code"] == "not_answered"


@pytest.mark.parametrize("error", [Overloaded(), DeadlineExceeded(), EngineError("engine_failed")])
def test_a_fault_of_ours_in_the_middle_of_a_request_takes_no_answer_away(make_app, photo, monkeypatch, error):
    app = make_app(answering=WATCH)
    queue = app.extensions["inference"]
    whole, turns = queue.submit, iter([None, error, None])

    def submit(array, client_is_there):
        if fault := next(turns):
            raise fault
        return whole(array, client_is_there)

    monkeypatch.setattr(queue, "submit", submit)
    client = app.test_client()
    answer = post(client, photo, photo, photo, path="/api/v1/answers")
    assert answer.status_code == 200
    schema(client, "Answers").validate(answer.json)
    first, second, third = answer.json["answers"]
    assert "answer" in first
    assert "answer" in third
    assert (second["problem"]["code"], second["problem"]["status"]) == (error.code, 503)


@pytest.mark.parametrize("before", [[], [b"no photo"]])
def test_a_site_that_answers_none_of_a_request_s_photos_refuses_it_at_once(make_app, photo, monkeypatch, before):
    def refuse(*_):
        raise Overloaded()

    app = make_app(answering=WATCH)
    monkeypatch.setattr(app.extensions["inference"], "submit", refuse)
    answer = post(app.test_client(), *before, photo, photo, path="/api/v1/answers")
    assert (answer.status_code, answer.json["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("path", ["/api/v1/answer", "/api/v1/answers"])
@pytest.mark.parametrize(("field", "values"), [("source", ["phone", "dermoscopy"]), ("site", ["back", ""])])
def test_what_holds_for_all_photos_is_not_taken_from_the_first_where_it_differs(make_app, photo, path, field, values):
    client = make_app(answering=WATCH).test_client()
    answer = post(client, photo, path=path, **{field: values})
    assert (answer.status_code, answer.json["code"]) == (400, "said_twice")
    assert f"The field {field} holds for all photos of a request" in answer.json["detail"]
    assert post(client, photo, path=path, **{field: values[:1] * 2}).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/answer"])
def test_every_problem_names_its_language_also_where_no_view_was_found(client, path):
    answer = client.get(path, headers={"Accept-Language": "ru"})
    assert answer.headers["Content-Language"] == "ru"
    assert "Accept-Language" in answer.vary


@pytest.mark.parametrize(
    ("photos", "fields", "path", "status", "code"),
    [
        ([], {}, "/api/v1/answer", 400, "missing_photo"),
        ([b"no photo"], {}, "/api/v1/answer", 415, "unsupported_format"),
        ([b""], {}, "/api/v1/answer", 422, "empty_file"),
        ([b"a", b"b"], {}, "/api/v1/answer", 422, "too_many_photos"),
        ([b"a"] * 21, {}, "/api/v1/answers", 422, "too_many_photos"),
        ([b"a"], {"source": "telescope"}, "/api/v1/answer", 400, "source_unknown"),
        ([b"a"], {"site": "moon"}, "/api/v1/answers", 400, "site_unknown"),
        ([b"a"], {}, "/api/v1/nowhere", 404, "not_found"),
    ],
)
def test_a_mistake_is_told_as_a_problem(make_app, photos, fields, path, status, code):
    client = make_app(answering=WATCH).test_client()
    answer = post(client, *photos, path=path, headers={"Accept": "text/html"}, **fields)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    schema(client, "Problem").validate(answer.json)
    assert (answer.json["code"], answer.json["status"]) == (code, status)
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("path", "limit"), [("/api/v1/answer", 1), ("/api/v1/answers", 20)])
def test_who_sends_too_many_photos_is_told_how_many_there_may_be(make_app, path, limit):
    answer = post(make_app(answering=WATCH).test_client(), *[b"a"] * (limit + 1), path=path)
    assert answer.json["limit"] == limit
    assert f"more photos than it may (at most {limit}), so none of them was looked at." in answer.json["detail"]


def test_a_problem_comes_in_the_language_of_the_client(make_app):
    client = make_app(answering=WATCH).test_client()
    answers = {
        language: post(client, b"", headers={"Accept-Language": language}) for language in ("en", "ru-RU", "kk-KZ")
    }
    assert {answer.headers["Content-Language"] for answer in answers.values()} == {"en", "ru", "kk"}
    assert len({answer.json["detail"] for answer in answers.values()}) == 3


TOKEN = "a token for tests"


@pytest.fixture
def guarded(make_app):
    return make_app(answering=WATCH, api_tokens=(hashlib.sha256(TOKEN.encode()).hexdigest(),)).test_client()


@pytest.mark.parametrize("sent", [None, "Bearer wrong", "Bearer ", f"Basic {TOKEN}", "Bearer \xe4", TOKEN])
def test_without_a_token_that_the_operator_named_nothing_is_answered(guarded, photo, sent):
    answer = post(guarded, photo, headers={"Authorization": sent} if sent else None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] == "token_wrong"


def test_with_its_token_a_program_is_answered(guarded, photo):
    assert post(guarded, photo, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_description_is_valid_and_needs_no_token(guarded, client):
    for site, secured in ((guarded, True), (client, False)):
        document = site.get("/api/v1/openapi.json").json
        validate(document)
        assert document["openapi"].startswith("3.1")
        assert ("securitySchemes" in document["components"]) is secured


def test_who_validates_by_the_description_gets_past_a_later_version_s_fields(make_app, photo):
    client = make_app(answering=URGENT).test_client()
    document = client.get("/api/v1/openapi.json").json
    published = Draft202012Validator({**document, "$ref": "#/components/schemas/Answers"})
    content = post(client, photo, b"no photo", path="/api/v1/answers").json
    answer = content["answers"][0]["answer"]
    ranking = answer["prediction"]["ranking"]
    later = [content, *content["answers"], answer, answer["model"], answer["prediction"], ranking[0]]
    for place in later:
        place["field_of_1_99"] = 1
    content["schema_version"] = answer["schema_version"] = "1.99"
    published.validate(content)
    assert not schema(client, "Answers").is_valid(content)
    for breaking in ("2.0", "1.0.1", "11.0", "1"):
        assert not published.is_valid({**content, "schema_version": breaking})


def test_a_client_made_from_the_description_gets_past_a_later_version_s_codes(make_app, photo):
    client = make_app(answering=URGENT).test_client()
    document = client.get("/api/v1/openapi.json").json
    published = Draft202012Validator({**document, "$ref": "#/components/schemas/Answers"})
    content = post(client, photo, b"no photo", path="/api/v1/answers").json
    answer, problem = content["answers"][0]["answer"], content["answers"][1]["problem"]
    answer["source"] = answer["advice"]["level"] = answer["advice"]["if_a_spot"] = problem["code"] = "of_1_99"
    answer["advice"]["reasons"] = ["of_1_99"]
    answer["quality"]["findings"] = [{"code": "of_1_99", "mild": True, "text": "later"}]
    published.validate(content)
    # What a client meets is still told, and the page tells it too.
    schemas = document["components"]["schemas"]
    assert set(schemas["Problem"]["properties"]["code"]["x-extensible-enum"]) == set(PROBLEMS)
    level = schemas["Answer"]["properties"]["advice"]["properties"]["level"]
    assert level["x-extensible-enum"] == [one.value for one in Level]
    assert "one of urgent, soon, watch, cannot_judge, or a later one" in client.get("/api/v1/").text


def test_the_description_can_be_read_as_a_page_without_any_script(client):
    page = client.get("/api/v1/").text
    assert "<script" not in page
    for word in ("POST /api/v1/answer", "malignancy_score", "answers[].problem", "unsupported_format"):
        assert word in page
    assert not re.search(r"None|&lt;|Undefined", page)
    assert json.dumps(client.get("/api/v1/openapi.json").json)
