"""What a probe learns: alive, ready, and with which model."""


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


def test_a_probe_leaves_no_cookie_and_comes_by_address(client):
    response = client.get("/readyz", headers={"Host": "10.1.2.3:8000"})
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
