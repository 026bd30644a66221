"""A real gunicorn where no disk can be written, where the cache cannot be read, and where every disk is full.

Each runs in mounts of its own, which end with it. /dev/shm stays as it is: it is memory, and every container has it.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from model_store.bundle import MODEL
from model_store.engines import cache
from tests.app.conftest import encode

ROOT = Path(__file__).parents[2]
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
NOTHING_CAN_BE_WRITTEN = """
awk '$2 != "/dev/shm" {print $2}' /proc/mounts |
    while read -r place; do mount -o remount,bind,ro "$place" 2>/dev/null; done
for place in "$HOME" "$TMPDIR" /tmp .; do touch "$place/.probe" 2>/dev/null && rm "$place/.probe" && exit 9; done
"""
DISKS_ARE_FULL = """
mount -t tmpfs -o size=4k full "$HOME" || exit 9
cat /dev/zero >"$HOME/filled" 2>/dev/null && exit 9
"""


def mounts_can_be_made() -> bool:
    try:
        return subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not mounts_can_be_made(), reason="unshare may not make mounts of its own here")


@contextlib.contextmanager
def serving(folder: Path, log: Path, before: str, **variables: str):
    """The address of a site that was started after a script spoilt its disks."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ, "HOST": "127.0.0.1", "PORT": str(port), "HOME": str(folder), "TMPDIR": str(folder), **variables,
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UNSHARE, "sh", "-c", before + 'exec "$@"', "sh", *command],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until_ready(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url + "/readyz", timeout=180).status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"the site did not start, status {process.poll()}")


def assert_a_photo_is_answered(url: str, photo: Image.Image) -> None:
    with requests.Session() as session:
        assert "csrf_token" in session.get(url + "/en/", timeout=30).text
        files = {"photo": ("spot.png", encode(photo, "PNG"))}
        answer = session.post(url + "/api/v1/answer", files=files, timeout=120)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def folder(tmp_path):
    """A home folder that is a place of its own, so that it can be filled."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_without_any_writable_disk_photos_are_answered(tiny_bundle, engine_options, draw_photo, folder, tmp_path):
    cache.get(tiny_bundle / MODEL, engine_options.cache)
    variables = {"SKIN_BUNDLE": str(tiny_bundle), "SKIN_CACHE": str(engine_options.cache)}
    with serving(folder, tmp_path / "log", NOTHING_CAN_BE_WRITTEN, **variables) as url:
        assert_a_photo_is_answered(url, draw_photo(size=(1200, 900)))
    log = (tmp_path / "log").read_text()
    assert "(Read-only file system): the key made now lasts until the site stops" in log
    assert "OpenVINO cannot be used" not in log
    assert "Traceback" not in log


def test_where_the_cache_can_be_neither_read_nor_made_again_tensorflow_answers(
    tiny_bundle, engine_options, draw_photo, folder, tmp_path
):
    sound = cache.get(tiny_bundle / MODEL, engine_options.cache)
    network = shutil.copytree(sound, tmp_path / "cache" / sound.name) / "network.bin"
    network.unlink()
    network.mkdir()  # a file that root too cannot read
    # Keras takes Matplotlib where it is, which then looks for fonts; no image has it.
    (tmp_path / "as-in-an-image").mkdir()
    (tmp_path / "as-in-an-image" / "matplotlib.py").write_text("raise ImportError")
    variables = {
        "SKIN_BUNDLE": str(tiny_bundle), "SKIN_CACHE": str(tmp_path / "cache"), "SKIN_SECRET_KEY": "k" * 32,
        "PYTHONPATH": str(tmp_path / "as-in-an-image"),
    }  # fmt: skip
    with serving(folder, tmp_path / "log", NOTHING_CAN_BE_WRITTEN, **variables) as url:
        assert_a_photo_is_answered(url, draw_photo())
    log = (tmp_path / "log").read_text()
    assert "OpenVINO cannot be used: conversion_failed ([Errno 30] Read-only file system" in log
    assert "TensorFlow answers, more slowly." in log


def test_when_every_disk_is_full_even_that_of_the_log_photos_are_answered(
    tiny_bundle, engine_options, draw_photo, folder
):
    cache.get(tiny_bundle / MODEL, engine_options.cache)
    variables = {"SKIN_BUNDLE": str(tiny_bundle), "SKIN_CACHE": str(engine_options.cache), "LOG_FORMAT": "json"}
    with serving(folder, Path("/dev/full"), DISKS_ARE_FULL, **variables) as url:
        for _ in range(3):
            assert_a_photo_is_answered(url, draw_photo(size=(1200, 900)))
