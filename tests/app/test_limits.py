"""One address may send so much and no more; where that is counted, and what happens when the counter is gone."""

import logging
import shutil
import signal
import socket
import subprocess
import time

import pytest
import redis

from app.limits import WITHOUT_PHOTO_FACTOR, client_key
from tests.app.conftest import WATCH, send
from tests.app.series import post as post_form
from tests.app.series import send_files, series
from tests.app.test_api import post
from tests.app.test_archives import packed
from tests.app.test_patient import answer_of, ask_again

FEW = "3 per minute"


def statuses(client, times: int, address: str = "203.0.113.7") -> list[int]:
    return [post(client, b"", environ_base={"REMOTE_ADDR": address}).status_code for _ in range(times)]


def test_after_its_share_an_address_is_told_when_to_come_again(make_app, photo):
    client = make_app(answering=WATCH, rate_limit=FEW).test_client()
    assert statuses(client, 4) == [422, 422, 422, 429]
    answer = post(client, photo, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    assert answer.json["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json["seconds"] == int(answer.headers["Retry-After"])


def test_each_photo_of_a_request_counts(make_app):
    client = make_app(answering=WATCH, rate_limit="10 per minute").test_client()
    several = "/api/v1/answers"
    answers = [post(client, *[b""] * photos, path=several).status_code for photos in (4, 5, 1)]
    assert answers == [200] * 3
    assert post(client, b"", path=several).status_code == 429


def test_a_request_with_more_photos_than_are_left_is_told_when_to_come_again(make_app):
    client = make_app(answering=WATCH, rate_limit="10 per minute").test_client()
    answer = post(client, *[b""] * 11, path="/api/v1/answers")
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_each_photo_of_a_clinicians_form_counts(make_app):
    client = make_app(answering=WATCH, rate_limit="10 per minute").test_client()
    files = {f"{number}.jpg": b"no photo" for number in range(5)}
    assert [send_files(client, files).status_code for _ in range(3)] == [200, 200, 429]


def test_each_photo_of_an_archive_counts_up_to_those_that_are_answered(make_app):
    client = make_app(answering=WATCH, rate_limit="30 per minute").test_client()
    archives = [packed({f"{number}.jpg": b"no photo" for number in range(photos)}) for photos in (50, 10, 1)]
    assert [send_files(client, {"all.zip": archive}).status_code for archive in archives] == [200, 200, 429]


def test_a_visitor_gets_the_same_as_a_page_before_the_photo_is_looked_at(make_app, photo):
    client = make_app(answering=WATCH, rate_limit="1 per minute").test_client()
    assert send(client, photo).status_code == 200
    answer = send(client, photo)
    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert "Too many photos from one place</h1>" in answer.text


def test_what_was_answered_can_be_opened_and_exported_after_the_last_photo_too(make_app, photo):
    client = make_app(answering=WATCH, rate_limit="2 per minute; 100 per hour").test_client()
    carried = series(client, {"1.jpg": photo, "2.jpg": photo})
    assert send_files(client, {"3.jpg": photo}).status_code == 429
    for path in ("row", "summary", "table", "export/csv", "export/pdf"):
        assert post_form(client, f"/en/clinician/{path}", *carried).status_code == 200, path


def test_another_language_counts_as_no_photo_and_takes_no_answer_away(make_app, photo):
    client = make_app(answering=WATCH, rate_limit="2 per minute").test_client()
    assert [send(client, photo).status_code for _ in range(3)] == [200, 200, 429]
    for language in ("ru", "kk", "en"):
        assert ask_again(client, answer_of(WATCH), f"/{language}/answer").status_code == 200
        assert post_form(client, f"/{language}/clinician/table", ("failed", "empty_file a.jpg")).status_code == 200


@pytest.mark.parametrize("path", ["result", "clinician", "clinician/photo"])
def test_an_answer_beside_a_photo_makes_it_no_cheaper(make_app, photo, path):
    client = make_app(answering=WATCH, rate_limit="1 per minute").test_client()
    carried = {"answer": "kept", "case": "kept", "failed": "kept"}
    seen = [send_files(client, {"a.jpg": photo}, f"/en/{path}", **carried).status_code for _ in range(2)]
    assert seen == [200, 429]


@pytest.mark.parametrize("path", ["answer", "clinician/table"])
def test_where_answers_come_back_no_photo_is_looked_at(make_app, photo, path, monkeypatch):
    client = make_app(answering=WATCH).test_client()
    monkeypatch.setattr(client.application.extensions["inference"], "submit", None)
    assert send_files(client, {"a.jpg": photo}, f"/en/{path}").status_code == (400 if path == "answer" else 200)


@pytest.mark.parametrize(
    ("path", "times"), [("letter.pdf", 6), ("clinician/export/pdf", 6), ("clinician/lesion.pdf", 12)]
)
def test_a_pdf_counts_by_the_time_that_it_takes(make_app, path, times):
    client = make_app(answering=WATCH, rate_limit="6 per minute").test_client()
    statuses = [post_form(client, f"/en/{path}").status_code for _ in range(times + 1)]
    assert 429 not in statuses[:times]
    assert statuses[times] == 429


def test_who_opens_and_prints_fifty_lesions_and_the_whole_series_in_one_minute_is_not_stopped(make_app):
    client = make_app(answering=WATCH).test_client()
    paths = ["table", *["open", "lesion.pdf"] * 50, "export/csv", "export/pdf", "person"]
    assert 429 not in [post_form(client, f"/en/clinician/{path}").status_code for path in paths]


def test_no_view_counts_so_much_that_a_low_limit_never_lets_it_through(app):
    weights = [getattr(view, "weight", 1) for view in app.view_functions.values()]
    assert 1 < max(weights) <= WITHOUT_PHOTO_FACTOR
    assert all(hasattr(view, "without_photo") for view in app.view_functions.values() if hasattr(view, "weight"))


def test_what_brings_no_photo_has_a_higher_limit_not_none(make_app):
    client = make_app(answering=WATCH, rate_limit=FEW).test_client()
    statuses = [post_form(client, "/en/clinician/summary").status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]


def test_other_addresses_and_reading_are_free(make_app):
    client = make_app(answering=WATCH, rate_limit=FEW).test_client()
    assert statuses(client, 4)[-1] == 429
    assert statuses(client, 1, address="203.0.113.8") == [422]
    assert [client.get("/en/").status_code for _ in range(5)] == [200] * 5


def test_without_a_limit_everything_is_answered(make_app):
    assert statuses(make_app(answering=WATCH, rate_limit="").test_client(), 70) == [422] * 70


def test_the_address_is_kept_as_a_hash_that_depends_on_the_key(make_app):
    keys = set()
    for key in ("a" * 32, "b" * 32):
        with make_app(answering=WATCH, secret_key=key).test_request_context(
            environ_base={"REMOTE_ADDR": "203.0.113.7"}
        ):
            keys.add(client_key())
    assert len(keys) == 2
    assert not any("203" in key and "113" in key for key in keys)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7:51234", "203.0.113.7:51235", True),  # some proxies add the port
        ("[2001:db8::1]:51234", "2001:db8::1", True),
        ("203.0.113.7:51234", "203.0.113.8:51234", False),
        ("unknown", "", True),
    ],
)
def test_one_client_has_one_key(app, one, other, same):
    keys = []
    for address in (one, other):
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            keys.append(client_key())
    assert (keys[0] == keys[1]) is same


def test_the_log_holds_neither_address_nor_key(make_app, caplog):
    client = make_app(answering=WATCH, rate_limit=FEW).test_client()
    with caplog.at_level(logging.INFO):
        statuses(client, 4)
    with client.application.test_request_context(environ_base={"REMOTE_ADDR": "203.0.113.7"}):
        assert client_key() not in caplog.text
    assert "203.0.113.7" not in caplog.text


class RedisServer:
    """A real Redis on a free port of this machine, that keeps nothing on a disk."""

    def __init__(self, folder) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"],
            cwd=self.folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with redis.Redis(port=self.port) as connection:
                    connection.ping()
                return
            except redis.exceptions.ConnectionError:
                time.sleep(0.05)
        pytest.fail("Redis did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture
def redis_server(tmp_path):
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is missing: apt-get install redis-server")
    server = RedisServer(tmp_path)
    yield server
    server.stop()


def test_several_containers_count_photos_together_in_redis_and_each_for_itself_without_it(make_app, redis_server):
    sites = [
        make_app(answering=WATCH, rate_limit="10 per minute", rate_limit_storage=redis_server.url).test_client()
        for _ in range(2)
    ]
    many = {"path": "/api/v1/answers"}
    assert [post(site, *[b""] * 5, **many).status_code for site in (*sites, sites[0])] == [200, 200, 429]
    redis_server.stop()
    assert [post(sites[0], *[b""] * 5, **many).status_code for _ in range(3)] == [200, 200, 429]


def test_several_containers_count_together_in_redis_and_redis_forgets(make_app, redis_server):
    sites = [
        make_app(answering=WATCH, rate_limit=FEW, rate_limit_storage=redis_server.url).test_client() for _ in range(2)
    ]
    assert [statuses(sites[number % 2], 1)[0] for number in range(4)] == [422, 422, 422, 429]
    with redis.Redis(port=redis_server.port, decode_responses=True) as connection:
        keys = connection.keys()
        assert keys
        for key in keys:
            assert "203.0.113.7" not in key
            assert 0 < connection.ttl(key) <= 60


def test_when_redis_is_gone_each_site_counts_for_itself_and_says_so_once(make_app, redis_server, caplog):
    client = make_app(answering=WATCH, rate_limit=FEW, rate_limit_storage=redis_server.url).test_client()
    assert statuses(client, 1) == [422]
    redis_server.stop()
    with caplog.at_level(logging.WARNING):
        assert statuses(client, 4) == [422, 422, 422, 429]
    lines = [record for record in caplog.records if record.name == "flask-limiter"]
    assert [line.getMessage() for line in lines] == [
        "Rate limit storage unreachable - falling back to in-memory storage"
    ]


def test_when_redis_is_back_the_sites_count_in_it_again(make_app, redis_server):
    client = make_app(answering=WATCH, rate_limit="1000 per hour", rate_limit_storage=redis_server.url).test_client()
    redis_server.stop()
    assert statuses(client, 1) == [422]
    redis_server.start()
    with redis.Redis(port=redis_server.port) as connection:
        deadline = time.monotonic() + 30
        while not connection.keys() and time.monotonic() < deadline:
            assert statuses(client, 1) == [422]
            time.sleep(0.2)
        assert connection.keys()


def test_nobody_waits_long_for_a_redis_that_hangs(make_app, redis_server):
    client = make_app(answering=WATCH, rate_limit="1000 per hour", rate_limit_storage=redis_server.url).test_client()
    assert statuses(client, 1) == [422]
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert statuses(client, 20) == [422] * 20
        assert time.monotonic() - started < 10  # not half a second for each
    finally:
        redis_server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("jump_s", [-86_400, -60, 86_400])
def test_a_clock_that_is_put_right_locks_nobody_out(make_app, monkeypatch, jump_s):
    client, now = make_app(answering=WATCH, rate_limit=FEW).test_client(), time.time
    assert statuses(client, 4) == [422, 422, 422, 429]
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    assert statuses(client, 4) == [422, 422, 422, 429]


def test_a_redis_that_is_missing_from_the_start_stops_nothing(make_app):
    client = make_app(answering=WATCH, rate_limit=FEW, rate_limit_storage="redis://127.0.0.1:1/0").test_client()
    assert statuses(client, 4) == [422, 422, 422, 429]
