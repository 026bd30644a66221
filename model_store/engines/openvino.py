"""The fast engine: the bundle's network, converted once, run by OpenVINO. No TensorFlow is imported."""

import itertools
import threading
from pathlib import Path

import numpy as np
import openvino as ov

from model_store import cpus
from model_store.classes import CODES
from model_store.engines.base import EngineOutput, check_batch, is_finite
from model_store.engines.views import take_apart
from model_store.engines.weights import dense_weights
from model_store.errors import EngineError

NETWORK = "network.xml"  # its weights lie beside it in network.bin
CPUS_PER_PHOTO = 2  # two processors share one photo without loss; of more, each adds less


class OpenVINOEngine:
    """Runs a converted network; safe to call from several threads, which then take turns.

    Every photo is computed by itself, so its answer does not depend on what else is in the batch.

    Args:
        model_path: the bundle's `model.keras`, for the last layer's weights.
        folder: with `network.xml` and `network.bin`, whose weights are mapped into memory, not copied.
        precision: "f32", or "bf16" where the processor has it: faster, but see
            docs/decisions/0006-openvino-in-float32.md.

    Raises:
        EngineError: `engine_unavailable`: OpenVINO cannot read or compile the files.
        BundleError: `model_unreadable`.
    """

    name = "openvino"
    tolerance = 0.01  # logits; measured 0.0001 by `python -m model_store compare-engines`

    def __init__(self, model_path: Path, folder: Path, precision: str = "f32") -> None:
        threads = cpus.available()
        try:
            core = ov.Core()
            network = core.read_model(folder / NETWORK)
            shapes = [tuple(tensor.shape) for tensor in (*network.inputs, *network.outputs)]
            parts = take_apart(network)
            self._views = len(parts.before.outputs)
            streams = max(1, threads // max(1, CPUS_PER_PHOTO // self._views))
            precision_hint = {"INFERENCE_PRECISION_HINT": precision}
            view = core.compile_model(
                parts.view, "CPU", {**precision_hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams}
            )
            # One more than are computed at a time, so that the next is there as soon as one is done.
            self._requests = ov.AsyncInferQueue(view, streams + 1)
            self._before, self._after = (
                core.compile_model(part, "CPU", {**precision_hint, "INFERENCE_NUM_THREADS": 1}).create_infer_request()
                for part in (parts.before, parts.after)
            )
        except RuntimeError as error:
            raise EngineError("engine_unavailable", engine=self.name) from error
        if len(shapes) != 3 or shapes[1] != (1, len(CODES)) or len(shapes[2]) != 4:
            raise EngineError("engine_unavailable", engine=self.name, outputs=len(shapes) - 1)
        self._shape, feature_map_shape = shapes[0][1:], shapes[2][1:]
        self.dense_weights = dense_weights(model_path, channels=feature_map_shape[-1])
        self._turn = threading.Lock()

    def run(self, batch: np.ndarray) -> EngineOutput:
        """Run the network on each photo; see `engines.base.Engine.run`."""
        check_batch(batch, self._shape)
        try:
            with self._turn:
                logits, feature_maps = zip(*self._answer(batch), strict=True)
        except RuntimeError as error:
            raise EngineError("engine_failed", engine=self.name) from error
        output = EngineOutput(np.concatenate(logits), np.concatenate(feature_maps))
        if not is_finite(output):
            raise EngineError("engine_failed", engine=self.name)
        return output

    def _answer(self, batch: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Give each photo's logits, (1, 8), and feature map, (1, h, w, C)."""
        found: list[list] = [[None] * self._views for _ in batch]

        def keep(request: ov.InferRequest, place: tuple[int, int]) -> None:
            index, number = place
            found[index][number] = [np.copy(tensor.data) for tensor in request.output_tensors]

        self._requests.set_callback(keep)
        for index in range(len(batch)):
            views = self._before.infer([batch[index : index + 1]], share_inputs=True)
            for number in range(self._views):
                self._requests.start_async([views[number]], (index, number))
        self._requests.wait_all()
        return [tuple(self._after.infer(list(itertools.chain(*views))).values()) for views in found]
