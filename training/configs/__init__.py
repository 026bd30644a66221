"""Recipes: one file each, read top to bottom. `load("progressive")` gives the `RECIPE` of progressive.py."""

from importlib import import_module
from pathlib import Path

from training.configs.recipe import Recipe


def names() -> list[str]:
    """The recipes that there are, by name."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in {"__init__", "recipe"})


def load(name: str) -> Recipe:
    """Give a recipe by its name; ValueError names the known ones."""
    if name not in names():
        raise ValueError(f"no recipe {name!r}; there are: {', '.join(names())}")
    return import_module(f"training.configs.{name}").RECIPE
