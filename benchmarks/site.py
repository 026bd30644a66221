"""The site as operators run it: gunicorn on loopback, asked by clients that keep their connection."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from app.advice import Level
from model_store.classes import CODES

ROOT = Path(__file__).parent.parent
START_LIMIT_S = 120
BOUNDARY = "a-boundary-that-no-photo-holds"


class Site:
    """A served site; started at once, and ready when the constructor returns.

    Attributes:
        ready_s: from the start of the process until `/readyz` answered 200, seconds.
    """

    def __init__(self, bundle: Path, cache: Path, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._port = server.getsockname()[1]
        environment = {
            **os.environ, "HOST": "127.0.0.1", "PORT": str(self._port), "HOME": str(home), "SKIN_ENGINE": "openvino",
            "SKIN_BUNDLE": str(bundle.resolve()), "SKIN_CACHE": str(cache.expanduser().resolve()),
            "SKIN_RATE_LIMIT": "",
        }  # fmt: skip
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi"],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - start > START_LIMIT_S:
                self.stop()
                raise RuntimeError("the site did not start; try `make serve`")
            time.sleep(0.02)
        self.ready_s = time.perf_counter() - start
        self._page = self.connect()

    def stop(self) -> None:
        """End the site as a container's runtime does."""
        self._process.terminate()
        self._process.wait()

    def connect(self) -> "Client":
        """Give a client with a connection and a session of its own."""
        return Client(self._port)

    def time_page_ms(self, photo: bytes) -> float:
        """Send a photo by the form and read the whole page of the answer; milliseconds."""
        start = time.perf_counter()
        status = self._page.send_form(photo)
        taken = 1000 * (time.perf_counter() - start)
        if status != 200:
            raise RuntimeError(f"status {status}")
        return taken

    def stages(self) -> dict[str, tuple[float, float]]:
        """Read what the site has measured of itself: for each stage, seconds in all and how often."""
        found: dict[str, dict[str, float]] = {}
        for family in text_string_to_metric_families(self._page.get("/metrics")):
            if family.name == "skin_stage_seconds":
                for sample in family.samples:
                    found.setdefault(sample.labels["stage"], {})[sample.name.rpartition("_")[2]] = sample.value
        return {stage: (values["sum"], values["count"]) for stage, values in found.items()}

    def resident_mb(self) -> float:
        """Give the memory of gunicorn and its worker that is in use, megabytes of 1,000,000 bytes."""
        processes = [self._process.pid]
        for process in processes:
            processes += map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
        kilobytes = (re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in processes)
        return sum(int(match.group(1)) for match in kilobytes if match) * 1024 / 1e6

    def _is_ready(self) -> bool:
        try:
            return Client(self._port).status("/readyz") == 200
        except OSError:
            return False


class Client:
    """A browser without a screen: one connection, cookies, and the form's token."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookie = self._token = ""

    def status(self, path: str) -> int:
        """Ask for a page and give its status."""
        return self._exchange("GET", path)[0].status

    def get(self, path: str) -> str:
        """Read a page."""
        return self._exchange("GET", path)[1].decode()

    def _exchange(self, *request) -> tuple[http.client.HTTPResponse, bytes]:
        """Send and read; once more on a new connection where the server has just closed an idle one, as browsers do."""
        reused = self._connection.sock is not None
        try:
            self._connection.request(*request)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if not reused:
                raise
            self._connection.close()
            self._connection.request(*request)
            response = self._connection.getresponse()
        return response, response.read()

    def send_form(self, photo: bytes) -> int:
        """Send a photo as the start page's form does, read the answer, give its status.

        Raises:
            RuntimeError: the answer has no diagnoses: such a page is shorter, and its time is not that of an answer.
        """
        if not self._token:
            self._open_form()
        status, page = self._post("/en/result", {"csrf_token": self._token}, photo)
        if status == 200 and not is_full_answer(page):
            raise RuntimeError("the site did not judge the photo, so there is no answer to time: benchmarks/photos.py")
        return status

    def _open_form(self) -> None:
        response, page = self._exchange("GET", "/en/")
        self._cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.decode())
        if not found:
            raise RuntimeError("the start page has no form")
        self._token = found.group(1)

    def _post(self, path: str, fields: dict[str, str], photo: bytes) -> tuple[int, bytes]:
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="spot.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        body = b"".join([*parts, head.encode(), photo, f"\r\n--{BOUNDARY}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Cookie": self._cookie}
        response, page = self._exchange("POST", path, body, headers)
        return response.status, page


def is_full_answer(page: bytes) -> bool:
    """Whether a page gives advice and ranks every diagnosis; that a photo cannot be judged is no such answer."""
    level = re.search(rb'data-level="(\w+)"', page)
    ranked = page.count(b'class="row-percent"') == len(CODES)
    return bool(level) and level[1] != Level.CANNOT_JUDGE.value.encode() and ranked
