"""The last layer's weights, read out of a `.keras` file without Keras."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from model_store.classes import CODES
from model_store.errors import BundleError


def dense_weights(model_path: Path, channels: int) -> np.ndarray:
    """Read the kernel that makes the logits of the pooled feature map.

    Args:
        model_path: the bundle's `model.keras`: a zip archive with the weights in one HDF5 file.
        channels: of the feature map.

    Returns:
        Shape (channels, 8), float32.

    Raises:
        BundleError: `model_unreadable`: there is none of this shape, or more than one.
    """
    kernels = []

    def keep(_name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.shape == (channels, len(CODES)):
            kernels.append(np.asarray(node[()], np.float32))

    try:
        with zipfile.ZipFile(model_path) as archive:
            weights = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(weights, "r") as file:
            file.visititems(keep)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError("model_unreadable") from error
    if len(kernels) != 1:
        raise BundleError("model_unreadable", dense_kernels=len(kernels))
    return kernels[0]
