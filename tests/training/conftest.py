"""A small generated data set in the official layout, and what `prepare` makes of it."""

import keras
import numpy as np
import pytest

from model_store.preprocessing import InputSpec
from training import dataset, network, prepare, synthetic


@pytest.fixture(scope="session")
def isic_folder(tmp_path_factory):
    return synthetic.write_isic(tmp_path_factory.mktemp("isic"), per_class=20)


@pytest.fixture(scope="session")
def table(isic_folder):
    return dataset.read(isic_folder)


@pytest.fixture(scope="session")
def data(isic_folder, tmp_path_factory):
    return prepare.run(isic_folder, InputSpec(size_px=64, common_px=64), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def build_small_network(
    size_px,
    *,
    kind=network.B4,
    input_px=None,
    views=1,
    dropout=0.2,
    drop_connect=0.2,
    batch_norm_momentum=0.99,
    to_train=False,
    precision="float32",
):
    """Build in a second what `network.build` builds in twenty: one convolution, the same names and interface.

    It works at the size of its input, takes one view, and is the same for both kinds.
    """
    assert (input_px or size_px, views) == (size_px, 1)
    inputs = keras.Input((size_px, size_px, 3))
    x = keras.layers.Normalization()(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Conv2D(8, 3, strides=2, name="stem_conv")(x)
    x = keras.layers.BatchNormalization(momentum=batch_norm_momentum)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name=network.POOL)(x)
    return keras.Model(inputs, keras.layers.Dense(8, name=network.HEAD)(keras.layers.Dropout(dropout)(x)))


@pytest.fixture
def small_network(monkeypatch):
    """`network.build` builds the small network; the fixture is its function."""
    monkeypatch.setattr(network, "build", build_small_network)
    return build_small_network
