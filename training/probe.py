"""What starting weights are worth: a linear probe on their pooled features, and a short fine-tuning from them."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_store.classes import CODES
from model_store.preprocessing import InputSpec
from training import ablation, fit, lite2, metrics, net2net, network, starting_weights
from training.configs.recipe import B4, LITE2
from training.prepare import Data

_BATCH = 32
_STATISTICS_BATCHES = 8
_OTHER_SCALES = (1.0, 2.0)  # of Swish, beside the one that training takes


class _Start(NamedTuple):
    """One of the starts that are compared.

    Attributes:
        name: its row in the table.
        kind: the network that is asked.
        swish_scale: of a Lite2 that is widened; None takes `weights` as `train` would.
        weights: what `train --weights` knows; None where it cannot begin with this.
        own_statistics: whether the batch statistics stay those that the weights brought.
    """

    name: str
    kind: str = B4
    swish_scale: float | None = None
    weights: str | None = None
    own_statistics: bool = False


def run(
    data: Data, spec: InputSpec, out: Path, weights: list[str], *, per_class: int, size_px: int, steps: int
) -> pd.DataFrame:
    """Fit a logistic regression on features of training images, and measure it on validation lesions.

    Then train the whole network a little from the same weights, as the first row of `ablation` does.

    Args:
        data: from `prepare`.
        spec: how images are prepared.
        out: gets `probe.csv`, `probe.md` and the runs' folders; starts that were measured alike before are not measured
            again, and others than those no longer stand there.
        weights: files besides random weights and, where its package is installed, Lite2 in several ways.
        per_class: at most so many training and as many validation images of each class.
        size_px: side of the images, pixels.
        steps: of 32 images, from each start that `train --weights` knows; 0 leaves the fine-tuning out.

    Returns:
        A row a start: start, balanced_accuracy, low, high (95 %, by lesion), train_images, validation_images, size_px;
        fine_tuned (balanced accuracy on all dermoscopic validation images, of eight classes) and steps, where it was
        trained.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "probe.csv"
    train, held_out = (_balanced(data.table, split, per_class) for split in ("train", "validation"))
    alike = {"train_images": len(train), "validation_images": len(held_out), "size_px": size_px, "steps": steps}
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    rows = [row for row in rows if all(row[name] == value for name, value in alike.items())]
    images = [fit.prepared(data.pixels, part, spec, size_px) for part in (train, held_out)]
    for start in _starts(weights):
        if start.name in {row["start"] for row in rows}:
            continue
        features = _pooled(start, size_px, *images)
        row = _measure(features, data.table.iloc[train], data.table.iloc[held_out])
        rows.append({"start": start.name, **row, **alike, "fine_tuned": _fine_tuned(data, out, start, size_px, steps)})
        pd.DataFrame(rows).to_csv(file, index=False)
    table = pd.DataFrame(rows)
    (out / "probe.md").write_text(_markdown(table), encoding="utf-8")
    return table


def _starts(weights: list[str]) -> list[_Start]:
    carried = []
    if find_spec(lite2.PACKAGE):
        scale = net2net.RELU_SCALE
        begun_with = _Start(f"lite2, Swish x{scale:g}", swish_scale=scale, weights="lite2")
        carried = [
            _Start("lite2, not widened", kind=LITE2, swish_scale=1.0, own_statistics=True),
            *(_Start(f"lite2, Swish x{scale:g}", swish_scale=scale) for scale in _OTHER_SCALES),
            begun_with,
            begun_with._replace(name=f"{begun_with.name}, own statistics", weights=None, own_statistics=True),
        ]
    return [
        _Start("random", weights="random"),
        *carried,
        *(_Start(file, weights=file, own_statistics=True) for file in weights),
    ]


def _pooled(start: _Start, size_px: int, train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(0)
    model = network.build(size_px, kind=start.kind)
    if start.swish_scale is None:
        starting_weights.load(model, start.weights)
    else:
        starting_weights.load_lite2(model, start.swish_scale)
    if not start.own_statistics:
        batches = train[: _STATISTICS_BATCHES * _BATCH]
        net2net.estimate_batch_norm(model, np.array_split(batches, -(-len(batches) // _BATCH)))
    pool = keras.Model(model.input, model.get_layer(network.POOL).output)
    return tuple(keras.ops.convert_to_numpy(pool.predict(part, _BATCH, verbose=0)) for part in (train, held_out))


def _fine_tuned(data: Data, out: Path, start: _Start, size_px: int, steps: int) -> float:
    if not steps or start.weights is None:
        return float("nan")
    folder = out / "fine_tuned" / Path(start.weights).name
    shutil.rmtree(folder, ignore_errors=True)  # of another file of this name, or of another size or length
    fit.run(ablation.base(steps, size_px, seed=0), data, folder, start.weights)
    return float(pd.read_csv(folder / "history.csv").val_balanced_accuracy.iloc[-1])


def _measure(features: tuple[np.ndarray, np.ndarray], train: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
    predicted = probe.fit(features[0], train.label).predict(features[1])
    labels = held_out.label.to_numpy()

    def balanced_accuracy(rows: np.ndarray) -> float:
        return metrics.balanced_accuracy(metrics.confusion(labels[rows], predicted[rows], len(CODES)))

    low, high = metrics.bootstrap_interval(balanced_accuracy, held_out.lesion.to_numpy(), classes=labels)
    return {"balanced_accuracy": balanced_accuracy(np.arange(len(labels))), "low": low, "high": high}


def _balanced(table: pd.DataFrame, split: str, per_class: int) -> np.ndarray:
    """Row numbers in a mixed order, at most `per_class` of each class: dermoscopy of one split."""
    rng = np.random.default_rng(0)
    inside = (table.split == split) & (table.kind == "dermoscopy")
    numbers = [rng.permutation(np.flatnonzero(inside & (table.label == k)))[:per_class] for k in range(len(CODES))]
    return rng.permutation(np.concatenate(numbers))


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| start | balanced accuracy of a linear probe (95 %) | after a short training | images | px |",
        "|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        name = Path(row.start).name
        figures = f"{row.balanced_accuracy:.3f} ({row.low:.3f} to {row.high:.3f})"
        trained = "" if pd.isna(row.fine_tuned) else f"{row.fine_tuned:.3f} ({row.steps} steps of 32)"
        lines.append(
            f"| {name} | {figures} | {trained} | {row.train_images} + {row.validation_images} | {row.size_px} |"
        )
    return "\n".join([*lines, ""])
