"""What earlier versions of the model reached, so that the model's page keeps its history when a bundle is removed.

`python -m app note BUNDLE ...` notes bundles in versions.json; do it before the next one takes their place.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from model_store.bundle import REPORT

HISTORY = Path(__file__).with_name("versions.json")


def noted(name: str, history: Path = HISTORY) -> dict[str, dict]:
    """Version -> its key figures by source, of all versions of a bundle that were noted."""
    return json.loads(history.read_text(encoding="utf-8")).get(name, {})


def key_figures(bundle: Path) -> dict:
    """What the page tells of a version, from the report in its folder: by source, as in the report's `sets`."""
    sets = json.loads((bundle / REPORT).read_text(encoding="utf-8")).get("sets", {})
    return {
        source: {"eight_classes": {"balanced_accuracy": _interval(figures["eight_classes"]["balanced_accuracy"])}}
        for source, figures in sets.items()
        if "eight_classes" in figures
    }


def note(bundles: Sequence[Path], history: Path = HISTORY) -> None:
    """Add bundles, folders NAME/VERSION, to the history; one that is there already is written anew."""
    content = json.loads(history.read_text(encoding="utf-8")) if history.exists() else {}
    for bundle in bundles:
        content.setdefault(bundle.resolve().parent.name, {})[bundle.resolve().name] = key_figures(bundle)
    history.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _interval(figure: dict | float) -> dict | float:
    return {end: figure[end] for end in ("value", "low", "high")} if isinstance(figure, dict) else figure
