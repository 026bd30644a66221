"""The network alone, run by each engine, by OpenVINO without our code, and by Keras's own `predict`."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model_store.engines.openvino import NETWORK, OpenVINOEngine
from model_store.engines.tensorflow import TensorFlowEngine

# isort: split
import keras
import openvino as ov

WARM_UP = 5


class Networks:
    """The same network and photo, run in several ways.

    Args:
        model_path: the bundle's `model.keras`.
        folder: with its conversion, from `model_store.engines.cache`.

    Attributes:
        engine: the one that is served.
        photo: float32 (1, H, W, 3), as the engines take it.
    """

    def __init__(self, model_path: Path, folder: Path) -> None:
        model = keras.saving.load_model(model_path, compile=False)
        engine, reference = OpenVINOEngine(model_path, folder), TensorFlowEngine(model_path)
        half = OpenVINOEngine(model_path, folder, "bf16")
        self.photo = np.random.default_rng(0).integers(0, 256, (1, *reference.shape)).astype(np.float32)
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        core = ov.Core()
        latency = core.compile_model(folder / NETWORK, "CPU", {**settings, "PERFORMANCE_HINT": "LATENCY"})
        self._rate = core.compile_model(folder / NETWORK, "CPU", {**settings, "PERFORMANCE_HINT": "THROUGHPUT"})
        request = latency.create_infer_request()
        self.engine = engine
        self._ways: dict[str, Callable] = {
            "tensorflow": lambda: reference.run(self.photo),
            "openvino": lambda: engine.run(self.photo),
            "openvino_bf16": lambda: half.run(self.photo),
            "openvino_direct": lambda: request.infer([self.photo]),
            "keras_predict": lambda: model.predict(self.photo, verbose=0),
        }
        for run in self._ways.values():
            for _ in range(WARM_UP):
                run()

    def time_ms(self, way: str) -> float:
        """Run one photo once; milliseconds."""
        start = time.perf_counter()
        self._ways[way]()
        return 1000 * (time.perf_counter() - start)

    def times_ms(self, rounds: int) -> dict[str, float]:
        """Give the median of each way, all taken in turn; milliseconds for one photo."""
        taken = [{way: self.time_ms(way) for way in self._ways} for _ in range(rounds)]
        return {way: statistics.median(times[way] for times in taken) for way in self._ways}

    def direct_rate(self, seconds: float) -> float:
        """Give how many photos a second OpenVINO computes for itself, with as many under way as it advises."""
        jobs = ov.AsyncInferQueue(self._rate)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            jobs.start_async([self.photo], share_inputs=True)
            done += 1
        jobs.wait_all()
        return done / (time.perf_counter() - start)
