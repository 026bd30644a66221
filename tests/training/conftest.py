"""A small generated data set in the official layout, and what `prepare` makes of it."""

import numpy as np
import pytest

from model_store.preprocessing import InputSpec
from training import dataset, prepare, synthetic


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
