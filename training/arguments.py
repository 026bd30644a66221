"""What the command line understands: each step and study with its arguments and their help."""

import argparse
import math
from pathlib import Path

from model_store import bundle
from model_store.bundle import DEFAULT_NAME
from training import configs, readme
from training.configs.recipe import LITE2, Recipe
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
REPRODUCED = ["prepare", "train", "calibrate", "gate", "evaluate", "export"]
STUDIES = {
    "eda": "explore and audit the data: one HTML report, plots and tables",
    "probe": "measure what starting weights are worth by a linear probe: probe.csv",
    "ablation": "compare short trainings, each with one thing changed, on validation: ablation.csv",
    "pack": "write the data into files of limited size, to bring them to another machine: shard_000.tar and so on",
    "bench": "time each stage's reading, augmentation and compute: bench_train.json",
    "int8": "measure what an 8-bit network would gain and lose on validation (needs nncf): int8.json",
}
_NAMED_WEIGHTS = ("imagenet", "lite2", "random")
_WITH_HEAD = (".npz", ".keras")  # files of weights that hold the layer of the diagnoses too
_WEIGHTS = (
    "imagenet (default), lite2 (what grown needs), random (default of smoke), a weights file, an earlier "
    "RUN/STAGE.weights.npz, or a bundle's model.keras"
)


def read(description: str, arguments: list[str] | None) -> argparse.Namespace:
    """Read a command; what was left out is filled in.

    Raises:
        SystemExit: with status 2 where the command is wrong, and 0 after `--help`.
    """
    options = _parser(description).parse_args(arguments)
    options.config = options.config or "progressive"
    options.folder = options.folder or Path("runs") / options.config
    options.cache = options.cache or Path("cache") / options.config
    if options.step in STUDIES:
        options.out = options.out or Path("runs") / options.step
    return options


def refuse_wrong(options: argparse.Namespace) -> None:
    """Raise TrainingError for what would only come out after the data are prepared, or after a training."""
    given = getattr(options, "weights", None) or ()
    for weights in [given] if isinstance(given, str) else given:
        if weights not in _NAMED_WEIGHTS and not Path(weights).is_file():
            raise TrainingError(f"--weights: there is no file {weights}")
    for name in ("model", "teacher"):
        if (file := getattr(options, name, None)) and not Path(file).is_file():
            raise TrainingError(f"--{name}: there is no file {file}")
    if "teacher" in options:
        recipe = configs.load(options.config)
        _refuse_wrong_start(recipe, options.weights or default_weights(options.config))
        _refuse_wrong_teacher(recipe, options.teacher)
    if document := getattr(options, "readme", None):
        readme.check(document, options.step)
    if "version" in options and not bundle.is_name_and_version(options.name, options.version):
        raise TrainingError(
            f"no bundle can be called {options.name} {options.version}: --name takes lower-case letters, digits and "
            "underscores, --version three numbers such as 1.0.0"
        )


def default_weights(config: str) -> str:
    """What a recipe starts from where nothing else is said."""
    return "random" if config == "smoke" else "imagenet"


def _refuse_wrong_start(recipe: Recipe, weights: str) -> None:
    if recipe.stages[0].network == LITE2 and weights not in ("lite2", "random") and Path(weights).suffix != ".npz":
        raise TrainingError(f"this recipe begins with {LITE2}: --weights lite2, or RUN/STAGE.weights.npz of one")


def _refuse_wrong_teacher(recipe: Recipe, teacher: str | None) -> None:
    if teacher is None:
        if recipe.is_taught:
            raise TrainingError("this recipe has stages that learn from a teacher: name one by --teacher")
        return
    if not recipe.is_taught:
        raise TrainingError("--teacher: no stage of this recipe learns from one")
    if Path(teacher).suffix not in _WITH_HEAD:
        raise TrainingError(f"--teacher: {teacher} lacks the last layer; take a model.keras or RUN/STAGE.weights.npz")


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    adds = parser.add_subparsers(required=True, dest="step", metavar="STEP")
    step = {name: adds.add_parser(name, help=text, description=text) for name, text in {**STEPS, **STUDIES}.items()}
    for name in step:
        step[name].add_argument(
            "--config",
            choices=configs.names(),
            required=name in STEPS,
            help="the recipe" if name in STEPS else "the recipe that is looked at (progressive)",
        )
        step[name].add_argument(
            "--data", type=Path, help="folder in the official ISIC 2019 layout (smoke generates its own)"
        )
        step[name].add_argument("--cache", type=Path, help="decoded images and the split (cache/CONFIG)")
        step[name].add_argument("--run", type=Path, dest="folder", help="the run's folder (runs/CONFIG)")
    for name in STUDIES:
        step[name].add_argument("--out", type=Path, help=f"folder for what it writes (runs/{name})")

    for name in ("train", "reproduce"):
        step[name].add_argument("--weights", help=_WEIGHTS)
        step[name].add_argument(
            "--teacher", help="a finished network, for recipes that learn from one: a bundle's model.keras"
        )
        step[name].add_argument(
            "--devices", type=_count, default=1, help="share each batch out among so many (JAX only)"
        )
        step[name].add_argument("--tensorboard", action="store_true", help="also write events for TensorBoard")
    step["train"].add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="stop after so many minutes, with a checkpoint: the same command goes on",
    )
    step["evaluate"].add_argument(
        "--images",
        nargs="+",
        default=(),
        metavar="NAME",
        help="show predicted against actual diagnosis of these images (a few of the test split)",
    )
    for name in ("export", "reproduce"):
        step[name].add_argument("--name", default=DEFAULT_NAME, help=f"the bundle's name ({DEFAULT_NAME})")
        step[name].add_argument("--version", default="0.0.1", help="the bundle's version (0.0.1)")
        step[name].add_argument("--bundles", type=Path, help="where bundles lie (model_store/bundles)")

    probe = step["probe"]
    probe.add_argument("--weights", nargs="*", default=[], help="weights files to measure beside the others")
    probe.add_argument("--per-class", type=_count, default=60, help="images of each class and side (60)")
    probe.add_argument("--size", type=_count, default=128, help="side of the images, pixels (128)")
    probe.add_argument(
        "--steps", type=_count_or_none, default=60, help="steps of 32 images from each start; 0: none (60)"
    )
    ablation = step["ablation"]
    ablation.add_argument("--weights", required=True, help="what every training starts from: RUN/STAGE.weights.npz")
    ablation.add_argument("--steps", type=_count, default=150, help="steps of 32 images in each training (150)")
    ablation.add_argument("--size", type=_count, default=96, help="side of the images, pixels (96)")
    ablation.add_argument("--seeds", type=_count, default=1, help="trainings of each variant (1)")
    ablation.add_argument("--minutes", type=float, default=20, help="start no training that would end later (20)")
    for study in (probe, ablation):
        study.add_argument("--readme", type=Path, help="document whose table is replaced")
    step["pack"].add_argument("--megabytes", type=_count, default=50, help="size of each file at most (50)")
    step["bench"].add_argument("--steps", type=_count, default=10, help="steps timed in each stage (10)")
    step["int8"].add_argument("--model", type=Path, required=True, help="a served network: a bundle's model.keras")
    return parser


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number from 1 on: {text}")
    return int(text)
