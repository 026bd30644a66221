"""Uploads and decoding have a bounded number of places, and get them back whatever happens."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import judging, places
from app.inference import ClientGone, Overloaded
from tests.app.conftest import WATCH, send


def free(app, name: str) -> int:
    """How many places are free; takes and gives back each."""
    semaphore, number = app.extensions[name], 0
    while semaphore.acquire(blocking=False):
        number += 1
    for _ in range(number):
        semaphore.release()
    return number


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff broken"])
def test_an_upload_gives_its_place_back_however_it_ends(make_app, photo, content):
    app = make_app(answering=WATCH, uploads=2, decoding=2)
    client = app.test_client()
    for sent in (photo, content, b"x" * 200_000):
        send(client, sent)
        client.post("/en/result", data=b"y" * 200_000)
    assert (free(app, "upload_places"), free(app, "decoding_places")) == (2, 2)


def test_an_upload_without_a_place_is_refused_at_once_while_pages_are_answered(make_app, photo):
    app = make_app(answering=WATCH, uploads=1)
    client = app.test_client()
    large = photo + b"\0" * places.SMALL_BYTES
    with app.extensions["upload_places"]:
        answer = send(client, large)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "Too many people are asking right now" in answer.text
        assert client.get("/en/").status_code == client.get("/livez").status_code == 200
    assert send(client, large).status_code == 200


def test_a_small_photo_needs_a_place_as_well_and_gives_it_back(make_app, photo):
    app = make_app(answering=WATCH, uploads=1)
    client = app.test_client()
    assert len(photo) < places.SMALL_BYTES
    with app.extensions["upload_places"]:
        answer = send(client, photo)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert client.post("/en/result", data={"a": "form"}).status_code == 400  # a form without a photo needs none
    assert send(client, photo).status_code == 200
    assert free(app, "upload_places") == 1


def test_a_small_body_that_is_still_to_be_asked_for_needs_a_place(make_app):
    app = make_app(answering=WATCH, uploads=1)
    client = app.test_client()
    with app.extensions["upload_places"]:
        answer = client.post("/en/result", data={"a": "form"}, headers={"Expect": "100-continue"})
        assert answer.status_code == 503


def test_only_so_many_photos_are_decoded_at_once(make_app, photo, monkeypatch):
    app = make_app(answering=WATCH, decoding=2)
    at_once, most, lock = 0, 0, threading.Lock()
    open_photo = judging.open_photo

    def counting(data):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return open_photo(data)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(judging, "open_photo", counting)
    with ThreadPoolExecutor(6) as visitors:
        answers = list(visitors.map(lambda _: send(app.test_client(), photo), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert most <= 2


def test_who_waits_too_long_for_decoding_is_refused(make_app):
    app = make_app(answering=WATCH, decoding=1, deadline_s=0.1)
    with app.test_request_context("/en/"), places.decoding(), pytest.raises(Overloaded), places.decoding():
        pass


def test_who_hangs_up_while_waiting_for_decoding_waits_no_longer(make_app, monkeypatch):
    app = make_app(answering=WATCH, decoding=1, deadline_s=600)
    monkeypatch.setattr(places, "client_is_there", lambda: False)
    with app.test_request_context("/en/"), places.decoding(), pytest.raises(ClientGone), places.decoding():
        pass
    assert free(app, "decoding_places") == 1


def test_a_client_counts_as_there_where_it_cannot_be_told(app):
    with app.test_request_context("/en/"):
        assert places.client_is_there()
