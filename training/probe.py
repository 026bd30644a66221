"""What starting weights are worth before any training: a linear probe on their pooled features."""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_store.classes import CODES
from model_store.preprocessing import InputSpec
from training import fit, lite2, metrics, network

_BATCH = 32
_STATISTICS_BATCHES = 8
_SWISH_SCALES = (1.0, 2.0, 4.0)


def run(data: fit.Data, spec: InputSpec, out: Path, weights: list[str], per_class: int, size_px: int) -> pd.DataFrame:
    """Fit a logistic regression on features of training images, and measure it on validation lesions.

    Args:
        data: from `prepare`.
        spec: how images are prepared.
        out: gets `probe.csv` and `probe.md`; starts that stand there already are not measured again.
        weights: files besides random weights and, where its package is installed, Lite2 in several ways.
        per_class: at most so many training and as many validation images of each class.
        size_px: side of the images, pixels.

    Returns:
        A row a start: start, balanced_accuracy, low, high (95 %, by lesion), train_images, validation_images, size_px.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "probe.csv"
    table = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["start"])
    train, held_out = (_balanced(data.table, split, per_class) for split in ("train", "validation"))
    images = {rows.tobytes(): fit.prepared(data.pixels, rows, spec, size_px) for rows in (train, held_out)}
    for start in _starts(weights):
        if start in set(table.start):
            continue
        features = _pooled(start, size_px, images[train.tobytes()], images[held_out.tobytes()])
        row = _measure(features, data.table.iloc[train], data.table.iloc[held_out])
        row = {"start": start, **row, "train_images": len(train), "validation_images": len(held_out)}
        table = pd.concat([table, pd.DataFrame([{**row, "size_px": size_px}])], ignore_index=True)
        table.to_csv(file, index=False)
    (out / "probe.md").write_text(_markdown(table), encoding="utf-8")
    return table


def _starts(weights: list[str]) -> list[str]:
    """Names of what is tried; "lite2, Swish x4, own statistics" keeps the moving statistics of the source."""
    carried = []
    if find_spec(lite2.PACKAGE):
        carried = [f"lite2, Swish x{scale:g}" for scale in _SWISH_SCALES]
        carried.append(f"lite2, Swish x{lite2.SWISH_SCALE:g}, own statistics")
    return ["random", *carried, *weights]


def _pooled(start: str, size_px: int, train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(0)
    model = network.build(size_px)
    if start.startswith("lite2"):
        network.load_lite2(model, float(start.split("Swish x")[1].split(",")[0]))
    else:
        network.load_starting_weights(model, start)
    if not start.endswith("own statistics") and not start.endswith((".h5", ".npz")):
        batches = train[: _STATISTICS_BATCHES * _BATCH]
        lite2.estimate_batch_norm(model, np.array_split(batches, -(-len(batches) // _BATCH)))
    pool = keras.Model(model.input, model.get_layer("pool").output)
    return tuple(keras.ops.convert_to_numpy(pool.predict(part, _BATCH, verbose=0)) for part in (train, held_out))


def _measure(features: tuple[np.ndarray, np.ndarray], train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
    predicted = probe.fit(features[0], train.label).predict(features[1])
    labels = held_out.label.to_numpy()

    def balanced_accuracy(rows: np.ndarray) -> float:
        return metrics.balanced_accuracy(metrics.confusion(labels[rows], predicted[rows], len(CODES)))

    low, high = metrics.bootstrap_interval(balanced_accuracy, held_out.lesion.to_numpy())
    return {"balanced_accuracy": balanced_accuracy(np.arange(len(labels))), "low": low, "high": high}


def _balanced(table: pd.DataFrame, split: str, per_class: int) -> np.ndarray:
    """Row numbers in a mixed order, at most `per_class` of each class: dermoscopy of one split."""
    rng = np.random.default_rng(0)
    inside = (table.split == split) & (table.kind == "dermoscopy")
    numbers = [rng.permutation(np.flatnonzero(inside & (table.label == k)))[:per_class] for k in range(len(CODES))]
    return rng.permutation(np.concatenate(numbers))


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| start | balanced accuracy of a linear probe (95 %) | images: train, validation | px |",
        "|---|---|---|---|",
    ]
    for row in table.itertuples():
        name = Path(row.start).name
        figures = f"{row.balanced_accuracy:.3f} ({row.low:.3f} to {row.high:.3f})"
        lines.append(f"| {name} | {figures} | {row.train_images}, {row.validation_images} | {row.size_px} |")
    return "\n".join([*lines, ""])
