"""What each step of the command line does: it calls the step, prints what came out and gives the exit status.

To import this takes seconds, since Keras does.
"""

import argparse
import importlib.util
import json
import math
import os
import shlex
import shutil
import subprocess
import sys

import keras
import pandas as pd

from model_store.bundle import BUNDLES
from training import (
    arguments,
    calibrate,
    choose,
    configs,
    export,
    fit,
    gate,
    prepare,
    report,
    report_page,
    synthetic,
    ugly_duckling,
)
from training.configs.recipe import Recipe
from training.prepare import Data


def run(options: argparse.Namespace, began: float) -> int:
    """Do what was asked for.

    Args:
        options: from `arguments.read`.
        began: when the command was called, by `time.monotonic()`.

    Returns:
        The exit status: 0 where all went well, also where the time was up.

    Raises:
        TrainingError, FileNotFoundError: as the steps raise them.
    """
    recipe = configs.load(options.config)
    wanted = arguments.REPRODUCED if options.step == "reproduce" else [options.step]
    if "export" in wanted and _exports_by_itself() and not _has_tensorflow():
        print(f"There is no TensorFlow here: this ends before `export`. {_where_to_export(options)}", flush=True)
    source = options.data or synthetic.write_isic(options.cache / "smoke_data", per_class=20)
    if options.step in arguments.STUDIES:
        from training import studies  # some need what no training does

        return studies.run(options, recipe, source)
    options.until = began + 60 * getattr(options, "minutes", math.inf)
    data = prepare.run(source, recipe.input, options.cache, recipe.seed)
    for step in wanted:
        if step != "prepare" and (status := _STEPS[step](options, recipe, data)):
            return status
    return 0


def _train(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    weights = options.weights or arguments.default_weights(options.config)
    if options.devices > 1:
        fit.use_devices(options.devices)
    try:
        fit.run(
            recipe,
            data,
            options.folder,
            weights,
            teacher=options.teacher,
            tensorboard=options.tensorboard,
            until=options.until,
        )
    except fit.OutOfTime:
        print(f"the time is up; the checkpoint lies in {options.folder}: the same command goes on from it")
        return 0
    shutil.copyfile(options.cache / prepare.COUNTS, options.folder / prepare.COUNTS)
    return 0


def _calibrate(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    for source, fitted in calibrate.run(recipe, data, options.folder).items():
        print(f"{source}: temperature {fitted.temperature:.3f}; prior: {fitted.prior.name}")
    return 0


def _gate(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    for source, sets in gate.run(recipe, data, options.folder)["real"].items():
        for name, refused in sets.items():
            print(f"{source}, {name}: {refused['refused']:.3f} of {refused['n']} refused {refused['reasons']}")
    print(f"gate: {options.folder / gate.GATE}")
    return 0


def _ugly_duckling(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    print(json.dumps(ugly_duckling.run(recipe, data, options.folder), indent=2))
    return 0


def _choose(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    for name, table in choose.run(recipe, data, options.folder).items():
        print(f"{name}.csv\n{table.round(4).to_string(index=False)}")
    return 0


def _evaluate(options: argparse.Namespace, recipe: Recipe, data: Data) -> int:
    content = report.run(recipe, data, options.folder, getattr(options, "images", ()))
    for name in ("before_and_after", "predicted_against_actual"):
        print(pd.DataFrame(content[name]).to_string(index=False))
    print(f"report: {options.folder / report_page.PAGE}")
    for name, figures in content["sets"].items():
        print(f"{name}: {figures['images']} test images, seven classes: {figures['seven_classes']}")
    return 0


def _export(options: argparse.Namespace, recipe: Recipe, _data: Data) -> int:
    if _exports_by_itself():
        return _export_by_itself(options)
    # What the smoke recipe makes must never stand where the site looks for its model.
    root = options.bundles or (options.folder / "bundles" if options.config == "smoke" else BUNDLES)
    there = (root / options.name / options.version).exists()
    try:
        written = export.bundle(recipe, options.folder, options.name, options.version, root)
    except FileExistsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"bundle: {written.path}" + (", exported before with the same content" if there else ""))
    return 0


# `prepare` is none of them: it gives all others their data.
_STEPS = {
    "train": _train,
    "calibrate": _calibrate,
    "gate": _gate,
    "evaluate": _evaluate,
    "export": _export,
    "ugly_duckling": _ugly_duckling,
    "choose": _choose,
}


def _exports_by_itself() -> bool:
    """Whether `export` needs a process of its own: Keras keeps the backend that it began with, JAX the GPU's memory."""
    return keras.backend.backend() != "tensorflow"


def _export_by_itself(options: argparse.Namespace) -> int:
    if not _has_tensorflow():
        print(f"The bundle is missing yet: its golden answers are TensorFlow's. {_where_to_export(options)}")
        return 0
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, *_export_command(options)], env=environment, check=False).returncode


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _where_to_export(options: argparse.Namespace) -> str:
    return f"Where it is installed, call: {shlex.join(['python', *_export_command(options)])}"


def _export_command(options: argparse.Namespace) -> list[str]:
    """The step that ends a `reproduce`, as a command of its own."""
    chosen = {name: getattr(options, name) for name in ("config", "data", "cache", "name", "version", "bundles")}
    chosen["run"] = options.folder
    given = [part for name, value in chosen.items() if value for part in (f"--{name}", str(value))]
    return ["-m", "training", "export", *given]
