"""Turns a bundle's Keras network into the files that OpenVINO reads. Needs both libraries; serving needs neither run.

    python -m model_store.engines.conversion model.keras FOLDER

It is a process of its own, so that a server that has to build keeps none of TensorFlow in its memory.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import openvino as ov
import tensorflow as tf
from openvino import opset13 as operations

from model_store.engines.openvino import NETWORK, OpenVINOEngine
from model_store.engines.tensorflow import TensorFlowEngine
from model_store.errors import EngineError


def convert(model_path: Path, folder: Path) -> None:
    """Write a network for OpenVINO, and hold its answers against TensorFlow's.

    Args:
        model_path: the bundle's `model.keras`.
        folder: exists; gets `network.xml` and `network.bin`.

    Raises:
        BundleError: `model_unreadable`.
        EngineError: `conversion_differs` with `difference` and `tolerance`, in logits.
    """
    reference = TensorFlowEngine(model_path)
    # In float32, although the kernels are float16: folding the batch normalization into them makes new values.
    ov.save_model(_network(reference.function), folder / NETWORK, compress_to_fp16=False)
    photos = np.random.default_rng(0).integers(0, 256, (2, *reference.shape)).astype(np.float32)
    converted = OpenVINOEngine(model_path, folder)
    difference = float(np.abs(converted.run(photos).logits - reference.run(photos).logits).max())
    if difference > converted.tolerance:
        raise EngineError("conversion_differs", difference=round(difference, 4), tolerance=converted.tolerance)


def _network(function: tf.types.experimental.ConcreteFunction) -> ov.Model:
    """Convert with logits and feature map as the only outputs, for one photo at a time.

    OpenVINO's reader makes an output of each swish, since TensorFlow computes it with a gradient of its own; a hundred
    large outputs would be copied for nobody. A fixed shape lets the compiler choose kernels once.
    """
    converted = ov.convert_model(function)
    outputs = [converted.output(tensor.name).get_node().input_value(0) for tensor in function.outputs]
    network = ov.Model([operations.result(output) for output in outputs], converted.get_parameters(), "network")
    network.reshape([1, *function.inputs[0].shape[1:]])
    for tensor, name in zip((*network.inputs, *network.outputs), ("photo", "logits", "feature_map"), strict=True):
        tensor.get_tensor().set_names({name})  # what a remote server tells its clients
    return network


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
