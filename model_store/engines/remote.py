"""A shared inference cluster runs the network: the Open Inference Protocol, version 2, over HTTP.

KServe, OpenVINO Model Server, Triton and MLServer speak it. Photos travel one to a request, since many servers compile
the network for one; those that like batches collect them by themselves.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pybreaker
import urllib3

from model_store.classes import CODES
from model_store.engines.base import EngineOutput, check_batch, is_finite
from model_store.engines.weights import dense_weights
from model_store.errors import EngineError

CONNECT_TIMEOUT_S = 1.0
TRIES = 3  # a connection that is refused and a server that is just restarting (502, 503, 504); a slow one is asked once
PARALLEL = 8  # photos under way at a time
FAILURES_UNTIL_OPEN = 3
OPEN_S = 10.0  # after so many failed batches in a row, this long nobody waits for the server again

# What a server makes us meet that is gone, slow, or something else.
_FAILURES = (urllib3.exceptions.HTTPError, KeyError, TypeError, ValueError)


class RemoteEngine:
    """Runs the network on a server; safe to call from several threads, which then take turns.

    Args:
        model_path: the bundle's `model.keras`, for the last layer's weights.
        url: of the model, as `http://HOST:8080/v2/models/NAME` or with `/versions/VERSION` behind it.
        timeout_s: how long the server may take for one photo, seconds.

    Raises:
        EngineError: `engine_unavailable`: the server does not answer, or its model has other inputs or outputs.
        BundleError: `model_unreadable`.
    """

    name = "remote"
    tolerance = 0.04  # logits; lets no probability move by more than 0.02, whatever arithmetic the server uses

    def __init__(self, model_path: Path, url: str, timeout_s: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(
            maxsize=PARALLEL,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), total=timeout_s),
            retries=urllib3.Retry(
                total=TRIES - 1, read=0, redirect=0, backoff_factor=0.1, allowed_methods=None,
                status_forcelist=(502, 503, 504), respect_retry_after_header=False,
            ),
        )  # fmt: skip
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES_UNTIL_OPEN, reset_timeout=OPEN_S, throw_new_error_on_trip=False
        )
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="remote-engine")
        try:
            self._read_metadata(self._ask("GET", ""))
        except _FAILURES as error:
            raise EngineError("engine_unavailable", engine=self.name) from error
        self.dense_weights = dense_weights(model_path, self._feature_map_shape[-1])

    def run(self, batch: np.ndarray) -> EngineOutput:
        """Run the network on each photo; see `engines.base.Engine.run`. While the circuit is open it fails at once."""
        check_batch(batch, self._shape)
        try:
            answers = self._breaker.call(lambda: list(self._threads.map(self._answer, batch)))
        except (*_FAILURES, pybreaker.CircuitBreakerError) as error:
            raise EngineError("engine_failed", engine=self.name) from error
        logits, feature_maps = zip(*answers, strict=True)
        return EngineOutput(np.stack(logits), np.stack(feature_maps))

    def _read_metadata(self, metadata: dict) -> None:
        (photo,) = metadata["inputs"]
        self._input_name, self._shape = photo["name"], tuple(photo["shape"])[1:]
        self._logits_name = _only(metadata["outputs"], lambda shape: len(shape) == 2 and shape[1] == len(CODES))["name"]
        feature_map = _only(metadata["outputs"], lambda shape: len(shape) == 4)
        self._feature_map_name, self._feature_map_shape = feature_map["name"], tuple(feature_map["shape"])[1:]

    def _answer(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give logits and feature map of one photo."""
        values = photo.ravel()
        whole = values.astype(np.uint8)
        tensor = {
            "name": self._input_name, "shape": [1, *photo.shape], "datatype": "FP32",
            "data": (whole if np.array_equal(whole, values) else values).tolist(),  # 137 is shorter than 137.0
        }  # fmt: skip
        wanted = [{"name": self._logits_name}, {"name": self._feature_map_name}]
        answer = self._ask("POST", "/infer", {"inputs": [tensor], "outputs": wanted})
        tensors = {output["name"]: output["data"] for output in answer["outputs"]}
        logits = np.asarray(tensors[self._logits_name], np.float32).reshape(len(CODES))
        feature_map = np.asarray(tensors[self._feature_map_name], np.float32).reshape(self._feature_map_shape)
        if not is_finite(EngineOutput(logits, feature_map)):
            raise ValueError("an answer is not finite")
        return logits, feature_map

    def _ask(self, method: str, path: str, content: dict | None = None) -> dict:
        body = None if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        response = self._http.request(method, self._url + path, body=body, headers=headers)
        if response.status != 200:
            raise urllib3.exceptions.HTTPError(f"status {response.status}")
        return json.loads(response.data)


def _only(tensors: list[dict], fits: Callable[[list[int]], bool]) -> dict:
    (found,) = (tensor for tensor in tensors if fits(tensor["shape"]))
    return found
