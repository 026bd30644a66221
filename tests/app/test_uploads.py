"""Whatever is sent stays in memory."""

import contextlib
import gc
import io
import os
import sys
import tempfile
import time
import tracemalloc
from urllib.parse import urlencode

import flask
import numpy as np
import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app.uploads import MissingPhoto, UploadRequest, read_photo
from tests.app.conftest import encode, send, token

_armed = False
URL_ENCODED = "application/x-www-form-urlencoded"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def _refuse_writes(event: str, arguments: tuple) -> None:
    """Python tells of every file that it is about to open; while armed, opening one to write fails."""
    if _armed and event == "open" and arguments[2] & WRITING:
        raise OSError("something tried to write a file")
    if _armed and event.startswith("tempfile."):
        raise OSError("something tried to make a temporary file")


sys.addaudithook(_refuse_writes)


@contextlib.contextmanager
def no_file_can_be_written():
    global _armed
    _armed = True
    try:
        yield
    finally:
        _armed = False


@pytest.fixture(scope="module")
def large_photo() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), "PNG")
    assert len(content) > 1_000_000
    return content


def test_the_trap_catches_every_way_to_write_a_file(tmp_path):
    ways = [
        lambda: (tmp_path / "a").open("w"),
        lambda: os.open(tmp_path / "b", os.O_CREAT),
        tempfile.TemporaryFile,
        lambda: tempfile.mkdtemp(),
    ]
    for way in ways:
        with no_file_can_be_written(), pytest.raises(OSError, match="something tried"):
            way()


def test_a_large_upload_is_answered_while_no_file_can_be_written(client, photo, large_photo):
    send(client, photo)  # what is imported on first use is imported now
    with no_file_can_be_written():
        answer = send(client, large_photo)
    assert answer.status_code == 200
    assert "data:image/jpeg;base64," in answer.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the file that could not be made
def test_without_our_request_class_the_same_upload_would_touch_the_disk(app, photo, large_photo):
    app.request_class = flask.Request
    client = app.test_client()
    send(client, photo)
    with no_file_can_be_written():
        assert send(client, large_photo).status_code == 500
    gc.collect()


@pytest.mark.parametrize("field", ["photo", "other"])
def test_every_file_of_a_form_stays_in_memory(app, large_photo, field):
    boundary, body = encode_multipart({field: FileStorage(io.BytesIO(large_photo), "x")})
    request = app.test_request_context(
        "/", method="POST", data=body, content_type=f"multipart/form-data; boundary={boundary}"
    )
    with request, no_file_can_be_written():
        assert isinstance(flask.request.files[field].stream, io.BytesIO)


def test_the_first_field_that_was_filled_in_counts(app):
    camera_left_empty = {"photo": [(io.BytesIO(b""), ""), (io.BytesIO(b"chosen"), "b.jpg")]}
    with app.test_request_context("/", method="POST", data=camera_left_empty):
        assert read_photo(flask.request) == b"chosen"


@pytest.mark.parametrize(
    "path", ["/en/result", "/api/v1/answer", "/api/v1/answers", "/en/clinician/photo", "/en/clinician"]
)
def test_an_upload_is_held_once(client, path):
    content = b"no photo" * 2_500_000
    send_small = {"csrf_token": token(client), "photo": (io.BytesIO(b"no photo"), "x.jpg")}
    client.post(path, data=send_small)  # what is imported on first use is imported now
    boundary, body = encode_multipart(
        {"csrf_token": token(client), "photo": FileStorage(io.BytesIO(content), "x.jpg", "image/jpeg")}
    )
    tracemalloc.start()
    try:
        client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(content) < peak < 1.5 * len(content)


@pytest.mark.parametrize("form", [{}, {"photo": "text instead of a file"}, {"photo": (io.BytesIO(b""), "")}])
def test_a_form_without_a_chosen_file_misses_its_photo(app, form):
    with app.test_request_context("/", method="POST", data=form), pytest.raises(MissingPhoto):
        read_photo(flask.request)


def test_a_form_of_very_many_or_very_long_fields_is_refused(client):
    fields = {"csrf_token": token(client)}
    many = client.post("/en/result", data={**fields, **{f"f{i}": "x" for i in range(50)}},
                       content_type="multipart/form-data")  # fmt: skip
    boundary, body = encode_multipart({**fields, "answer": "x" * 2_000_000})
    long = client.post("/en/result", data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert (many.status_code, long.status_code) == (400, 400)


PART = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n'


@pytest.mark.parametrize(
    "body",
    [
        (PART + b"\r\n\r\n") * 50_000,
        PART + b"X: y\r\n" * 500_000,
        PART[:-2] + b"; a=" + b'"\\"' * 1_000_000,
        PART + b"\r\n" + b"\r\n" * 2_000_000,
        PART + b"\r\n" + b"\r\n--" * 1_000_000,
        b"\r\n" * 2_000_000,
    ],
    ids=["parts", "headers", "parameters", "line ends", "nearly boundaries", "before the first part"],
)
def test_a_form_made_to_be_hard_to_read_is_refused_in_no_time(client, body):
    started = time.thread_time()
    answer = client.post("/en/result", data=body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "body", [b"a&" * 10_000_000, b"a=&" * 300_000, b"a=" + b"%ff" * 600_000, b"a=" + b"x" * 3_000_000, b"a=\xff"]
)
@pytest.mark.parametrize("path", ["/en/clinician/table", "/api/v1/answer"])
def test_a_form_without_files_is_held_to_the_same_limits(client, path, body):
    started = time.thread_time()
    answer = client.post(path, data=body, content_type=URL_ENCODED, headers={"Accept": "application/problem+json"})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert time.thread_time() - started < 1


def test_a_form_without_files_may_bring_back_a_thousand_long_names(client):
    names = "\n".join(f"damaged_image {number:04} {'родинка ' * 14}" for number in range(1000))
    body = urlencode({"csrf_token": token(client), "failed": names})
    assert len(body) > 600_000
    page = client.post("/en/clinician/table", data=body, content_type=URL_ENCODED)
    assert page.text.count("<li data-failed=") == 1000


def test_the_site_uses_the_request_class(app):
    assert app.request_class is UploadRequest
