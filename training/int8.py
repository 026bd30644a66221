"""What a network of 8-bit whole numbers would gain in speed and cost in accuracy; see docs/decisions/0006."""

import hashlib
import json
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import openvino as ov
import pandas as pd
from tqdm import tqdm

from model_store import comparison, cpus
from model_store.engines import cache
from model_store.engines.openvino import NETWORK
from model_store.prediction import SOURCES
from training import choose, draws, fit, metrics, seven
from training.configs.recipe import Recipe
from training.errors import TrainingError
from training.prepare import Data

FILE = "int8.json"
LARGEST_LOSS = 0.005  # of balanced accuracy: what the project's owners would accept
_CALIBRATING = 300  # training images that show the range of each layer's values
_TIMED = 30


def run(recipe: Recipe, data: Data, model: Path, out: Path, cache_root: Path) -> dict:
    """Quantize a served network, and hold it against the one of 32-bit numbers on validation images.

    Args:
        recipe: how images are prepared, and the seed.
        data: from `prepare`.
        model: the served network: a bundle's or a run's `model.keras`.
        out: gets `int8.json`.
        cache_root: keeps the network as converted for OpenVINO.

    Returns:
        What the file holds: the model's SHA-256; for each source images, balanced_accuracy (seven classes) of "f32" and
        of "int8", and loss, loss_low, loss_high: of the second against the first, with its 95 % interval by patient;
        same_top_class, a share; network_ms of both, medians of times taken in turn; largest_loss, and accepted: no
        source loses more.

    Raises:
        TrainingError: the package nncf is not installed.
    """
    if find_spec("nncf") is None:
        raise TrainingError("int8 needs the package nncf")
    import nncf  # after model_store.engines, which keeps its library from telling its makers of it over the internet

    network = ov.Core().read_model(cache.get(model, cache_root) / NETWORK)
    rng = np.random.default_rng(recipe.seed)
    train = np.flatnonzero((data.table.split == "train") & (data.table.kind != "thumbnail"))
    shown = np.sort(rng.choice(train, min(_CALIBRATING, len(train)), replace=False))
    calibrating = nncf.Dataset(shown, lambda row: _photo(data, recipe, row))
    quantized = nncf.quantize(network, calibrating, subset_size=len(shown))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": cpus.available(), "NUM_STREAMS": 1}
    compiled = {
        name: ov.Core().compile_model(kind, "CPU", settings) for name, kind in (("f32", network), ("int8", quantized))
    }
    sources = {}
    for source in SOURCES:
        rows = choose.validation(data, source)
        if len(rows):
            shift = draws.source_shift(recipe, data.table, source)
            logits = {name: _logits(kind, data, recipe, rows) - shift for name, kind in compiled.items()}
            sources[source] = _compare(logits, data.table.iloc[rows])
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = {
        "model_sha256": digest,
        "processor": comparison.processor(),
        "calibration_images": len(shown),
        "sources": sources,
        "network_ms": _times_ms(compiled, _photo(data, recipe, shown[0])),
        "largest_loss": LARGEST_LOSS,
        "accepted": all(figures["loss"] <= LARGEST_LOSS for figures in sources.values()),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def _photo(data: Data, recipe: Recipe, row: int) -> np.ndarray:
    return fit.prepared(data.pixels, np.array([row]), recipe.input, recipe.input.size_px)


def _logits(model: ov.CompiledModel, data: Data, recipe: Recipe, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [model(_photo(data, recipe, row))[0].copy() for row in tqdm(rows, desc="asking", leave=False, mininterval=5)]
    )


def _compare(logits: dict[str, np.ndarray], table: pd.DataFrame) -> dict:
    labels = table.label.to_numpy()

    def accuracy(name: str, rows: np.ndarray) -> float:
        return choose.balanced_accuracy(logits[name][rows], labels[rows])

    low, high = metrics.bootstrap_interval(
        lambda rows: accuracy("f32", rows) - accuracy("int8", rows),
        table.patient.to_numpy(),
        classes=seven.merge_labels(labels),
    )
    accuracies = {name: accuracy(name, np.arange(len(labels))) for name in logits}
    return {
        "images": len(labels),
        "balanced_accuracy": accuracies,
        "loss": accuracies["f32"] - accuracies["int8"],
        "loss_low": low,
        "loss_high": high,
        "same_top_class": float((logits["f32"].argmax(axis=1) == logits["int8"].argmax(axis=1)).mean()),
    }


def _times_ms(compiled: dict[str, ov.CompiledModel], photo: np.ndarray) -> dict[str, float]:
    times = {name: [] for name in compiled}
    for _ in range(_TIMED):
        for name, model in compiled.items():
            began = time.perf_counter()
            model(photo)
            times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}
