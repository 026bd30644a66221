"""EfficientNetB4 that computes what EfficientNet-Lite2 does: wider, deeper, and ready to learn more.

Wider layers repeat channels of the source, each repeated channel's weight being shared out among its copies; further
blocks are copies of the last one of their stage behind a zero gamma, silent until they learn. Lite has no
squeeze-and-excite: B4's gates start constant, their constant divided out.

Source: Chen, Goodfellow and Shlens 2016, "Net2Net".
"""

import keras
import numpy as np

from training import lite2
from training.network import HEAD, set_input_scaling

GATE = 2.0  # bias of the squeeze-and-excite gates: open at sigmoid(2) = 0.88, whatever the image

# Where the source computes with ReLU6: Swish is brought closer to ReLU by an input so many times as large.
RELU_SCALE = 4.0

_BLOCKS = (2, 4, 4, 6, 6, 8, 2)  # of each stage of B4


def grow(source: keras.Model, network: keras.Model, swish_scale: float | None = None) -> None:
    """Put a Lite2's weights, widened and deepened, its input scaling and its head into a B4.

    What Lite2 computes with Swish, B4 computes too; what it computes with ReLU6, B4 comes near.

    Args:
        source: from `network.build`, a Lite2.
        network: from `network.build`, a B4; its squeeze-and-excite reductions stay as they are.
        swish_scale: the input of the activations becomes so many times as large, and what follows makes up for it;
            None: 1 for a source with Swish, `RELU_SCALE` for one with ReLU6.
    """
    if swish_scale is None:
        swish_scale = 1.0 if lite2.is_swish(source) else RELU_SCALE
    _Growth(source, network, swish_scale).run()


def estimate_batch_norm(network: keras.Model, batches: list[np.ndarray]) -> None:
    """Replace the moving statistics by those of images: where the activations were replaced, the grown ones are wrong.

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


class _Growth:
    """One pass through the network; `channels` always says which source channel each channel repeats."""

    def __init__(self, source: keras.Model, network: keras.Model, swish_scale: float) -> None:
        self.source = source
        self.network = network
        self.rng = np.random.default_rng(0)
        self.scale = swish_scale

    def run(self) -> None:
        channels = self._convolve("stem_conv", "stem_conv", np.arange(3))
        self._normalize("stem_bn", "stem_bn", channels)
        for stage, ((there, *_), wanted) in enumerate(zip(lite2.STAGES, _BLOCKS, strict=True), start=1):
            stream = None  # the residual connections of a stage tie its channels together
            for number in range(wanted):
                block, origin = (f"block{stage}{'abcdefgh'[i]}" for i in (number, min(number, there - 1)))
                # A stage of one block has none with a residual, so that there is nothing to copy.
                if number >= there == 1:
                    self._silent(block)
                    continue
                stream = channels = self._block(block, origin, channels, stream, silent=number >= there)
        channels = self._convolve("top_conv", "top_conv", channels)
        self._normalize("top_bn", "top_bn", channels)
        set_input_scaling(self.network, np.full(3, lite2.MEAN), np.full(3, lite2.STDDEV**2))
        kernel, bias = self._of_source(HEAD)
        self._set(HEAD, kernel[channels] * self._shares(channels)[:, None] / self.scale, bias)

    def _block(
        self, block: str, origin: str, channels: np.ndarray, stream: np.ndarray | None, silent: bool
    ) -> np.ndarray:
        if origin != "block1a":  # it alone expands nothing
            channels = self._convolve(f"{block}_expand_conv", f"{origin}_expand_conv", channels)
            self._normalize(f"{block}_expand_bn", f"{origin}_expand_bn", channels)
        # An activation stands before the depthwise convolution, in this block or at the stem.
        (kernel,) = self._of_source(f"{origin}_dwconv")
        self._set(f"{block}_dwconv", kernel[:, :, channels] / self.scale)
        self._normalize(f"{block}_bn", f"{origin}_bn", channels)
        self._open_gate(block)
        gate = 1 / (1 + np.exp(-GATE))
        channels = self._convolve(
            f"{block}_project_conv", f"{origin}_project_conv", channels, divide=self.scale * gate, channels_out=stream
        )
        self._normalize(f"{block}_project_bn", f"{origin}_project_bn", channels, activated=False, silent=silent)
        return channels

    def _convolve(
        self,
        layer: str,
        origin: str,
        channels_in: np.ndarray,
        divide: float = 1.0,
        channels_out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Set a convolution's kernel; returns which source channel each output channel repeats."""
        (kernel,) = self._of_source(origin)
        if channels_out is None:
            channels_out = self._repeat(kernel.shape[-1], self.network.get_layer(layer).kernel.shape[-1])
        shares = self._shares(channels_in)
        self._set(layer, kernel[:, :, channels_in][..., channels_out] * shares[:, None] / divide)
        return channels_out

    def _normalize(
        self, layer: str, origin: str, channels: np.ndarray, activated: bool = True, silent: bool = False
    ) -> None:
        gamma, beta, mean, variance = (values[channels] for values in self._of_source(origin))
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

    def _of_source(self, layer: str) -> list[np.ndarray]:
        return self.source.get_layer(layer).get_weights()

    def _set(self, layer: str, *values: np.ndarray) -> None:
        self.network.get_layer(layer).set_weights([np.asarray(value, "float32") for value in values])
