"""`python -m training`: from ISIC data to a bundle, step by step or all at once."""

import argparse
import sys
from pathlib import Path

from training import configs


def main(arguments: list[str] | None = None) -> int:
    """Run one step; returns the exit status."""
    options = _parser().parse_args(arguments)
    return options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", choices=configs.names(), required=True, help="the recipe")
    common.add_argument("--data", type=Path, required=True, help="folder in the official ISIC 2019 layout")
    common.add_argument("--cache", type=Path, default=Path("cache"), help="decoded images and the split (cache/)")
    common.add_argument("--run", type=Path, dest="folder", help="the run's folder (runs/CONFIG)")
    for name, function, text in (
        ("prepare", _prepare, "decode every image once, find near-duplicates, split by lesion"),
        ("train", _train, "train, or go on where it was stopped"),
    ):
        step = steps.add_parser(name, parents=[common], help=text, description=text)
        if function is _train:
            step.add_argument("--weights", default="imagenet", help="imagenet (default), random, or a weights file")
        step.set_defaults(run=function)
    return parser


def _prepared(options: argparse.Namespace):
    from training import prepare  # here, since it takes seconds and `--help` should not

    recipe = configs.load(options.config)
    return prepare.run(options.data, recipe.input, options.cache, recipe.seed)


def _prepare(options: argparse.Namespace) -> int:
    _prepared(options)
    return 0


def _train(options: argparse.Namespace) -> int:
    from training import fit

    data = _prepared(options)
    weights = fit.run(
        configs.load(options.config), data, options.folder or Path("runs") / options.config, options.weights
    )
    print(f"trained: {weights}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
