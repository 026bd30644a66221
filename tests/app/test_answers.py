"""An answer that a browser carried is ours and unchanged, or it is not shown."""

import dataclasses
import datetime
import io

import itsdangerous
import numpy as np
import pytest
from PIL import Image

from app import answers
from app.answers import Answer, AnswerExpired
from tests.app.conftest import WATCH, encode, evidence_of, token

ANSWER = Answer(
    evidence_of(tuple(map(float, WATCH)), "phone"),
    ("too_dark",),
    ("blurred", "glare"),
    encode(Image.new("RGB", (38, 38))),
    (((0, 0, 12), (0, 255, 40)),) * 8,
    day=datetime.date(2026, 2, 27),
)


def test_a_sealed_answer_comes_back_as_it_was(app):
    with app.test_request_context("/"):
        assert answers.unseal(answers.seal(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    "change", [lambda text: "A" + text, lambda text: text[:-3], lambda text: "", lambda text: "x.y.z"]
)
def test_a_changed_one_is_refused(app, change):
    with app.test_request_context("/"), pytest.raises(AnswerExpired):
        answers.unseal(change(answers.seal(ANSWER)))


def test_one_of_another_bundle_is_refused(app):
    with app.test_request_context("/"):
        sealed = answers.seal(ANSWER)
        classifier = app.extensions["classifier"]
        other = dataclasses.replace(classifier.bundle, id="0" * 64)
        app.extensions["classifier"] = dataclasses.replace(classifier, bundle=other)
        with pytest.raises(AnswerExpired):
            answers.unseal(sealed)


def test_one_of_another_site_is_refused(make_app):
    with make_app(secret_key="one" * 20).test_request_context("/"):
        sealed = answers.seal(ANSWER)
    with make_app(secret_key="two" * 20).test_request_context("/"), pytest.raises(AnswerExpired):
        answers.unseal(sealed)


def test_an_old_one_is_refused(app, monkeypatch):
    with app.test_request_context("/"):
        sealed = answers.seal(ANSWER)
        now = itsdangerous.TimestampSigner("key").get_timestamp()
        later = now + answers.LIFETIME_S
        monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda signer: later - 60)
        assert answers.unseal(sealed) == ANSWER
        monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda signer: later + 60)
        with pytest.raises(AnswerExpired):
            answers.unseal(sealed)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("site"),
        lambda content: content.pop("day"),
        lambda content: content.update(day="tomorrow"),
        lambda content: content.pop("evidence"),
        lambda content: content.update(evidence=[1.0, 2.0]),
        lambda content: content["evidence"].update(logits=[0.0] * 7),
        lambda content: content["evidence"].update(source="telescope"),
        lambda content: content.update(mild=["too_noisy"]),
        lambda content: content.update(severe=None),
        lambda content: content.update(source="telescope"),
        lambda content: content.update(site="tail"),
        lambda content: content.update(photo="no base64"),
    ],
)
def test_one_that_another_version_of_the_site_sealed_is_refused_and_the_photo_asked_for_again(client, app, change):
    with app.test_request_context("/"):
        content = answers._serializer().loads(answers.seal(ANSWER))
        change(content)
        sealed = answers._serializer().dumps(content)
    for path in ("answer", "letter", "letter.pdf"):
        response = client.post(f"/en/{path}", data={"csrf_token": token(client), "answer": sealed})
        assert response.status_code == 400
        assert "send the photo again" in response.text


def test_a_token_of_another_kind_is_no_answer(app):
    with app.test_request_context("/"):
        token = itsdangerous.URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token").dumps("x")
        with pytest.raises(AnswerExpired):
            answers.unseal(token)


def test_the_photo_is_encoded_close_to_what_the_network_gets(draw_photo):
    prepared = np.asarray(draw_photo(size=(380, 380)), dtype=np.float32)
    encoded = answers.jpeg(prepared)
    shown = np.asarray(Image.open(io.BytesIO(encoded)), dtype=np.float32)
    assert shown.shape == prepared.shape
    assert np.abs(shown - prepared).mean() < 5
