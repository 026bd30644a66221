"""What training starts from: ImageNet's weights of several origins, or what an earlier training ended with."""

from pathlib import Path

import keras
import numpy as np

from training import lite2, net2net, network
from training.configs.recipe import LITE2
from training.errors import TrainingError

# Keras's ImageNet weights come with a second scaling layer behind the normalization (its issue 49930); the network
# here has none, so its effect goes into the variance.
_IMAGENET_STDDEV = np.array([0.229, 0.224, 0.225], "float32")


def load(model: keras.Model, weights: str) -> None:
    """Load the weights that training starts from; the head stays random.

    Args:
        model: from `network.build`.
        weights: "imagenet" (Keras downloads them; for a B4 alone), "random", "lite2" (see `lite2`; an installed
            package), a path of weights of `keras.applications.EfficientNetB4(include_top=False, weights=None)`, or what
            brings its head along: the `.npz` file of an earlier run's stage, or a bundle's `model.keras`.

    Raises:
        TrainingError: they cannot be had, or are those of another network.
    """
    try:
        _load(model, weights)
    except TrainingError:
        raise
    except Exception as error:  # Keras raises whatever comes, also where it cannot download
        raise TrainingError(f"{weights} are no starting weights of this network, or not to be had: {error}") from error


def load_lite2(model: keras.Model, swish_scale: float | None = None) -> None:
    """Put the installed Lite2's ImageNet weights into a Lite2, or grown into a B4; see `net2net.grow`."""
    state = lite2.read()
    if model.name == LITE2:
        lite2.load_imagenet(model, state)
        return
    source = network.build(model.input_shape[1], kind=LITE2)
    lite2.load_imagenet(source, state)
    head = model.get_layer(network.HEAD).get_weights()
    net2net.grow(source, model, swish_scale)
    model.get_layer(network.HEAD).set_weights(head)  # the source has learnt none


def _load(model: keras.Model, weights: str) -> None:
    if weights == "random":
        return
    if weights == "lite2":
        load_lite2(model)
        return
    if weights.endswith(".npz"):
        network.load_weights(model, Path(weights))
        return
    by_name = {layer.name: layer for layer in model.layers}
    for layer in _source(weights, model.input_shape[1]).layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance = (keras.ops.convert_to_numpy(v) for v in layer.weights[:2])
            if weights == "imagenet":
                variance = variance * _IMAGENET_STDDEV
            network.set_input_scaling(model, mean, variance)
        elif layer.weights:
            by_name[layer.name].set_weights(layer.get_weights())


def _source(weights: str, size_px: int) -> keras.Model:
    """The network that starting weights are taken from, layer by layer."""
    if weights.endswith(".keras"):
        return keras.saving.load_model(weights, compile=False)
    imagenet = weights == "imagenet"
    source = keras.applications.EfficientNetB4(
        include_top=False, weights="imagenet" if imagenet else None, input_shape=(size_px, size_px, 3)
    )
    if not imagenet:
        source.load_weights(weights)
    return source
