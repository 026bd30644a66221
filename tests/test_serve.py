"""A real gunicorn process, with the settings that operators run, answers a real upload and stops in order."""

import contextlib
import io
import json
import os
import platform
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import requests
from PIL import Image

ROOT = Path(__file__).parent.parent
FILE_NAME = "my-left-shoulder.png"
CAMERA = "Marked-Camera-4711"


@pytest.fixture(scope="module")
def temporary_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("TMPDIR")


@pytest.fixture(scope="module")
def site(start_site, tiny_bundle, temporary_folder):
    return start_site(SKIN_BUNDLE=str(tiny_bundle), TMPDIR=str(temporary_folder))


@pytest.fixture(scope="module")
def photo(draw_photo) -> bytes:
    """A lesion drawn at a phone's resolution, of more than the 500 kB that Werkzeug would spool to a disk."""
    exif = Image.Exif()
    exif[0x0110] = CAMERA
    content = io.BytesIO()
    draw_photo(size=(1200, 900)).save(content, "PNG", exif=exif)
    assert len(content.getvalue()) > 1_000_000
    return content.getvalue()


def send(site, photo: bytes) -> requests.Response:
    with requests.Session() as session:
        page = session.get(site.url + "/", timeout=30)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text).group(1)
        action = re.search(r'<form[^>]* action="([^"]*)"', page.text).group(1)
        return session.post(
            requests.compat.urljoin(page.url, action),
            data={"csrf_token": token}, files={"photo": (FILE_NAME, photo, "image/png")}, timeout=60,
        )  # fmt: skip


def bytes_written(pid: int) -> int:
    """What a process and its children passed to write(2), files and pipes; what goes to sockets is not counted."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(
        int(re.search(r"wchar: (\d+)", Path(f"/proc/{process}/io").read_text()).group(1))
        for process in (pid, *children)
    )


def test_an_upload_is_answered_with_advice_and_all_diagnoses(site, photo):
    answer = send(site, photo)
    assert answer.status_code == 200
    assert re.search(r"<h1[^>]*>\w", answer.text)
    assert answer.text.count('class="row-percent"') == 8


def test_nothing_of_an_upload_is_written_anywhere(site, photo, temporary_folder):
    before = bytes_written(site.process.pid)
    assert send(site, photo).status_code == 200
    # Two lines of log and the heartbeat stay far below this; the photo alone is more than a million bytes.
    assert bytes_written(site.process.pid) - before < 10_000
    assert list(temporary_folder.iterdir()) == []


def test_a_crash_leaves_no_copy_of_the_memory(site):
    """With a limit of 1 byte the system neither writes one nor gives it to a program that would."""
    parent = site.process.pid
    for worker in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        limits = Path(f"/proc/{worker}/limits").read_text()
        assert re.search(r"^Max core file size +[01] +[01] ", limits, re.MULTILINE)


def test_the_log_names_neither_the_visitor_nor_the_file(site, photo):
    send(site, photo)
    log = site.log.read_text()
    assert re.search(r"POST /en/result 200 ok \d+ ms, request [0-9a-f]{12}$", log, re.MULTILINE)
    for secret in (FILE_NAME, CAMERA, "127.0.0.1 ", "python-requests"):
        assert secret not in log


def test_as_json_each_line_of_the_log_is_an_object_with_the_id_that_the_error_page_shows(start_site, tiny_bundle):
    site = start_site(SKIN_BUNDLE=str(tiny_bundle), LOG_FORMAT="json")
    answer = requests.get(site.url + "/en/nowhere", timeout=30)
    shown = re.search(r"give this number: (\w+)", answer.text).group(1)
    lines = [json.loads(line) for line in site.log.read_text().splitlines() if line.startswith("{")]
    (entry,) = [line for line in lines if line.get("request_id") == shown == answer.headers["X-Request-ID"]]
    assert (entry["method"], entry["path"], entry["status"], entry["outcome"]) == (
        "GET",
        "/en/nowhere",
        404,
        "not_found",
    )
    assert {"time", "level", "logger", "message", "ms"} <= entry.keys()
    site.stop()


def test_a_second_process_is_refused():
    result = serve_until_it_ends(GUNICORN_CMD_ARGS="--workers 2")
    assert result.returncode != 0
    assert "One process serves the site" in result.stderr


def test_the_probes_answer(site):
    assert requests.get(site.url + "/livez", timeout=30).status_code == 200
    assert requests.get(site.url + "/readyz", timeout=30).status_code == 200


def test_a_client_on_the_same_machine_cannot_claim_to_be_a_proxy(site):
    answer = requests.get(site.url + "/livez", headers={"X-Forwarded-Proto": "https"}, timeout=30)
    assert "Strict-Transport-Security" not in answer.headers


def test_an_endless_request_line_is_refused(site):
    assert requests.get(site.url + "/" + "x" * 5000, timeout=30).status_code in (400, 414)


def status_line(site, head: bytes) -> bytes:
    """How the answer begins to a request whose head ends so."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + head)
        answer = connection.recv(100)
        while connection.recv(10_000):
            pass
        return answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "head",
    [b"X: y\r\n" * 60 + b"\r\n", b"X: " + b"y" * 9000 + b"\r\n\r\n"],
    ids=["many headers", "a long header"],
)
def test_more_headers_than_a_browser_sends_are_refused(site, head):
    assert re.match(rb"HTTP/1.1 4\d\d ", status_line(site, b"Marked-Header" + head))
    log = site.log.read_text()
    assert "What a client sent cannot be read as a request" in log
    assert not re.search("ip=|Marked-Header", log)


def test_cookies_of_a_parent_domain_keep_nobody_out(site):
    cookies = b"Cookie: " + b"; ".join(b"tracker%d=" % number + b"x" * 1000 for number in range(7))
    assert status_line(site, cookies + b"\r\nConnection: close\r\n\r\n") == b"HTTP/1.1 200 OK"


def resident_mb(site) -> float:
    """What the process that serves holds in memory."""
    (worker,) = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text()).group(1)) / 1000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps the memory of each thread")
def test_what_large_photos_took_goes_back_whichever_threads_decoded_them(start_site, tiny_bundle):
    site = start_site(SKIN_BUNDLE=str(tiny_bundle), SKIN_ENGINE="tensorflow", SKIN_RATE_LIMIT="")
    large = io.BytesIO()
    Image.new("RGB", (7000, 7000), "peru").save(large, "PNG", compress_level=1)

    def ask() -> int:
        files = {"photo": ("large.png", large.getvalue(), "image/png")}
        return requests.post(f"{site.url}/api/v1/answer", files=files, timeout=120).status_code

    with ThreadPoolExecutor(40) as clients:  # so that all threads are there, and take turns
        list(clients.map(lambda _: requests.get(site.url + "/en/", timeout=60), range(40)))
    assert ask() == 200
    after_the_first = resident_mb(site)
    assert {ask() for _ in range(7)} == {200}
    assert resident_mb(site) - after_the_first < 200
    site.stop()


def test_a_worker_that_is_killed_in_mid_request_is_replaced_and_who_comes_meanwhile_is_answered(site, photo):
    host, port = site.url.removeprefix("http://").split(":")
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children")
    (worker,) = children.read_text().split()
    head = f"POST /en/result HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 100"  # a thread waits for the body
        os.kill(int(worker), signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(100):
                pass
    assert requests.get(site.url + "/readyz", timeout=180).status_code == 200
    assert send(site, photo).status_code == 200
    assert children.read_text().split() != [worker]
    log = site.log.read_text()
    assert f"Worker (pid:{worker}) was sent SIGKILL!" in log
    assert log.count("Ready: ") == 2


def test_it_ends_with_status_0_after_finishing_what_is_under_way(start_site, tiny_bundle):
    site = start_site(SKIN_BUNDLE=str(tiny_bundle))
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        request = f"POST /nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n".encode()
        connection.sendall(request)  # the body is still missing: the request is under way
        connection.settimeout(60)
        site.process.send_signal(signal.SIGTERM)
        connection.sendall(b"rest")
        assert connection.recv(12).startswith(b"HTTP/1.1 4")
    assert site.process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda bundle: shutil.rmtree(bundle), "bundle_missing"),
        (lambda bundle: (bundle / "probes.npz").unlink(), "bundle_file_missing"),
        (lambda bundle: (bundle / "model.keras").write_bytes(b"not a network"), "bundle_file_changed"),
        (lambda bundle: (bundle / "bundle.json").write_text('{"schema_version": 99}'), "bundle_schema_unknown"),
    ],
    ids=["missing", "a file missing", "changed", "of another version"],
)
def test_a_broken_bundle_stops_the_start_with_its_reason(tiny_bundle, tmp_path, damage, code):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bundle, broken)
    damage(broken)
    result = serve_until_it_ends(SKIN_BUNDLE=str(broken))
    assert result.returncode == 3
    assert f"The site does not start: {code}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistyped_setting_stops_the_start_with_its_name():
    result = serve_until_it_ends(SKIN_BUNDEL="x")
    assert result.returncode == 3
    assert "The site does not start: setting_unknown variable=SKIN_BUNDEL" in result.stderr


@pytest.mark.parametrize("threads", ["0", "-2", "abc", "2.5", ""])
def test_a_number_of_threads_that_is_none_stops_the_start_with_its_reason(threads):
    result = serve_until_it_ends(THREADS=threads)
    assert result.returncode == 3
    assert "The site does not start: setting_invalid variable=THREADS must_be=a whole number above 0" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "must_be"),
    [
        ("LOG_FORMAT", "xml", "text or json"),
        ("HOST", "0.0.0.0 # all", "an address"),
        ("PORT", "http", "a port's number"),
    ],
)
def test_what_gunicorn_needs_first_is_checked_like_any_setting(variable, value, must_be):
    result = serve_until_it_ends(**{variable: value})
    assert result.returncode == 3
    assert f"The site does not start: setting_invalid variable={variable} must_be={must_be}" in result.stderr
    assert "Traceback" not in result.stderr


def test_why_it_does_not_start_is_told_in_the_log_s_form():
    result = serve_until_it_ends(LOG_FORMAT="json", THREADS="0")
    line = json.loads(result.stderr.splitlines()[-1])
    assert (line["level"], line["message"][:40]) == ("CRITICAL", "The site does not start: setting_invalid")
    assert datetime.fromisoformat(line["time"]).tzinfo


@pytest.mark.parametrize(("host", "bind"), [("::1", "[::1]:8001"), ("0.0.0.0", "0.0.0.0:8001")])
def test_it_listens_on_addresses_of_both_kinds(monkeypatch, host, bind):
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", "8001")
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["bind"] == bind


@pytest.mark.parametrize("variables", [{"THREADS": "12"}, {"GUNICORN_CMD_ARGS": "--threads 12"}], ids=str)
def test_uploads_that_could_take_every_thread_stop_the_start(tiny_bundle, engine_options, variables):
    result = serve_until_it_ends(SKIN_BUNDLE=str(tiny_bundle), SKIN_CACHE=str(engine_options.cache), **variables)
    assert result.returncode == 3
    assert "The site does not start: setting_invalid variable=SKIN_UPLOADS must_be=below THREADS, 12" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Ready: " not in result.stderr


def serve_until_it_ends(**variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi"],
        cwd=ROOT, env={**os.environ, "PORT": "0", **variables},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
