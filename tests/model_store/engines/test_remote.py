"""Against a real MLServer on loopback, and against servers that are gone, slow, or something else."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import urllib3

from model_store import engines
from model_store.bundle import MODEL, read, replay_golden
from model_store.engines.remote import FAILURES_UNTIL_OPEN, RemoteEngine
from model_store.errors import EngineError

ROOT = Path(__file__).parents[3]
TENSORS = {
    "inputs": [{"name": "photo", "datatype": "FP32", "shape": [-1, 380, 380, 3]}],
    "outputs": [
        {"name": "feature_map", "datatype": "FP32", "shape": [-1, 12, 12, 8]},
        {"name": "logits", "datatype": "FP32", "shape": [-1, 8]},
    ],
}
PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 380, 380, 3)).astype(np.float32)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


@pytest.fixture(scope="module")
def mlserver_process(tiny_bundle, engine_options, tmp_path_factory):
    """A real MLServer that serves the tiny bundle, and the model's address on it."""
    engines.load("openvino", tiny_bundle / MODEL, engine_options)  # converted before the server starts
    folder = tmp_path_factory.mktemp("mlserver")
    http, grpc, metrics = free_ports(3)
    settings = {
        "host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics, "parallel_workers": 0,
    }  # fmt: skip
    model = {"name": "tiny", "implementation": "tests.model_store.engines.mlserver_model.BundleModel", **TENSORS}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "TEST_MODEL": str(tiny_bundle / MODEL),
        "TEST_CACHE": str(engine_options.cache),
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("mlserver")), "start", str(folder)],
            env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{http}/v2/models/tiny"
    deadline = time.monotonic() + 300
    while not _ready(url):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"MLServer did not start:\n{log.read_text()}")
        time.sleep(0.2)
    yield process, url
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def mlserver(mlserver_process) -> str:
    return mlserver_process[1]


def _ready(url: str) -> bool:
    try:
        return urllib3.request("GET", url + "/ready", retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_mlserver_answers_as_the_engine_that_it_runs(mlserver, tiny_bundle, engine_options):
    remote = RemoteEngine(tiny_bundle / MODEL, mlserver, timeout_s=60)
    local = engines.load("openvino", tiny_bundle / MODEL, engine_options)
    replay_golden(read(tiny_bundle), remote)
    output, expected = remote.run(PHOTOS), local.run(PHOTOS)
    np.testing.assert_array_equal(output.logits, expected.logits)
    np.testing.assert_array_equal(output.feature_map, expected.feature_map)
    np.testing.assert_array_equal(remote.dense_weights, local.dense_weights)


def test_a_photo_with_values_between_whole_numbers_is_not_rounded(mlserver, tiny_bundle, engine_options):
    remote = RemoteEngine(tiny_bundle / MODEL, mlserver, timeout_s=60)
    between = PHOTOS[:1] * np.float32(0.37)
    expected = engines.load("openvino", tiny_bundle / MODEL, engine_options).run(between)
    np.testing.assert_array_equal(remote.run(between).logits, expected.logits)


def test_it_is_chosen_by_name_with_the_address_from_the_options(mlserver, tiny_bundle):
    options = engines.Options(remote_url=mlserver + "/", remote_timeout_s=60)
    assert engines.load("remote", tiny_bundle / MODEL, options).name == "remote"


def test_an_mlserver_that_hangs_is_given_up_left_alone_and_asked_again(mlserver_process, tiny_bundle, monkeypatch):
    monkeypatch.setattr("model_store.engines.remote.FAILURES_UNTIL_OPEN", 1)
    monkeypatch.setattr("model_store.engines.remote.OPEN_S", 1.0)
    process, url = mlserver_process
    engine = RemoteEngine(tiny_bundle / MODEL, url, timeout_s=3)
    process.send_signal(signal.SIGSTOP)
    try:
        assert fails(engine) > 2.9
        assert fails(engine) < 0.9
    finally:
        process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(1.1)
        with contextlib.suppress(EngineError):
            assert engine.run(PHOTOS[:1]).logits.shape == (1, 8)
            return
    pytest.fail("the engine never came back")


def test_another_model_on_the_server_is_no_engine(mlserver, tiny_bundle):
    with pytest.raises(EngineError) as caught:
        RemoteEngine(tiny_bundle / MODEL, mlserver.replace("tiny", "other"))
    assert caught.value.code == "engine_unavailable"


class Server:
    """A small server of the protocol whose behaviour a test changes while it runs."""

    def __init__(self) -> None:
        self.status, self.delay_s, self.asked, self.stopped = 200, 0.0, 0, False
        self.unavailable = 0  # how many more requests are answered with 503
        self.answer: object = {
            "outputs": [
                {"name": "logits", "data": [0.5] * 8}, {"name": "feature_map", "data": [1.0] * 12 * 12 * 8},
            ]
        }  # fmt: skip
        self.metadata: object = {"name": "tiny", **TENSORS}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._send(200, outer.metadata)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                if outer.stopped:  # a connection that was kept from before
                    self.close_connection = True
                    return
                outer.asked += 1
                time.sleep(outer.delay_s)
                outer.unavailable -= 1
                self._send(503 if outer.unavailable >= 0 else outer.status, outer.answer)

            def _send(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(BrokenPipeError):  # who gave up waiting hears nothing
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2/models/tiny"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.stopped = True
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


def fails(engine: RemoteEngine) -> float:
    """Expect a failure; give how long it took, seconds."""
    start = time.monotonic()
    with pytest.raises(EngineError) as caught:
        engine.run(PHOTOS[:1])
    assert (caught.value.code, caught.value.details) == ("engine_failed", {"engine": "remote"})
    return time.monotonic() - start


def test_a_server_that_is_gone_at_the_start_is_no_engine(tiny_bundle):
    (port,) = free_ports(1)
    with pytest.raises(EngineError) as caught:
        RemoteEngine(tiny_bundle / MODEL, f"http://127.0.0.1:{port}/v2/models/tiny")
    assert caught.value.code == "engine_unavailable"


def test_a_slow_server_is_given_up_after_the_time_that_it_has_and_asked_once(server, tiny_bundle):
    engine = RemoteEngine(tiny_bundle / MODEL, server.url, timeout_s=1)
    server.delay_s = 4
    assert 0.9 < fails(engine) < 3.5
    assert server.asked == 1


def test_a_server_that_restarts_is_asked_again(server, tiny_bundle):
    engine = RemoteEngine(tiny_bundle / MODEL, server.url)
    server.unavailable = 2
    assert engine.run(PHOTOS[:1]).logits.tolist() == [[0.5] * 8]
    assert server.asked == 3


def test_after_several_failures_nobody_waits_for_the_server_until_it_is_tried_again(server, tiny_bundle, monkeypatch):
    monkeypatch.setattr("model_store.engines.remote.OPEN_S", 1.0)
    engine = RemoteEngine(tiny_bundle / MODEL, server.url)
    server.status = 500
    for _ in range(FAILURES_UNTIL_OPEN):
        fails(engine)
    asked = server.asked
    for _ in range(5):
        fails(engine)
    assert server.asked == asked
    server.status = 200
    time.sleep(1.1)
    assert engine.run(PHOTOS).logits.shape == (3, 8)


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], "text", {"outputs": []}, {"outputs": [{"name": "logits", "data": [0.5] * 8}]},
        {"outputs": [{"name": "logits", "data": [0.5] * 7}, {"name": "feature_map", "data": [1.0] * 1152}]},
        {"outputs": [{"name": "logits", "data": [None] * 8}, {"name": "feature_map", "data": [1.0] * 1152}]},
        {"outputs": [{"name": "logits", "data": [float("nan")] * 8}, {"name": "feature_map", "data": [1.0] * 1152}]},
        {"outputs": [{"name": "logits", "data": [0.5] * 8}, {"name": "feature_map", "data": [None] + [1.0] * 1151}]},
    ],
    ids=["empty", "list", "text", "no outputs", "one output", "too few", "null", "not finite", "map not finite"],
)  # fmt: skip
def test_an_answer_that_is_none_is_never_a_probability(server, tiny_bundle, answer):
    engine = RemoteEngine(tiny_bundle / MODEL, server.url)
    server.answer = answer
    fails(engine)


@pytest.mark.parametrize(
    "metadata",
    [{}, [], {**TENSORS, "outputs": TENSORS["outputs"][:1]}, {**TENSORS, "outputs": TENSORS["outputs"][1:] * 2}],
    ids=["empty", "list", "no logits", "logits twice"],
)
def test_a_model_with_other_outputs_is_refused_at_the_start(server, tiny_bundle, metadata):
    server.metadata = metadata
    with pytest.raises(EngineError) as caught:
        RemoteEngine(tiny_bundle / MODEL, server.url)
    assert caught.value.code == "engine_unavailable"
