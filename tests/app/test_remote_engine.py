"""What a visitor is told while the inference server that a site asks is slow, failing or gone."""

import time

import pytest

from model_store.bundle import MODEL
from model_store.engines import remote
from tests.app.conftest import send
from tests.model_store.engines.test_remote import Server

OPEN_S = 4.0  # longer than a busy machine needs for the next photo


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def client(make_app, tiny_bundle, server, monkeypatch):
    monkeypatch.setattr(remote, "OPEN_S", OPEN_S)
    return make_app(engine=remote.RemoteEngine(tiny_bundle / MODEL, server.url, timeout_s=2)).test_client()


def assert_our_fault(answer) -> None:
    assert answer.status_code == 503
    assert "The model could not answer</h1>" in answer.text


def test_with_a_slow_inference_server_a_visitor_is_told_so_in_time(client, server, photo):
    server.delay_s = 30
    started = time.monotonic()
    assert_our_fault(send(client, photo))
    assert time.monotonic() - started < 15


def test_with_a_failing_inference_server_visitors_are_told_at_once_until_it_is_back(client, server, photo):
    server.status = 500
    for _ in range(remote.FAILURES_UNTIL_OPEN):
        assert_our_fault(send(client, photo))
    asked = server.asked
    assert_our_fault(send(client, photo))
    assert server.asked == asked
    server.status = 200
    time.sleep(OPEN_S + 0.1)
    assert send(client, photo).status_code == 200


def test_with_an_inference_server_that_is_gone_a_visitor_is_told_so(make_app, tiny_bundle, photo):
    server = Server()
    client = make_app(engine=remote.RemoteEngine(tiny_bundle / MODEL, server.url, timeout_s=1)).test_client()
    server.stop()
    for _ in range(2):
        assert_our_fault(send(client, photo))
    assert client.get("/readyz").status_code == 200  # it answers again as soon as the server does
