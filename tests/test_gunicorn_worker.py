"""The real gunicorn with our worker, around a site of a few lines and around ours, against slow clients."""

import contextlib
import os
import re
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

import gunicorn_worker
from app import places, security

ROOT = Path(__file__).parent.parent
THREADS = 2
CONNECTIONS = 60
LONG = 20_000_000  # bytes; more than the system takes for a client that does not
# The limits of gunicorn_worker.py, shortened so that a test need not wait for them.
LIMIT_S = 4
# Who had to wait for a thread that another client holds would wait for nearly the whole limit.
AT_ONCE_S = LIMIT_S / 2
SETTINGS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import gunicorn_worker
gunicorn_worker.HEAD_S = gunicorn_worker.BODY_S = gunicorn_worker.ANSWER_S = gunicorn_worker.REST_S = {LIMIT_S}
gunicorn_worker.WAITING_BYTES = {3 * LONG}
worker_class = gunicorn_worker.HardenedWorker
bind, threads, keepalive, control_socket_disable = "127.0.0.1:0", {THREADS}, 30, True
worker_connections = {CONNECTIONS}

def post_worker_init(worker):
    print("port", worker.sockets[0].getsockname()[1], flush=True)
"""
TIME_TO_TAKE_IT = "\ngunicorn_worker.ANSWER_S = 60\n"
FEW_FILES = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""
SITE = f"""
import time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/refused":
        start_response("503 Service Unavailable", [("Content-Length", "7")])
        return [b"refused"]
    if environ["PATH_INFO"] == "/broken":
        raise ValueError("marked")
    got = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"] == "/slow":
        time.sleep(5)
    content = b"x" * ({LONG} if environ["PATH_INFO"] == "/long" else 0) or b"got %d" % got
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"""


@contextlib.contextmanager
def serving(folder: Path, settings: str):
    """The port of a gunicorn that ends in order and was never restarted."""
    (folder / "settings.py").write_text(settings)
    (folder / "site_of_a_few_lines.py").write_text(SITE)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "settings.py", "site_of_a_few_lines"],
            cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        yield int(process.stdout.readline().split()[1])
    finally:
        process.terminate()
        status = process.wait(timeout=40)
        process.stdout.close()
    log = (folder / "log").read_text()
    assert status == 0
    assert "Traceback" not in log
    assert log.count("Booting worker") == 1


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("worker"), SETTINGS) as port:
        yield port


@pytest.fixture(scope="module")
def unhurried_port(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("worker"), SETTINGS + TIME_TO_TAKE_IT) as port:
        yield port


@pytest.fixture(scope="module")
def site_port(start_site, tiny_bundle):
    """The port of our own site with its own limits, few threads, and fewer places for uploads."""
    site = start_site(SKIN_BUNDLE=str(tiny_bundle), THREADS="4", SKIN_UPLOADS="2", SKIN_RATE_LIMIT="")
    yield int(site.url.rpartition(":")[2])
    assert site.stop() == 0


@contextlib.contextmanager
def clients(port: int, number: int, first: bytes):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.socket()) for _ in range(number)]
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)  # takes little that it does not read
            connection.settimeout(20)
            connection.connect(("127.0.0.1", port))
            connection.sendall(first)
        yield connections


def ask(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") -> tuple[bytes, float]:
    """The end of the answer, and how long it took, seconds."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        content = b""
        while data := connection.recv(65_536):
            content += data
    return content[-20:], time.monotonic() - started


def read_all(connection: socket.socket) -> bytearray:
    """What came until the connection was closed."""
    content = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1_000_000):
            content += data
    return content


def read_until(connection: socket.socket, words: bytes, times: int = 1) -> None:
    content = b""
    while content.count(words) < times:
        data = connection.recv(1000)
        assert data, content
        content += data


def is_cut_off(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "first",
    [b"", b"GE", b"GET / HTTP/1.1\r\nX: y\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 11_000],
    ids=["nothing", "a word", "half a head", "headers without end"],
)
def test_who_sends_no_whole_head_holds_no_thread_and_is_cut_off(port, first):
    with clients(port, 10 * THREADS, first) as connections:
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S
        assert all(map(is_cut_off, connections))


def test_a_head_in_pieces_is_put_together(port):
    with clients(port, 1, b"") as (connection,):
        for piece in (b"POST / HTTP/1.1\r\nHo", b"st: a\r\nContent-Length: 4\r", b"\n\r\nab", b"cd"):
            connection.sendall(piece)
            time.sleep(0.1)
        read_until(connection, b"got 4")


def test_who_sends_no_whole_small_body_holds_no_thread_and_is_cut_off(port):
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\n"
    with clients(port, 5 * THREADS, request) as first, clients(port, 5 * THREADS, request + b"abc" + request) as second:
        for connection in second:
            read_until(connection, b"got 3")
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S
        assert all(map(is_cut_off, first + second))


def test_when_all_connections_are_taken_a_new_one_gets_the_place_of_who_waits_longest(port):
    with clients(port, 2 * CONNECTIONS, b"GET / HTTP/1.1\r\n"):
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S


def test_where_no_file_can_be_opened_the_site_waits_and_goes_on(tmp_path):
    with serving(tmp_path, SETTINGS + FEW_FILES) as port:
        with clients(port, CONNECTIONS, b"GET / HTTP/1.1\r\n"):
            assert ask(port)[0].endswith(b"got 0")
        assert "No connection can be accepted" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("files", "connections"), [(20_000, 1000), (512, 332), (64, 32), (resource.RLIM_INFINITY, 1000)]
)
def test_no_more_connections_are_taken_than_files_can_be_opened(monkeypatch, files, connections):
    monkeypatch.delenv("THREADS", raising=False)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["worker_connections"] == connections


def test_a_connection_serves_many_requests_even_sent_at_once(port):
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    with clients(port, 1, request * 3) as (connection,):
        read_until(connection, b"got 3", times=3)
        connection.sendall(request)
        read_until(connection, b"got 3")


def test_half_a_head_behind_an_answered_request_holds_no_thread_and_is_served_once_it_is_whole(port):
    whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with clients(port, 2 * THREADS, whole + whole[:6]) as connections:
        for connection in connections:
            read_until(connection, b"got 0")
        time.sleep(0.2)
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S
        first, *others = connections
        first.sendall(whole[6:])
        read_until(first, b"got 0")
        assert all(map(is_cut_off, others))


@pytest.mark.parametrize("how", [b"Content-Length: 1000", b"Content-Length: 100000000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles_gives_its_thread_back(port, how):
    with clients(port, THREADS, b"POST / HTTP/1.1\r\nHost: a\r\n" + how + b"\r\n\r\n") as connections:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for connection in connections:
                connection.sendall(b"1\r\na\r\n")
            time.sleep(0.1)
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < 2 * LIMIT_S
        assert all(map(is_cut_off, connections))


def test_a_body_that_comes_at_the_pace_may_take_longer_than_the_first_seconds(port):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n"
    with clients(port, 1, head) as (connection,):
        for _ in range(50):
            connection.sendall(bytes(10_000))
            time.sleep(0.1)
        read_until(connection, b"got 500000")


def test_who_is_refused_in_the_middle_of_an_upload_sees_why_and_holds_no_thread(port):
    number, length = 5 * THREADS, 5_000_000
    with clients(port, number, b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length) as senders:
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S
        for sender in senders:
            for _ in range(50):
                sender.sendall(bytes(length // 50))  # all of it, before it looks for an answer
            read_until(sender, b"refused")
            assert is_cut_off(sender)


def test_who_sends_uploads_one_after_the_other_gets_an_answer_to_each_refused_one(port):
    url = f"http://127.0.0.1:{port}/"
    with requests.Session() as session:
        for _ in range(30):
            refused = session.post(url + "refused", data=bytes(150_000), timeout=20)
            assert (refused.text, refused.headers["Connection"]) == ("refused", "close")
        taken = session.post(url, data=bytes(150_000), timeout=20)
        assert (taken.text, taken.headers["Connection"]) == ("got 150000", "keep-alive")


def test_who_goes_on_sending_after_the_answer_is_cut_off(port):
    with clients(port, 1, b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n") as (sender,):
        read_until(sender, b"refused")
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < started + 20:
                sender.sendall(b"x")
                time.sleep(0.1)
        assert LIMIT_S / 2 < time.monotonic() - started < 3 * LIMIT_S


def test_who_waits_for_a_slow_answer_is_not_cut_off(port):
    request = b"POST /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    answer, seconds = ask(port, request)
    assert answer.endswith(b"got 3")
    assert seconds > 4


def test_who_does_not_take_the_answer_holds_no_thread_and_is_cut_off(port):
    with clients(port, THREADS, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n") as connections:
        time.sleep(0.5)
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S
        time.sleep(2 * LIMIT_S)
        assert all(len(read_all(connection)) < LONG for connection in connections)


def test_an_answer_that_is_taken_slowly_comes_whole_and_the_next_request_is_served(unhurried_port):
    with clients(unhurried_port, 1, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") as (
        connection,
    ):
        time.sleep(1)
        content = bytearray()
        while not content.endswith(b"got 0"):
            data = connection.recv(1_000_000)
            assert data
            content += data
        assert content.count(b"x") == LONG


def test_answers_that_nobody_takes_are_dropped_before_they_fill_the_memory(unhurried_port):
    with clients(unhurried_port, 8, b"GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as connections:
        time.sleep(1)
        whole = [len(read_all(connection)) > LONG for connection in connections]
        assert 0 < sum(whole) < len(whole)


def test_who_keeps_the_closed_connection_open_delays_nobody(port):
    with clients(port, 1, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as (connection,):
        read_until(connection, b"got 0")
        answer, seconds = ask(port)
        assert answer.endswith(b"got 0")
        assert seconds < AT_ONCE_S


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\nHost: a\r\n<marked>: x\r\n\r\n", b"GET / marked\r\n\r\n", b"\r\n\r\nmarked"],
    ids=["a header", "a version", "nothing"],
)
def test_what_is_no_request_is_refused_without_a_word_of_it_and_with_the_sites_headers(site_port, request_):
    with clients(site_port, 1, request_) as (connection,):
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"marked" not in answer
    for name, value in {**security.HEADERS, "Cache-Control": "no-store", "Connection": "close"}.items():
        assert f"\r\n{name}: {value}\r\n".encode() in answer


def test_a_mistake_outside_the_site_is_told_without_a_word_of_the_request_and_with_the_sites_headers(tmp_path):
    with serving(tmp_path, SETTINGS) as port:
        with clients(port, 1, b"GET /broken?marked HTTP/1.1\r\nHost: a\r\n\r\n") as (connection,):
            answer = read_all(connection)
        assert ask(port)[0].endswith(b"got 0")
    assert answer.startswith(b"HTTP/1.1 500 ")
    for name, value in {**security.HEADERS, "Cache-Control": "no-store", "Connection": "close"}.items():
        assert f"\r\n{name}: {value}\r\n".encode() in answer
    log = (tmp_path / "log").read_text()
    assert "marked" not in re.sub('raise ValueError\\("marked"\\)', "", log)  # the place may quote the code
    assert "failed outside the site with ValueError" in log


def test_a_site_that_is_told_to_stop_refuses_new_connections_and_ends_what_is_under_way(tmp_path):
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
    settings = SETTINGS + "\ngunicorn_worker.BODY_S = 30\npidfile = 'pid'\n"
    with serving(tmp_path, settings) as port, clients(port, 1, request) as (connection,):
        ask(port)  # the other connection was accepted before this one
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        assert refuses_connections(port)
        connection.sendall(b"rest")
        read_until(connection, b"got 4")


def refuses_connections(port: int) -> bool:
    """Whether a new connection is refused within ten seconds, so that a proxy asks another container."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.1)
    return False


FONT = b"GET /static/fonts/DejaVuSansCondensed.ttf HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORM = b"POST /en/result HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize(
    "first",
    [
        FORM + b"Content-Length: 90000\r\n\r\n",
        FORM + b"Content-Length: 90000\r\nExpect: 100-continue\r\n\r\n",
        FORM + b"Content-Length: 900000\r\n\r\n",
        FORM + b"Transfer-Encoding: chunked\r\n\r\n",
        12 * FONT,
    ],
    ids=["a small body", "a small body to be asked for", "a large body", "chunks", "not taken"],
)
def test_the_site_answers_while_more_clients_are_slow_than_it_has_threads(site_port, first):
    with clients(site_port, 12, first):
        time.sleep(1)
        answer, seconds = ask(site_port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"alive" in answer
        assert seconds < 10  # the limits are 20 and 60


@pytest.mark.parametrize("path", [b"/en/result", b"/api/v1/answer"])
def test_of_a_form_that_does_not_come_whole_nothing_else_is_said(site_port, path):
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    head += b"Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 900000\r\n\r\n"
    part = b'--a\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + bytes(200_000)
    with clients(site_port, 1, head + part) as (connection,):
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert re.match(rb"HTTP/1.1 400 .*\"code\": ?\"body_cut_off\"", answer, re.DOTALL)


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"3\r\nabcXX\r\n", b"3;\r\nabc\r\n", b"0\r\nno trailer\r\n\r\n"])
def test_a_malformed_chunk_is_a_request_that_cannot_be_understood(site_port, chunks):
    head = b"POST /api/v1/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=a\r\n"
    with clients(site_port, 1, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks) as (connection,):
        answer = read_all(connection)
    assert re.match(rb"HTTP/1.1 400 .*\r\nConnection: close\r\n.*\"code\": ?\"bad_request\"", answer, re.DOTALL)


def test_a_body_that_takes_no_place_is_here_before_a_thread_is_given():
    assert places.SMALL_BYTES <= gunicorn_worker.SMALL_BODY_BYTES
