"""Every error has one row in the table and becomes one answer: never a traceback, never a word of the upload."""

import ast
import io
import json
import logging
import re
import zlib
from pathlib import Path

import pytest
from PIL import Image

from app import inference
from app.problems import PROBLEMS
from app.uploads import MAX_FORM_PARTS
from model_store.errors import EngineError, PhotoError
from tests.app.conftest import WATCH, encode, send, token

ROOT = Path(__file__).parent.parent.parent
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"Accept": "application/json"}
# Codes that only a start or a command line raises; none can reach a visitor.
AT_START = {
    "setting_unknown",
    "setting_invalid",
    "engine_unavailable",
    "model_unreadable",
    "conversion_failed",
    "conversion_differs",
}


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a picture of any size in a few bytes."""
    whole = bytearray(encode(Image.new("L", (64, 64)), "PNG"))
    whole[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


JPEG = encode(Image.effect_noise((300, 300), 60).convert("RGB"))
BAD_UPLOADS = [
    # what is sent, HTTP status, code, a word of the page
    (None, 400, "missing_photo", "No photo was chosen"),
    (b"", 422, "empty_file", "has no content"),
    (b"hello, this is a text", 415, "unsupported_format", "JPEG, PNG, WebP, HEIC or AVIF"),
    (b"%PDF-1.7 ...", 415, "unsupported_format", "not a photo"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", 415, "unsupported_format", "not a photo"),
    (encode(Image.new("RGB", (100, 100)), "GIF"), 415, "unsupported_format", "not a photo"),
    (JPEG[: len(JPEG) // 2], 422, "damaged_image", "cut off or broken"),
    (b"\xff\xd8\xff" + b"\0" * 5000, 422, "damaged_image", "cut off or broken"),
    (encode(Image.new("RGB", (30, 400))), 422, "image_too_small", "shorter than 64 pixels"),
    (png_header(20_000, 20_000), 422, "image_too_large", "more than 50 megapixels"),
    (png_header(200_000, 200_000), 422, "image_too_large", "more than 50 megapixels"),
    (b"\xff\xd8\xff" + b"\0" * 3_000_000, 413, "body_too_large", "larger than 1 MB"),
]
IDS = ["none", "empty", "text", "pdf", "svg", "gif", "cut off", "garbage", "too small", "bomb", "huge bomb", "body"]


@pytest.fixture
def client(make_app):
    return make_app(max_upload_mb=1).test_client()


def assert_is_a_problem_page(answer, title: str, way_on: str = "Back to the start page") -> None:
    assert answer.mimetype == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"{title}</h1>" in answer.text
    assert f'href="/en/">{way_on}</a>' in answer.text
    assert "If a spot worries you, see a doctor." in answer.text
    assert "Traceback" not in answer.text
    assert not re.search(r"%\(\w+\)", answer.text)


@pytest.mark.parametrize(("content", "status", "code", "words"), BAD_UPLOADS, ids=IDS)
def test_a_bad_upload_is_answered_with_what_happened_and_what_to_do(client, content, status, code, words):
    answer = send(client, content, headers=BROWSER)
    assert answer.status_code == status
    assert_is_a_problem_page(
        answer, str_of(client, code), "Back to the start page" if code == "missing_photo" else "Choose another photo"
    )
    assert words in answer.text


def test_a_page_without_an_address_says_the_same_in_the_languages_that_its_switch_would_lead_away_to(client):
    too_small = encode(Image.new("RGB", (8, 8)))
    page = send(client, too_small, path="/ru/result", headers=BROWSER).text
    assert re.findall(r'<details lang="(\w+)">', page) == ["kk", "en"]
    assert f"<summary>{str_of(client, 'image_too_small')}</summary>" in page
    (kazakh,) = re.findall(r'<details lang="kk">.*?</details>', page, re.DOTALL)
    with client.application.test_request_context("/kk/"):
        assert str(PROBLEMS["image_too_small"].title) in kazakh
        assert not re.search(r"%\(\w+\)", kazakh)
    assert "<details" not in client.get("/ru/nowhere", headers=BROWSER).text


def test_a_clinician_is_led_back_to_the_page_for_clinicians(client):
    answer = client.post("/ru/clinician/open", data={"csrf_token": "forged"}, headers=BROWSER)
    assert answer.status_code == 400
    assert '<a class="main-button" href="/ru/clinician">' in answer.text


@pytest.mark.parametrize(("content", "status", "code", "words"), BAD_UPLOADS, ids=IDS)
def test_a_program_gets_the_same_as_rfc_9457(client, content, status, code, words):
    answer = send(client, content, headers=PROGRAM)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert (answer.json["code"], answer.json["status"]) == (code, status)
    assert answer.json["type"] == f"urn:skin-check:problem:{code}"
    assert words in answer.json["title"] + answer.json["detail"]


def str_of(client, code: str) -> str:
    with client.application.test_request_context("/en/"):
        return str(PROBLEMS[code].title)


def test_a_refused_photo_answers_405_404_and_forged_forms_alike(client, photo):
    for answer, code in [
        (client.get("/en/nowhere", headers=BROWSER), "not_found"),
        (client.get("/nowhere", headers=BROWSER), "not_found"),
        (client.get("/en/conditions/freckle", headers=BROWSER), "not_found"),
        (client.get("/static/nothing.css", headers=BROWSER), "not_found"),
        (client.put("/en/result", headers=BROWSER), "method_not_allowed"),
        (client.post("/en/result", data={"photo": (io.BytesIO(photo), "a.jpg")}, headers=BROWSER), "csrf_expired"),
        (client.post("/en/answer", data={"csrf_token": token(client), "answer": "made up"}), "answer_expired"),
    ]:
        assert answer.status_code == PROBLEMS[code].status
        assert_is_a_problem_page(answer, str_of(client, code))


def test_a_wrong_method_is_told_which_ones_work(client):
    assert set(client.delete("/en/about").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


class FailingEngine:
    """An engine that raises what it is told, in place of an answer."""

    name, tolerance, dense_weights = "failing", 0.0, None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, batch):
        raise self.error


def test_an_engine_that_fails_is_our_fault_and_says_so(make_app, photo):
    client = make_app(engine=FailingEngine(EngineError("engine_failed"))).test_client()
    answer = send(client, photo)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert_is_a_problem_page(answer, "The model could not answer")


def test_an_overloaded_site_says_when_to_come_back(make_app, photo, monkeypatch):
    def refuse(array, client_is_there):
        raise inference.Overloaded()

    app = make_app(answering=WATCH)
    monkeypatch.setattr(app.extensions["inference"], "submit", refuse)
    answer = send(app.test_client(), photo)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "again in 5 seconds" in answer.text


def test_an_answer_that_comes_too_late_is_our_fault_and_says_so(make_app, photo, monkeypatch):
    def give_up(array, client_is_there):
        raise inference.DeadlineExceeded()

    app = make_app(answering=WATCH)
    monkeypatch.setattr(app.extensions["inference"], "submit", give_up)
    answer = send(app.test_client(), photo)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert_is_a_problem_page(answer, "The answer took too long")


def test_a_mistake_of_ours_is_told_by_a_number_that_stands_in_the_log(make_app, photo, caplog):
    client = make_app(engine=FailingEngine(ZeroDivisionError("a secret of the visitor"))).test_client()
    with caplog.at_level(logging.DEBUG):
        answer = send(client, photo, name="secret-shoulder.jpg")
    assert answer.status_code == 500
    assert_is_a_problem_page(answer, "Something failed on our side")
    number = re.search(r"give this number: (\w+)", answer.text).group(1)
    assert number in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "inference.py" in caplog.text
    assert "secret" not in caplog.text + answer.text


def test_an_unknown_code_of_ours_is_a_mistake_of_ours(make_app, photo):
    client = make_app(engine=FailingEngine(PhotoError("a_code_without_a_row"))).test_client()
    assert send(client, photo).status_code == 500


@pytest.mark.parametrize("content", [upload[0] for upload in BAD_UPLOADS[1:]] + [JPEG], ids=[*IDS[1:], "good"])
def test_nothing_of_an_upload_is_logged(client, content, caplog):
    with caplog.at_level(logging.DEBUG):
        send(client, content, name="secret-shoulder.jpg")
    assert "secret-shoulder" not in caplog.text


def raised_codes() -> set[str]:
    """The first argument of every error of ours that is made anywhere in `app` and `model_store`."""
    codes = set()
    for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "model_store").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"PhotoError", "EngineError", "ConfigError", "ModelStoreError", "__init__"}:
                    codes.add(node.args[0].value)
    return codes


def test_every_code_that_a_visitor_can_meet_has_a_row():
    assert {"damaged_image", "engine_failed", "overloaded", "missing_photo"} <= raised_codes()
    assert raised_codes() - AT_START <= PROBLEMS.keys()


def test_every_row_has_texts_and_a_status_of_an_error(app):
    with app.test_request_context("/en/"):
        for code, problem in PROBLEMS.items():
            assert 400 <= problem.status < 600, code
            assert min(len(str(text)) for text in (problem.title, problem.happened, problem.to_do)) > 10, code


def test_a_problem_as_json_is_json(client):
    assert json.loads(client.get("/en/nowhere", headers=PROGRAM).data)["title"] == "There is no such page"


def test_too_many_fields_are_not_called_too_large_a_file(client):
    form = {"csrf_token": token(client), **{f"field{number}": "x" for number in range(MAX_FORM_PARTS + 1)}}
    response = client.post("/en/result", data=form, content_type="multipart/form-data")
    assert response.status_code == 400
    assert "This request cannot be understood" in response.text
