"""The GPU recipe, shrunk to a few pixels and two steps, under the backend that it is meant for."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

_SHRUNK = f"""
import dataclasses, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from conftest import build_small_network
from model_store.preprocessing import InputSpec
from training import configs, fit, prepare
fit.network.build = build_small_network
recipe = configs.load("gpu_380")
spec = InputSpec(size_px=64, common_px=64)
stage = dataclasses.replace(recipe.stages[0], size_px=32, epochs=1, epoch_images=16, batch_size=8, warmup=1)
recipe = dataclasses.replace(recipe, stages=(stage,), input=spec)
fit.run(recipe, prepare.run(Path(sys.argv[1]), spec, Path(sys.argv[2])), Path(sys.argv[3]), "random")
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_it_takes_two_steps_under_jax(isic_folder, tmp_path):
    command = [sys.executable, "-c", _SHRUNK, isic_folder, tmp_path / "cache", tmp_path / "run"]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history.images.tolist() == [16]
    assert np.isfinite(history[["loss", "val_loss"]]).all(axis=None)
    assert (tmp_path / "run" / "full.weights.npz").exists()
