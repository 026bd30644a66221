"""The reference engine: the bundle's own Keras model, run by TensorFlow."""

import contextlib
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model_store import cpus
from model_store.classes import CODES
from model_store.engines.base import EngineOutput, check_batch, is_finite
from model_store.errors import BundleError, EngineError


class TensorFlowEngine:
    """Runs `model.keras` through one traced function; safe to call from several threads.

    Args:
        model_path: the `.keras` file; its outputs are logits and feature map, in this order.

    Attributes:
        shape: of one prepared photo.
        function: the traced network, (N, *shape) in, logits and feature map out.

    Raises:
        BundleError: `model_unreadable`: Keras cannot load it, or its inputs or outputs are others.
        EngineError: `engine_unavailable`: Keras was told to use another backend.
    """

    name = "tensorflow"
    tolerance = 0.01  # logits; processors differ in the last bits of float32, and hundreds of layers add that up

    def __init__(self, model_path: Path) -> None:
        if keras.backend.backend() != "tensorflow":
            raise EngineError("engine_unavailable", keras_backend=keras.backend.backend())
        with contextlib.suppress(RuntimeError):  # too late where TensorFlow has computed already, as in training
            tf.config.threading.set_intra_op_parallelism_threads(cpus.available())
            tf.config.threading.set_inter_op_parallelism_threads(1)
        model = _load(model_path)
        self.dense_weights = _dense_weights(model)
        self.shape = model.input_shape[1:]
        # One signature for every batch size: tracing happens here, once, and never during a request.
        self.function = tf.function(
            lambda batch: model(batch, training=False),
            input_signature=[tf.TensorSpec((None, *self.shape), tf.float32)],
            autograph=False,  # it writes Python source into the temporary folder; a served site writes nothing
        ).get_concrete_function()

    def run(self, batch: np.ndarray) -> EngineOutput:
        """Run the network once; see `engines.base.Engine.run`."""
        check_batch(batch, self.shape)
        try:
            output = EngineOutput(*(tensor.numpy() for tensor in self.function(tf.constant(batch))))
        except tf.errors.OpError as error:
            raise EngineError("engine_failed", engine=self.name) from error
        if not is_finite(output):
            raise EngineError("engine_failed", engine=self.name)
        return output


def _load(model_path: Path) -> keras.Model:
    try:
        model = keras.saving.load_model(model_path, compile=False)
    except Exception as error:  # a damaged or foreign file raises whatever its reader met first
        raise BundleError("model_unreadable") from error
    shapes = [tuple(output.shape) for output in model.outputs]
    if len(shapes) != 2 or shapes[0] != (None, len(CODES)) or len(shapes[1]) != 4 or len(model.inputs) != 1:
        raise BundleError("model_unreadable", outputs=len(shapes))
    return model


def _dense_weights(model: keras.Model) -> np.ndarray:
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    if not dense or dense[-1].kernel.shape != (model.outputs[1].shape[-1], len(CODES)):
        raise BundleError("model_unreadable", outputs=len(model.outputs))
    return np.asarray(dense[-1].kernel.numpy(), dtype=np.float32)
