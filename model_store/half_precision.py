"""Halves a `.keras` file, so that a bundle stays small."""

import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np


def store_half_precision(path: Path) -> None:
    """Rewrite a `.keras` file in place with its kernels in float16.

    Arrays of two or more dimensions become float16: they are nearly all of the file, and rounding them moves a logit
    by a few thousandths. Vectors (biases, batch statistics, the normalization's mean) stay float32: they are small,
    and a variance can lie outside float16's range. Keras reads both into float32 variables.

    Args:
        path: a `.keras` file as `keras.Model.save` writes it.

    Raises:
        ValueError: a kernel's value does not fit into float16, whose largest is 65504; the file stays as it was.
    """
    draft = path.with_name(path.name + ".half")
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as target:
            for item in source.infolist():
                content = source.read(item)
                target.writestr(item, _halved(content) if item.filename.endswith(".h5") else content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _halved(weights: bytes) -> bytes:
    """Copy an HDF5 file; converting in place would leave the old arrays' space in it."""
    halved = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as source, h5py.File(halved, "w") as target:
        target.attrs.update(source.attrs)
        source.visititems(lambda name, node: _copy(name, node, target))
    return halved.getvalue()


def _copy(name: str, node: h5py.Group | h5py.Dataset, target: h5py.File) -> None:
    if isinstance(node, h5py.Group):
        copy = target.require_group(name)
    elif node.ndim >= 2 and node.dtype == np.float32:
        values = node[()]
        if not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:  # this way NaN does not fit either
            raise ValueError(f"{name} does not fit into float16")
        copy = target.create_dataset(name, data=values.astype(np.float16))
    else:
        copy = target.create_dataset(name, data=node[()])
    copy.attrs.update(node.attrs)
