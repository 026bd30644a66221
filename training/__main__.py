"""From ISIC data to a bundle, step by step or all at once.

Every step takes up where it was stopped: call it again with the same arguments.
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
import time
from pathlib import Path

from model_store import bundle
from model_store.bundle import BUNDLES, DEFAULT_NAME
from model_store.engines.cache import DEFAULT_ROOT
from training import configs, readme
from training.configs.recipe import Recipe
from training.errors import TrainingError

STEPS = {
    "prepare": "decode every image once, find near-duplicates, split by lesion and patient",
    "train": "train the recipe's stages",
    "calibrate": "fit probabilities, prediction sets and thresholds on images that did not train",
    "gate": "measure what the gate refuses of real photos and of pictures that are no lesions: gate.json",
    "evaluate": "measure the served network on the test split: report.json, report.html and plots",
    "export": "write the bundle",
    "reproduce": "all of these, one after the other",
    "ugly_duckling": "measure how often the odd one out of a made-up person is the melanoma: ugly_duckling.json",
    "choose": "compare working sizes, fits, views and means of stages on validation: size.csv and so on",
}
_WEIGHTS = (
    "imagenet (default), lite2, random (default of smoke), a weights file, an earlier RUN/STAGE.weights.npz, or a "
    "bundle's model.keras"
)
_NAMED_WEIGHTS = ("imagenet", "lite2", "random")
REPRODUCED = ["prepare", "train", "calibrate", "gate", "evaluate", "export"]
STUDIES = {
    "eda": "explore and audit the data: one HTML report, plots and tables",
    "probe": "measure what starting weights are worth by a linear probe: probe.csv",
    "ablation": "compare short trainings, each with one thing changed, on validation: ablation.csv",
    "pack": "write the data into files of limited size, to bring them to another machine: shard_000.tar and so on",
    "bench": "time each stage's reading, augmentation and compute: bench_train.json",
    "int8": "measure what an 8-bit network would gain and lose on validation (needs nncf): int8.json",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a step; returns the exit status: 1 where it cannot be done, 2 where the command is wrong."""
    options = _parser().parse_args(arguments)
    options.config = options.config or "progressive"
    options.folder = options.folder or Path("runs") / options.config
    options.cache = options.cache or Path("cache") / options.config
    try:
        return _run(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        if not error.filename or not Path(error.filename).is_relative_to(options.folder):
            raise  # a mistake of ours, which its traceback shows
        print(f"error: {error.filename} is missing: call the steps before `{options.step}` first", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    began = time.monotonic()
    if options.data is None and options.config != "smoke":
        print("--data is needed: the folder with the ISIC 2019 tables and images", file=sys.stderr)
        return 2
    _refuse_wrong_arguments(options)
    wanted = REPRODUCED if options.step == "reproduce" else [options.step]
    if options.step == "export":
        os.environ["KERAS_BACKEND"] = "tensorflow"  # its answers are the bundle's golden ones, whatever trained
    # Imported here, since Keras takes seconds, and neither `--help` nor a wrong folder should.
    from training import dataset

    try:
        if options.data:
            dataset.read(options.data)
    except OSError as error:
        print(f"{options.data} does not hold ISIC 2019: {error}", file=sys.stderr)
        return 2
    import keras
    import pandas as pd

    from training import choose, export, fit, gate, prepare, report, report_page, steps, synthetic, ugly_duckling

    recipe = configs.load(options.config)
    exports_by_itself = "export" in wanted and keras.backend.backend() != "tensorflow"
    if exports_by_itself and not _has_tensorflow():
        print(f"There is no TensorFlow here: this ends before `export`. {_where_to_export(options)}", flush=True)
    source = options.data or synthetic.write_isic(options.cache / "smoke_data", per_class=20)
    if options.step in STUDIES:
        return _study(options, recipe, source)
    data = prepare.run(source, recipe.input, options.cache, recipe.seed)
    if "train" in wanted:
        weights = options.weights or ("random" if options.config == "smoke" else "imagenet")
        if options.devices > 1:
            fit.use_devices(options.devices)
        until = began + 60 * getattr(options, "minutes", math.inf)
        try:
            fit.run(recipe, data, options.folder, weights, tensorboard=options.tensorboard, until=until)
        except fit.OutOfTime:
            print(f"the time is up; the checkpoint lies in {options.folder}: the same command goes on from it")
            return 0
        shutil.copyfile(options.cache / prepare.COUNTS, options.folder / prepare.COUNTS)
    if "calibrate" in wanted:
        fitted = steps.calibrate(recipe, data, options.folder)
        for source, calibration in fitted.items():
            print(f"{source}: temperature {calibration.temperature:.3f}; prior: {calibration.prior.name}")
    if "gate" in wanted:
        for source, sets in gate.run(recipe, data, options.folder)["real"].items():
            for name, refused in sets.items():
                print(f"{source}, {name}: {refused['refused']:.3f} of {refused['n']} refused {refused['reasons']}")
        print(f"gate: {options.folder / gate.GATE}")
    if "ugly_duckling" in wanted:
        print(json.dumps(ugly_duckling.run(recipe, data, options.folder), indent=2))
    if "choose" in wanted:
        for name, table in choose.run(recipe, data, options.folder).items():
            print(f"{name}.csv\n{table.round(4).to_string(index=False)}")
    if "evaluate" in wanted:
        content = report.run(recipe, data, options.folder, getattr(options, "images", ()))
        for name in ("before_and_after", "predicted_against_actual"):
            print(pd.DataFrame(content[name]).to_string(index=False))
        print(f"report: {options.folder / report_page.PAGE}")
        for name, figures in content["sets"].items():
            print(f"{name}: {figures['images']} test images, seven classes: {figures['seven_classes']}")
    if exports_by_itself:
        return _export_by_itself(options)
    if "export" in wanted:
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


def _refuse_wrong_arguments(options: argparse.Namespace) -> None:
    """Raise TrainingError for what would only come out after the data are prepared, or after a training."""
    given = getattr(options, "weights", None) or ()
    for weights in [given] if isinstance(given, str) else given:
        if weights not in _NAMED_WEIGHTS and not Path(weights).is_file():
            raise TrainingError(f"--weights: there is no file {weights}")
    if (model := getattr(options, "model", None)) and not model.is_file():
        raise TrainingError(f"--model: there is no file {model}")
    if document := getattr(options, "readme", None):
        readme.check(document, options.step)
    if "version" in options and not bundle.is_name_and_version(options.name, options.version):
        raise TrainingError(
            f"no bundle can be called {options.name} {options.version}: --name takes lower-case letters, digits and "
            "underscores, --version three numbers such as 1.0.0"
        )


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


def _export_command(options: argparse.Namespace) -> list[str]:
    """The step that ends a `reproduce`, as a command of its own."""
    chosen = {name: getattr(options, name) for name in ("config", "data", "cache", "name", "version", "bundles")}
    chosen["run"] = options.folder
    given = [part for name, value in chosen.items() if value for part in (f"--{name}", str(value))]
    return ["-m", "training", "export", *given]


def _where_to_export(options: argparse.Namespace) -> str:
    return f"Where it is installed, call: {shlex.join(['python', *_export_command(options)])}"


def _export_by_itself(options: argparse.Namespace) -> int:
    """Export in a process under TensorFlow: Keras keeps the backend that it began with, and JAX the GPU's memory."""
    if not _has_tensorflow():
        print(f"The bundle is missing yet: its golden answers are TensorFlow's. {_where_to_export(options)}")
        return 0
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, *_export_command(options)], env=environment, check=False).returncode


def _study(options: argparse.Namespace, recipe: Recipe, source: Path) -> int:
    from training import ablation, bench, eda, prepare, probe, shards

    out = options.out or Path("runs") / options.step
    if options.step == "pack":
        packed = shards.pack(source, out, options.megabytes)
        print("\n".join(f"{shard}: {shard.stat().st_size / 1e6:.1f} MB" for shard in packed))
        return 0
    if options.step == "eda":
        eda.run(source, recipe.input, options.cache, out, recipe.seed)
        print((out / "summary.md").read_text(encoding="utf-8"))
        print(f"report: {out / 'report.html'}")
        return 0
    data = prepare.run(source, recipe.input, options.cache, recipe.seed)
    if options.step == "probe":
        table = probe.run(
            data,
            recipe.input,
            out,
            options.weights,
            per_class=options.per_class,
            size_px=options.size,
            steps=options.steps,
        )
        print(table.round(4).to_string(index=False))
    if options.step == "bench":
        print(json.dumps(bench.run(recipe, data, out, options.steps), indent=2))
    if options.step == "int8":
        from training import int8  # its library is one that nothing else needs

        print(json.dumps(int8.run(recipe, data, options.model, out, DEFAULT_ROOT), indent=2))
    if options.step == "ablation":
        table = ablation.run(
            data,
            out,
            options.weights,
            steps=options.steps,
            size_px=options.size,
            seeds=options.seeds,
            minutes=options.minutes,
        )
        print(table.round(4).to_string(index=False))
    if options.step in ("probe", "ablation") and options.readme and len(table):
        readme.insert(options.readme, options.step, (out / f"{options.step}.md").read_text(encoding="utf-8"))
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number from 1 on: {text}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True, dest="step", metavar="STEP")
    for name, text in {**STEPS, **STUDIES}.items():
        step = steps.add_parser(name, help=text, description=text)
        step.add_argument(
            "--config",
            choices=configs.names(),
            required=name in STEPS,
            help="the recipe" if name in STEPS else "the recipe that is looked at (progressive)",
        )
        step.add_argument("--data", type=Path, help="folder in the official ISIC 2019 layout (smoke generates its own)")
        step.add_argument("--cache", type=Path, help="decoded images and the split (cache/CONFIG)")
        step.add_argument("--run", type=Path, dest="folder", help="the run's folder (runs/CONFIG)")
        if name in STUDIES:
            step.add_argument("--out", type=Path, help=f"folder for what it writes (runs/{name})")
        if name == "probe":
            step.add_argument("--weights", nargs="*", default=[], help="weights files to measure beside the others")
            step.add_argument("--per-class", type=_count, default=60, help="images of each class and side (60)")
            step.add_argument("--size", type=_count, default=128, help="side of the images, pixels (128)")
            step.add_argument("--steps", type=int, default=60, help="steps of 32 images from each start; 0: none (60)")
        if name == "pack":
            step.add_argument("--megabytes", type=_count, default=50, help="size of each file at most (50)")
        if name == "bench":
            step.add_argument("--steps", type=_count, default=10, help="steps timed in each stage (10)")
        if name == "int8":
            step.add_argument("--model", type=Path, required=True, help="a served network: a bundle's model.keras")
        if name == "ablation":
            step.add_argument("--weights", required=True, help="what every training starts from: RUN/STAGE.weights.npz")
            step.add_argument("--steps", type=_count, default=150, help="steps of 32 images in each training (150)")
            step.add_argument("--size", type=_count, default=96, help="side of the images, pixels (96)")
            step.add_argument("--seeds", type=_count, default=1, help="trainings of each variant (1)")
            step.add_argument("--minutes", type=float, default=20, help="start no training that would end later (20)")
        if name in ("probe", "ablation"):
            step.add_argument("--readme", type=Path, help="document whose table is replaced")
        if name in {"train", "reproduce"}:
            step.add_argument("--weights", help=_WEIGHTS)
            step.add_argument("--devices", type=_count, default=1, help="share each batch out among so many (JAX only)")
            step.add_argument("--tensorboard", action="store_true", help="also write events for TensorBoard")
        if name == "train":
            help_text = "stop after so many minutes, with a checkpoint: the same command goes on"
            step.add_argument("--minutes", type=float, default=math.inf, help=help_text)
        if name == "evaluate":
            images = "show predicted against actual diagnosis of these images (a few of the test split)"
            step.add_argument("--images", nargs="+", default=(), metavar="NAME", help=images)
        if name in {"export", "reproduce"}:
            step.add_argument("--name", default=DEFAULT_NAME, help=f"the bundle's name ({DEFAULT_NAME})")
            step.add_argument("--version", default="0.0.1", help="the bundle's version (0.0.1)")
            step.add_argument("--bundles", type=Path, help="where bundles lie (model_store/bundles)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
