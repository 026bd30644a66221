"""Headers of every answer, cookies, host names, proxies and forged forms."""

import io
import re
import time

import pytest

from tests.app.conftest import WATCH, send, token


def parsed_policy(response) -> dict[str, str]:
    parts = response.headers["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def answers_of_every_kind(client, photo):
    yield client.get("/")
    yield client.get("/en/")
    yield client.get("/livez")
    yield client.get("/nowhere")
    yield client.post("/en/result", data={})
    yield send(client, photo)
    yield send(client, b"no photo")
    with client.get("/static/site.css") as response:
        yield response


def test_every_answer_carries_the_headers(client, photo):
    for response in answers_of_every_kind(client, photo):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in response.headers["Permissions-Policy"]
        policy = parsed_policy(response)
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in response.headers


def test_an_answer_to_an_upload_is_stored_nowhere(client, photo):
    assert send(client, photo).headers["Cache-Control"] == "no-store"
    assert send(client, b"no photo").headers["Cache-Control"] == "no-store"


def test_the_cookie_is_for_this_site_alone_and_for_no_script(client):
    cookie = client.get("/en/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert "Expires" not in cookie  # it ends with the browser


@pytest.mark.parametrize("path", ["/en/about", "/en/conditions", "/livez", "/nowhere"])
def test_pages_without_a_form_set_no_cookie(client, path):
    assert "Set-Cookie" not in client.get(path).headers


def test_behind_a_trusted_proxy_with_tls_everything_is_secure(make_app, photo):
    client = make_app(answering=WATCH, proxies=1, hosts=("skin.example",)).test_client()
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "skin.example", "X-Forwarded-For": "192.0.2.7"}
    page = client.get("/en/", headers=headers)
    assert "Secure" in page.headers["Set-Cookie"]
    assert page.headers["Strict-Transport-Security"] == "max-age=63072000"
    # Browsers send no Referer here, since the page tells them not to: the form must work without one.
    form = {
        "csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page.text).group(1),
        "photo": (io.BytesIO(photo), "a.jpg"),
    }
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    response = client.post("/en/result", data=form, headers={**headers, "Cookie": cookie})
    assert response.status_code == 200


def test_without_a_configured_proxy_nobody_is_believed_to_be_one(make_app):
    client = make_app(answering=WATCH).test_client()
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost", "X-Forwarded-For": "192.0.2.7"}
    page = client.get("/en/", headers=headers)
    assert "Secure" not in page.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in page.headers
    assert client.get("/en/", headers={**headers, "Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("[::1]", 200),
     ("evil.example", 400), ("localhost.evil.example", 400), ("evil.example#localhost", 400), ("", 400), ("a b", 400),
     ("localhost:99999", 400), ("localhost/../x", 400)],
)  # fmt: skip
def test_the_site_answers_to_its_own_names_alone(client, host, status):
    response = client.get("/en/", headers={"Host": host})
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if status == 400:
        assert response.mimetype == "text/plain"
        assert "evil" not in response.text
        assert 'skin_requests_total{outcome="host_unknown"' in client.get("/metrics").text


@pytest.mark.parametrize("host", ["evil.example", "evil.example#localhost", "", "a b", "[::1", "localhost/../x"])
@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [("GET", "/api/v1/openapi.json", "*/*"), ("POST", "/api/v1/answer", "*/*"), ("GET", "/en/", "application/json")],
)
def test_a_program_that_asks_under_another_name_gets_a_problem_without_that_name(client, host, method, path, accept):
    answer = client.open(path, method=method, headers={"Host": host, "Accept": accept})
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json["code"] == "host_unknown"
    assert "evil" not in answer.text


def test_a_configured_name_may_stand_for_all_below_it(make_app):
    client = make_app(answering=WATCH, hosts=(".gov.example",)).test_client()
    assert client.get("/en/", headers={"Host": "skin.gov.example"}).status_code == 200
    assert client.get("/en/", headers={"Host": "localhost"}).status_code == 400


@pytest.mark.parametrize("forged", ["", "nonsense"])
def test_a_form_of_another_site_is_refused(client, photo, forged):
    client.get("/en/")
    form = {"csrf_token": forged, "photo": (io.BytesIO(photo), "a.jpg")}
    response = client.post("/en/result", data=form)
    assert response.status_code == 400
    assert "The page was open too long" in response.text


@pytest.mark.parametrize(
    ("jump_s", "status"), [(3600, 200), (86_400, 400), (-3600, 400)], ids=["an hour on", "a day on", "an hour back"]
)
def test_after_a_jump_of_the_clock_a_page_is_at_most_to_be_opened_again(make_app, photo, monkeypatch, jump_s, status):
    client, now = make_app(answering=WATCH).test_client(), time.time
    opened_before = token(client)
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    form = {"csrf_token": opened_before, "photo": (io.BytesIO(photo), "spot.jpg")}
    answer = client.post("/en/result", data=form, content_type="multipart/form-data")
    assert answer.status_code == status
    assert ("The page was open too long" in answer.text) is (status == 400)
    assert send(client, photo).status_code == 200


def test_a_token_of_another_visitor_is_refused(app, photo):
    stranger, visitor = app.test_client(), app.test_client()
    visitor.get("/en/")
    form = {"csrf_token": token(stranger), "photo": (io.BytesIO(photo), "a.jpg")}
    assert visitor.post("/en/result", data=form).status_code == 400


def test_the_secret_key_stands_on_no_page(app, client, photo):
    for response in answers_of_every_kind(client, photo):
        assert app.secret_key not in response.text
