"""The bench times full answers alone; that its photos get one is in tests/test_shipped_bundle.py."""

import pytest

from benchmarks.site import Client, is_full_answer
from tests.app.conftest import (  # noqa: F401 (three are fixtures)
    STRANGE,
    URGENT,
    WATCH,
    classifier,
    make_app,
    photo,
    send,
)


def page(make_app, photo, answering) -> bytes:  # noqa: F811
    answer = send(make_app(answering=answering).test_client(), photo)
    assert answer.status_code == 200
    return answer.data


@pytest.mark.parametrize("answering", [WATCH, URGENT])
def test_advice_with_all_diagnoses_is_a_full_answer(make_app, photo, answering):  # noqa: F811
    assert is_full_answer(page(make_app, photo, answering))


def test_a_photo_that_is_not_judged_is_not_timed(make_app, photo, monkeypatch):  # noqa: F811
    short = page(make_app, photo, STRANGE)
    assert not is_full_answer(short)
    client = Client(port=0)
    monkeypatch.setattr(client, "_token", "a token")
    monkeypatch.setattr(client, "_post", lambda *_: (200, short))
    with pytest.raises(RuntimeError, match="did not judge"):
        client.send_form(photo)


def test_a_refusal_is_counted_not_judged(monkeypatch):
    client = Client(port=0)
    monkeypatch.setattr(client, "_token", "a token")
    monkeypatch.setattr(client, "_post", lambda *_: (503, b"come again"))
    assert client.send_form(b"a photo") == 503
