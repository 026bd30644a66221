"""What a probe learns: alive, ready, and with which model."""

import time

import pytest


def test_a_site_that_answers_photos_is_alive_and_ready_with_its_bundle(client):
    assert client.get("/livez").json == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json["status"] == "ready"
    assert (ready.json["bundle"], ready.json["version"]) == ("tiny", "1.0.0")
    assert len(ready.json["bundle_id"]) == 64


def test_a_site_that_answers_no_photos_any_more_is_alive_but_not_ready(app):
    app.extensions["inference"].close()
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_a_site_whose_model_hangs_is_alive_but_not_ready(app, monkeypatch):
    monkeypatch.setattr(app.extensions["inference"], "_began", time.monotonic() - 1000)
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("address", ["203.0.113.7", "", "203.0.113.7:51234"])
def test_for_an_address_that_is_not_allowed_or_that_nobody_can_read_there_are_no_metrics(client, address):
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 404


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_an_allowed_address_reads_the_metrics_also_where_the_site_listens_on_ipv6(client, address):
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 200


def test_a_probe_leaves_no_cookie_and_comes_by_address(client):
    response = client.get("/readyz", headers={"Host": "10.1.2.3:8000"})
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
