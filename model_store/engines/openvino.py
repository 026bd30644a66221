"""The fast engine: the bundle's network, converted once, run by OpenVINO. No TensorFlow is imported."""

import threading
from pathlib import Path

import numpy as np
import openvino as ov

from model_store import cpus
from model_store.classes import CODES
from model_store.engines.base import EngineOutput, check_batch, is_finite
from model_store.engines.weights import dense_weights
from model_store.errors import EngineError

NETWORK = "network.xml"  # its weights lie beside it in network.bin
CPUS_PER_PHOTO = 2  # two threads share one photo without loss; of more, each adds less


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
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": max(1, threads // CPUS_PER_PHOTO),
        }
        try:
            network = ov.Core().compile_model(folder / NETWORK, "CPU", settings)
            # One more than are computed at a time, so that the next is there as soon as one is done.
            self._requests = ov.AsyncInferQueue(network, settings["NUM_STREAMS"] + 1)
        except RuntimeError as error:
            raise EngineError("engine_unavailable", engine=self.name) from error
        shapes = [tuple(tensor.shape) for tensor in (*network.inputs, *network.outputs)]
        if len(shapes) != 3 or shapes[1] != (1, len(CODES)) or len(shapes[2]) != 4:
            raise EngineError("engine_unavailable", engine=self.name, outputs=len(shapes) - 1)
        self._shape, self._feature_map_shape = shapes[0][1:], shapes[2][1:]
        self.dense_weights = dense_weights(model_path, channels=shapes[2][-1])
        self._turn = threading.Lock()

    def run(self, batch: np.ndarray) -> EngineOutput:
        """Run the network on each photo; see `engines.base.Engine.run`."""
        check_batch(batch, self._shape)
        output = EngineOutput(
            np.empty((len(batch), len(CODES)), np.float32),
            np.empty((len(batch), *self._feature_map_shape), np.float32),
        )

        def keep(request: ov.InferRequest, index: int) -> None:
            output.logits[index] = request.get_output_tensor(0).data[0]
            output.feature_map[index] = request.get_output_tensor(1).data[0]

        try:
            with self._turn:
                self._requests.set_callback(keep)
                for index in range(len(batch)):
                    self._requests.start_async([batch[index : index + 1]], index, share_inputs=True)
                self._requests.wait_all()
        except RuntimeError as error:
            raise EngineError("engine_failed", engine=self.name) from error
        if not is_finite(output):
            raise EngineError("engine_failed", engine=self.name)
        return output
