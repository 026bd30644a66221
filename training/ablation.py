"""Short trainings from the same weights, each with one thing changed, compared on validation."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.classes import CODES
from model_store.prediction import SOURCES
from training import choose, draws, fit, metrics, network
from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage
from training.prepare import Data

# What every other variant differs from in one thing.
_PLAIN = Augmentation(flips=True, rotation=180, zoom=1.2, brightness=1.15, contrast=1.1, saturation=1.1, blur=0.5)
_STRONG = Augmentation(
    flips=True,
    rotation=180,
    zoom=1.4,
    stretch=1.2,
    shift=0.1,
    brightness=1.35,
    contrast=1.3,
    saturation=1.4,
    tint=1.15,
    blur=1.0,
)
BASE = "logit adjustment, mild augmentation"
_MEASURED = "measured.csv"
_BATCH = 32


def _staged(**changes) -> Callable[[Recipe], Recipe]:
    return lambda recipe: dataclasses.replace(recipe, stages=(dataclasses.replace(recipe.stages[0], **changes),))


def _augmented(**changes) -> Callable[[Recipe], Recipe]:
    return _staged(augmentation=dataclasses.replace(_PLAIN, **changes))


def _changed(**changes) -> Callable[[Recipe], Recipe]:
    return lambda recipe: dataclasses.replace(recipe, **changes)


VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    BASE: lambda recipe: recipe,
    "stronger augmentation": _augmented(**dataclasses.asdict(_STRONG)),
    "down- and upscaling": _augmented(degrade=3.0),
    "JPEG down to quality 30": _augmented(jpeg=30),
    "mixup": _augmented(mixup=0.2),
    "cutmix": _augmented(cutmix=1.0),
    "no logit adjustment": _changed(logit_adjustment=False),
    "class-balanced loss instead": _changed(logit_adjustment=False, class_balanced_loss=True),
    "label smoothing 0.1": _changed(label_smoothing=0.1),
    "averaged weights (EMA 0.98)": _changed(optimizer=Optimizer(weight_decay=1e-3, clip=1.0, ema=0.98)),
    "a quarter phone photos instead of none": _staged(phone_share=0.25),
    "two fifths thumbnails instead of none": _staged(thumbnail_share=0.4),
}


def base(steps: int, size_px: int, seed: int) -> Recipe:
    """The recipe that each variant changes: one stage of so many steps of 32 images."""
    stage = Stage(
        "short",
        size_px,
        epochs=1,
        epoch_images=_BATCH * steps,
        batch_size=_BATCH,
        peak=3e-4,
        warmup=min(20, steps // 5),
        augmentation=_PLAIN,
    )
    return Recipe(
        stages=(stage,),
        seed=seed,
        optimizer=Optimizer(weight_decay=1e-3, clip=1.0),
        class_power=0.5,
        logit_adjustment=True,
        drop_connect=0.1,
    )


def run(data: Data, out: Path, weights: str, *, steps: int, size_px: int, seeds: int, minutes: float) -> pd.DataFrame:
    """Train the variants that are not there yet, until the time is up; call again to go on.

    Args:
        data: from `prepare`.
        out: gets a run's folder for each variant and seed, `ablation.csv` and `ablation.md`.
        weights: what each starts from, see `starting_weights.load`.
        steps, size_px: of each training.
        seeds: trainings of each variant; all variants get their first before one gets its second.
        minutes: no further training starts that would probably end later than this.

    Returns:
        A row a training: variant, seed, balanced_accuracy and accuracy on the validation images of dermoscopy, the
        same with phone_ before them on its phone photos (NaN without any), loss (validation), images, minutes.
    """
    began, longest = time.monotonic(), 0.0
    rows = []
    for seed in range(seeds):
        for name, change in VARIANTS.items():
            folder = out / f"seed{seed}" / name.replace(" ", "_")
            recipe = change(base(steps, size_px, seed))
            finished = (folder / _MEASURED).exists()
            if not finished and (time.monotonic() - began + longest) / 60 > minutes:
                continue
            started = time.monotonic()
            fit.run(recipe, data, folder, weights)  # at once where it is finished; refuses other steps or sizes
            rows.append({"variant": name, "seed": seed, **_measured(recipe, data, folder), **_history(folder)})
            longest = max(longest, time.monotonic() - started)
    table = pd.DataFrame(rows)
    if len(table):
        table.to_csv(out / "ablation.csv", index=False)
        dermoscopy, phone = (len(choose.validation(data, source)) for source in SOURCES)
        text = markdown(table, f"From `{Path(weights).name}`, {steps} steps of {_BATCH} images at {size_px} px each; "
                               f"measured on validation, {dermoscopy} dermoscopy images and {phone} phone photos, as "
                               "if all diagnoses were equally common.")  # fmt: skip
        (out / "ablation.md").write_text(text, encoding="utf-8")
    return table


def markdown(table: pd.DataFrame, conditions: str) -> str:
    """The table for people: each variant's mean over its seeds, the range, and the distance from the base."""
    grouped = table.groupby("variant", sort=False)
    means, counts = grouped.balanced_accuracy.mean(), grouped.size()
    lines = [
        conditions,
        "",
        "| what | balanced accuracy | range over seeds | against the first row | accuracy "
        "| phone photos: balanced accuracy | accuracy | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in grouped:
        low, high = rows.balanced_accuracy.min(), rows.balanced_accuracy.max()
        spread = f"{low:.3f} to {high:.3f}" if counts[name] > 1 else "one seed"
        gain = f"{means[name] - means.iloc[0]:+.3f}" if name != means.index[0] else ""
        others = rows[["accuracy", "phone_balanced_accuracy", "phone_accuracy"]].mean()
        figures = " | ".join("" if np.isnan(value) else f"{value:.3f}" for value in others)
        lines.append(f"| {name} | {means[name]:.3f} | {spread} | {gain} | {figures} | {counts[name]} |")
    missing = [name for name in VARIANTS if name not in means.index]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    return "\n".join([*lines, ""])


def _measured(recipe: Recipe, data: Data, folder: Path) -> dict[str, float]:
    """What a finished training says of each source's validation images; or what an earlier call found."""
    if not (folder / _MEASURED).exists():
        model = network.build(recipe.stages[0].size_px)
        network.load_weights(model, fit.final_weights(recipe, folder))
        found = {}
        for source, prefix in zip(SOURCES, ("", "phone_"), strict=True):
            rows = choose.validation(data, source)
            labels = data.table.label.to_numpy()[rows]
            answers = fit.logits(model, data.pixels, rows, recipe.input, _BATCH)
            # All decide under the same prior. Else a training whose logits hold the class shares of its draws would
            # seem the worse, or in accuracy the better, for its decisions and not for what it learnt.
            answers -= draws.source_shift(recipe, data.table, source)
            matrix = metrics.confusion(labels, answers.argmax(axis=1), len(CODES))
            found[f"{prefix}balanced_accuracy"] = metrics.balanced_accuracy(matrix)
            found[f"{prefix}accuracy"] = metrics.accuracy(matrix)
        pd.DataFrame([found]).to_csv(folder / _MEASURED, index=False)
    return pd.read_csv(folder / _MEASURED).iloc[0].to_dict()


def _history(folder: Path) -> dict[str, float]:
    last = pd.read_csv(folder / "history.csv").iloc[-1]
    return {"loss": last.val_loss, "images": int(last.images), "minutes": last.minutes}
