"""From ISIC data to a bundle, step by step or all at once.

Every step takes up where it was stopped: call it again with the same arguments.
"""

import argparse
import shutil
import sys
from pathlib import Path

from model_store.bundle import BUNDLES, DEFAULT_NAME
from training import configs

STEPS = {
    "prepare": "decode every image once, find near-duplicates, split by lesion and patient",
    "train": "train the recipe's stages",
    "calibrate": "fit probabilities, prediction sets and thresholds on images that did not train",
    "evaluate": "measure the served network on the test split: report.json and plots",
    "export": "write the bundle",
    "reproduce": "all of these, one after the other",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a step; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.data is None and options.config != "smoke":
        print("--data is needed: the folder with the ISIC 2019 tables and images", file=sys.stderr)
        return 2
    options.folder = options.folder or Path("runs") / options.config
    options.cache = options.cache or Path("cache") / options.config
    wanted = list(STEPS)[:-1] if options.step == "reproduce" else [options.step]
    # Imported here, since Keras takes seconds and `--help` should not.
    from training import export, fit, prepare, steps, synthetic

    recipe = configs.load(options.config)
    source = options.data or synthetic.write_isic(options.cache / "smoke_data", per_class=20)
    data = prepare.run(source, recipe.input, options.cache, recipe.seed)
    if "train" in wanted:
        weights = options.weights or ("random" if options.config == "smoke" else "imagenet")
        fit.run(recipe, data, options.folder, weights)
        shutil.copyfile(options.cache / prepare.COUNTS, options.folder / prepare.COUNTS)
    if "calibrate" in wanted:
        fitted = steps.calibrate(recipe, data, options.folder)
        print(f"temperature {fitted.temperature:.3f}; prior: {fitted.prior.name}")
    if "evaluate" in wanted:
        report = steps.report(recipe, data, options.folder)
        print(steps.before_and_after(report["history"]).to_string())
        print(steps.predicted_against_actual(recipe, data, options.folder).to_string(index=False))
        for name, figures in report["sets"].items():
            print(f"{name}: {figures['images']} test images, seven classes: {figures['seven_classes']}")
    if "export" in wanted:
        # What the smoke recipe makes must never stand where the site looks for its model.
        root = options.bundles or (options.folder / "bundles" if options.config == "smoke" else BUNDLES)
        bundle = export.bundle(recipe, options.folder, options.name, options.version, root)
        print(f"bundle: {bundle.path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True, dest="step", metavar="STEP")
    for name, text in STEPS.items():
        step = steps.add_parser(name, help=text, description=text)
        step.add_argument("--config", choices=configs.names(), required=True, help="the recipe")
        step.add_argument("--data", type=Path, help="folder in the official ISIC 2019 layout (smoke generates its own)")
        step.add_argument("--cache", type=Path, help="decoded images and the split (cache/CONFIG)")
        step.add_argument("--run", type=Path, dest="folder", help="the run's folder (runs/CONFIG)")
        if name in {"train", "reproduce"}:
            step.add_argument("--weights", help="imagenet (default), random (default of smoke), or a weights file")
        if name in {"export", "reproduce"}:
            step.add_argument("--name", default=DEFAULT_NAME, help=f"the bundle's name ({DEFAULT_NAME})")
            step.add_argument("--version", default="0.0.1", help="the bundle's version (0.0.1)")
            step.add_argument("--bundles", type=Path, help="where bundles lie (model_store/bundles)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
