"""EfficientNetB4, or the small network it grows from, with a head for the eight classes; the same at every size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from model_store.classes import CODES
from training import batch_norm, lite2
from training.configs.recipe import B4, LITE2

HEAD = "logits"
POOL = "pool"

# By how many quarters of a turn each view of an image is turned.
VIEWS = (0, 2, 1, 3)


def build(
    size_px: int,
    *,
    kind: str = B4,
    input_px: int | None = None,
    views: int = 1,
    dropout: float = 0.2,
    drop_connect: float = 0.2,
    batch_norm_momentum: float = 0.99,
    to_train: bool = False,
    precision: str = "float32",
) -> keras.Model:
    """Build the network with random weights.

    Args:
        size_px: side of the square that the network works at, pixels.
        kind: B4, or LITE2 (see `lite2`), which only a recipe's first stages train.
        input_px: side of the square input, pixels; where it is another, a first step resizes.
        views: so many of `VIEWS` of every image are looked at; feature maps and logits are their means.
        dropout: rate before the head.
        drop_connect: rate of the last residual branch; earlier ones fall linearly to 0.
        batch_norm_momentum: of the moving statistics.
        precision: Keras's dtype policy of all layers but the head; weights and logits are float32 whatever it is.
        to_train: take layers that train faster where the backend has some (see `batch_norm`); the weights fit either.

    Returns:
        A functional model, flat: float32 (N, input_px, input_px, 3) RGB in [0, 255] to logits float32 (N, 8).

    Source: Tan and Le 2019, "EfficientNet", as built by keras.applications.
    """
    images = resized = keras.Input(((input_px or size_px),) * 2 + (3,))
    if input_px not in (None, size_px):
        # Not the layer `Resizing`: called without `training`, it turns training mode on for all that follows.
        resized = keras.ops.image.resize(
            images, (size_px, size_px), interpolation="bilinear", data_format="channels_last"
        )
    with _dtype_policy(precision):
        feature_map = _FEATURE_MAPS[kind](_views(resized, views))
    for layer in keras.Model(images, feature_map).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
        if isinstance(layer, keras.layers.Dropout):
            layer.rate *= drop_connect / 0.2  # 0.2 is what both build with
    # The head is linear, so that the logits of the mean feature map are the mean of the views' logits.
    x = keras.layers.GlobalAveragePooling2D(name=POOL)(_mean_of_views(feature_map, views))
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(len(CODES), name=HEAD, dtype="float32")(x)
    network = keras.Model(images, logits, name=kind)
    return batch_norm.fused(network) if to_train and precision == "float32" else network


def _b4(images: keras.KerasTensor) -> keras.KerasTensor:
    return keras.applications.EfficientNetB4(include_top=False, weights=None, input_tensor=images).output


_FEATURE_MAPS = {B4: _b4, LITE2: lite2.backbone}


def _views(images: keras.KerasTensor, count: int) -> keras.KerasTensor:
    """(N, S, S, C) to (count * N, S, S, C): all images in the first view, then all in the second, ..."""
    if count == 1:
        return images
    return keras.ops.concatenate([_turned(images, quarters) for quarters in VIEWS[:count]])


def _mean_of_views(maps: keras.KerasTensor, count: int) -> keras.KerasTensor:
    """What `_views` made, turned back and averaged: (count * N, S, S, C) to (N, S, S, C)."""
    if count == 1:
        return maps
    views = zip(keras.ops.split(maps, count), VIEWS[:count], strict=True)
    return sum(_turned(view, -quarters % 4) for view, quarters in views) / count


def _turned(images: keras.KerasTensor, quarters: int) -> keras.KerasTensor:
    """As `np.rot90(images, quarters, (1, 2))`, of square images."""
    if quarters % 2:
        images = keras.ops.transpose(images, (0, 2, 1, 3))
    for axis in {0: (), 1: (1,), 2: (1, 2), 3: (2,)}[quarters]:
        # Not `keras.ops.flip`: OpenVINO 2026.4 moves a transposition across it and then refuses the network.
        images = keras.ops.take(images, list(range(images.shape[axis]))[::-1], axis=axis)
    return images


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Inside, new layers get this policy: keras.applications takes none."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def load_weights(network: keras.Model, file: Path) -> None:
    """Put the weights that a stage of a run ended with into a network from `build`, of whatever size.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file's layers are others.
    """
    set_variables(network, _read(file))


def mean(files: list[Path]) -> list[np.ndarray]:
    """The mean of several networks' variables; the states of their random generators are those of the last."""
    networks = [_read(file) for file in files]
    return [
        np.mean(values, axis=0) if values[-1].dtype.kind == "f" else values[-1]
        for values in zip(*networks, strict=True)
    ]


def _read(file: Path) -> list[np.ndarray]:
    with np.load(file) as arrays:
        return [arrays[str(i)] for i in range(len(arrays))]


def variables(network: keras.Model) -> list[np.ndarray]:
    """Every variable's value, the states of the random generators included, in the network's order."""
    return [keras.ops.convert_to_numpy(variable) for variable in network.variables]


def set_variables(network: keras.Model, values: list[np.ndarray]) -> None:
    """Put back what `variables` gave, perhaps by a network of another size. ValueError when they don't fit."""
    for variable, value in zip(network.variables, values, strict=True):
        variable.assign(value)
    _normalization(network).finalize_state()  # without this the assigned mean and variance have no effect


def freeze(network: keras.Model, trainable_from: str) -> None:
    """Let only the layers from the named one on learn ("all": every layer).

    A frozen batch normalization also stops to follow the images' statistics.

    Raises:
        ValueError: no layer's name starts so.
    """
    learns = trainable_from == "all"
    for layer in network.layers:
        learns = learns or layer.name.startswith(trainable_from)
        layer.trainable = learns
    if not learns:
        raise ValueError(f"no layer's name starts with {trainable_from!r}")


def with_feature_map(network: keras.Model) -> keras.Model:
    """The served form: outputs [logits (N, 8), last feature map (N, H, W, 1792)]; shares the network's layers."""
    return keras.Model(network.input, [network.output, network.get_layer(POOL).input], name=network.name)


def _normalization(network: keras.Model) -> keras.layers.Normalization:
    return next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))


def set_input_scaling(network: keras.Model, mean: np.ndarray, variance: np.ndarray) -> None:
    """Let the network take away this mean and divide by the root of this variance, each (3,), of RGB in [0, 1]."""
    layer = _normalization(network)
    layer.adapt_mean.assign(mean)
    layer.adapt_variance.assign(variance)
    layer.finalize_state()
