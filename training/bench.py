"""Images per second of each stage of a recipe, and where the time goes: reading, augmentation, compute."""

import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np

from training import augmentation, fit, lite2, network
from training.configs.recipe import LITE2, Recipe, Stage
from training.prepare import Data

WARM_UP = 2


def run(recipe: Recipe, data: Data, out: Path, steps: int) -> dict:
    """Time a few steps of every stage, from random weights.

    Args:
        recipe: whose stages.
        data: from `prepare`.
        out: gets `bench_train.json`.
        steps: how many are timed for each stage, after `WARM_UP` that are not.

    Returns:
        What the file holds: `machine`, and for each stage images_per_second and seconds an image for reading
        (drawing chance, taking images from the memory-mapped array, and a teacher's answers where the stage has one),
        augmentation (alone, on the device) and compute (the rest of a step: the network forward and back, the
        optimizer). A stage that turns its activations to Swish is timed while it turns them.
    """
    content = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "devices": keras.distribution.list_devices(),
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
            "load_before": round(os.getloadavg()[0], 2),
        },
        "steps": steps,
        "stages": [_stage(recipe, number, data, steps) for number in range(len(recipe.stages))],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench_train.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def _stage(recipe: Recipe, number: int, data: Data, steps: int) -> dict:
    stage = recipe.stages[number]
    draws = fit.draws_of(recipe, number, data, teacher="random")  # answers in the same time as a finished one
    model = fit.build(recipe, stage)
    if stage.network == LITE2:
        lite2.set_swish(model, 0.5 if stage.to_swish else 1.0)
    network.freeze(model, stage.trainable_from)
    trainer = fit.compiled(model, recipe, stage, fit.loss_of(recipe, draws), draws.pixels.shape[1])
    augment = _augmentation_alone(stage, draws.pixels.shape[1])
    order = np.resize(draws.order(0), (steps + WARM_UP) * stage.batch_size).reshape(-1, stage.batch_size)
    seconds = {"reading": [], "step": [], "augmentation": []}
    for step, rows in enumerate(order):
        began = time.perf_counter()
        inputs, targets = draws.batch(rows, 0, step)
        read = time.perf_counter()
        trainer.train_on_batch(inputs, targets)  # waits for the loss, so for the whole step
        trained = time.perf_counter()
        augment.predict_on_batch(inputs)
        augmented = time.perf_counter()
        if step >= WARM_UP:
            seconds["reading"].append(read - began)
            seconds["step"].append(trained - read)
            seconds["augmentation"].append(augmented - trained)
    reading, whole, augmenting = (float(np.median(times)) / stage.batch_size for times in seconds.values())
    return {
        "stage": stage.name,
        "size_px": stage.size_px,
        "batch_size": stage.batch_size,
        "trainable_from": stage.trainable_from,
        "images_per_second": round(1 / (reading + whole), 3),
        "seconds_an_image": {
            "reading": round(reading, 6),
            "augmentation": round(augmenting, 6),
            "compute": round(max(whole - augmenting, 0.0), 6),
        },
    }


def _augmentation_alone(stage: Stage, side_px: int) -> keras.Model:
    inputs = augmentation.inputs(side_px, stage.augmentation)
    model = keras.Model(inputs, augmentation.Augment(stage.size_px)(inputs))
    model.compile(jit_compile=keras.backend.backend() == "jax")
    return model
