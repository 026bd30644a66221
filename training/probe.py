"""What starting weights are worth: a linear probe on their pooled features, and a short fine-tuning from them."""

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
from training import ablation, fit, lite2, metrics, net2net, network, starting_weights
from training.configs.recipe import B4, LITE2
from training.prepare import Data

_BATCH = 32
_STATISTICS_BATCHES = 8
_SWISH_SCALES = (1.0, 2.0, 4.0)
_SMALL = "lite2, not widened"


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
        fine_tuned (balanced accuracy on all validation images, of eight classes) and steps, where it was trained.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "probe.csv"
    train, held_out = (_balanced(data.table, split, per_class) for split in ("train", "validation"))
    alike = {"train_images": len(train), "validation_images": len(held_out), "size_px": size_px, "steps": steps}
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    rows = [row for row in rows if all(row[name] == value for name, value in alike.items())]
    images = {part.tobytes(): fit.prepared(data.pixels, part, spec, size_px) for part in (train, held_out)}
    for start in _starts(weights):
        if start in {row["start"] for row in rows}:
            continue
        features = _pooled(start, size_px, images[train.tobytes()], images[held_out.tobytes()])
        row = _measure(features, data.table.iloc[train], data.table.iloc[held_out])
        rows.append({"start": start, **row, **alike, "fine_tuned": _fine_tuned(data, out, start, size_px, steps)})
        pd.DataFrame(rows).to_csv(file, index=False)
    table = pd.DataFrame(rows)
    (out / "probe.md").write_text(_markdown(table), encoding="utf-8")
    return table


def _starts(weights: list[str]) -> list[str]:
    """Names of what is tried: Lite2 itself, and widened into B4; "own statistics" keeps its moving statistics."""
    carried = []
    if find_spec(lite2.PACKAGE):
        widened = [f"lite2, Swish x{scale:g}" for scale in _SWISH_SCALES]
        carried = [_SMALL, *widened, f"lite2, Swish x{net2net.RELU_SCALE:g}, own statistics"]
    return ["random", *carried, *weights]


def _pooled(start: str, size_px: int, train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(0)
    model = network.build(size_px, kind=LITE2 if start == _SMALL else B4)
    if start == _SMALL:
        starting_weights.load_lite2(model)
    elif start.startswith("lite2"):
        starting_weights.load_lite2(model, float(start.split("Swish x")[1].split(",")[0]))
    else:
        starting_weights.load(model, start)
    if start == "random" or (start.startswith("lite2, Swish") and not start.endswith("own statistics")):
        batches = train[: _STATISTICS_BATCHES * _BATCH]
        net2net.estimate_batch_norm(model, np.array_split(batches, -(-len(batches) // _BATCH)))
    pool = keras.Model(model.input, model.get_layer(network.POOL).output)
    return tuple(keras.ops.convert_to_numpy(pool.predict(part, _BATCH, verbose=0)) for part in (train, held_out))


def _fine_tuned(data: Data, out: Path, start: str, size_px: int, steps: int) -> float:
    weights = "lite2" if start == f"lite2, Swish x{net2net.RELU_SCALE:g}" else start
    if not steps or weights.startswith("lite2,"):
        return float("nan")
    folder = out / "fine_tuned" / Path(weights).name
    fit.run(ablation.base(steps, size_px, seed=0), data, folder, weights)
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
