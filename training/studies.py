"""What each study of the command line does: it calls the study and prints what came out."""

import argparse
import json
from pathlib import Path

import pandas as pd

from model_store.engines.cache import DEFAULT_ROOT
from training import ablation, bench, eda, prepare, probe, readme, shards
from training.configs.recipe import Recipe
from training.prepare import Data


def run(options: argparse.Namespace, recipe: Recipe, source: Path) -> int:
    """Make the study that was asked for.

    Args:
        options: from `arguments.read`.
        recipe: what is looked at.
        source: the folder with the data set.

    Returns:
        The exit status.
    """
    if options.step in _OF_FILES:
        _OF_FILES[options.step](options, recipe, source)
    else:
        _OF_DATA[options.step](options, recipe, prepare.run(source, recipe.input, options.cache, recipe.seed))
    return 0


def _pack(options: argparse.Namespace, _recipe: Recipe, source: Path) -> None:
    packed = shards.pack(source, options.out, options.megabytes)
    print("\n".join(f"{shard}: {shard.stat().st_size / 1e6:.1f} MB" for shard in packed))


def _eda(options: argparse.Namespace, recipe: Recipe, source: Path) -> None:
    eda.run(source, recipe.input, options.cache, options.out, recipe.seed)
    print((options.out / "summary.md").read_text(encoding="utf-8"))
    print(f"report: {options.out / 'report.html'}")


def _probe(options: argparse.Namespace, recipe: Recipe, data: Data) -> None:
    table = probe.run(
        data,
        recipe.input,
        options.out,
        options.weights,
        per_class=options.per_class,
        size_px=options.size,
        steps=options.steps,
    )
    _tell(options, table)


def _ablation(options: argparse.Namespace, _recipe: Recipe, data: Data) -> None:
    table = ablation.run(
        data,
        options.out,
        options.weights,
        steps=options.steps,
        size_px=options.size,
        seeds=options.seeds,
        minutes=options.minutes,
    )
    _tell(options, table)


def _tell(options: argparse.Namespace, table: pd.DataFrame) -> None:
    """Print a study's table; the document that was named gets it too, unless nothing was measured."""
    print(table.round(4).to_string(index=False))
    if options.readme and len(table):
        readme.insert(options.readme, options.step, (options.out / f"{options.step}.md").read_text(encoding="utf-8"))


def _bench(options: argparse.Namespace, recipe: Recipe, data: Data) -> None:
    print(json.dumps(bench.run(recipe, data, options.out, options.steps), indent=2))


def _int8(options: argparse.Namespace, recipe: Recipe, data: Data) -> None:
    from training import int8  # its library is one that nothing else needs

    print(json.dumps(int8.run(recipe, data, options.model, options.out, DEFAULT_ROOT), indent=2))


_OF_FILES = {"pack": _pack, "eda": _eda}
_OF_DATA = {"probe": _probe, "ablation": _ablation, "bench": _bench, "int8": _int8}
