"""What a run is made from, written down at its start, so that nothing else goes on in its folder."""

import dataclasses
import hashlib
import json
import platform
import subprocess
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from training.configs.recipe import Recipe, from_dict

SPLIT = "split.csv"


def start(recipe: Recipe, weights: str, folder: Path) -> None:
    """Write down what runs on what, at its start; refuse a folder of another recipe or other starting weights.

    What a run that goes on elsewhere runs on, such as another commit, goes under "later" in `versions.json`.
    """
    file = folder / "recipe.json"
    began_with = {"weights": Path(weights).name, "weights_sha256": _digest(weights)}
    if not file.exists():
        file.write_text(json.dumps({**began_with, **dataclasses.asdict(recipe)}, indent=2))
        (folder / "versions.json").write_text(json.dumps(_versions(), indent=2))
        return
    recorded = json.loads(file.read_text())
    same_weights = recorded.pop("weights") == began_with["weights"]
    # A run from before this was recorded has no digest.
    same_weights &= recorded.pop("weights_sha256", began_with["weights_sha256"]) == began_with["weights_sha256"]
    # The size that the network works at, and which stages it is the mean of, may be chosen after training.
    chosen = {"network_px": recipe.network_px, "average": recipe.average}
    if not same_weights or from_dict({**recorded, **chosen}) != recipe:
        raise ValueError(f"{folder} holds a run of another recipe: take another folder, or delete it")
    _note_versions(folder / "versions.json")


def _versions() -> dict[str, str]:
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False).stdout
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "numpy": np.__version__,
        "commit": commit.strip() or "unknown",
    }


def _note_versions(file: Path) -> None:
    recorded, now = json.loads(file.read_text()), _versions()
    last = recorded.get("later", [recorded])[-1]
    if any(last.get(key) != value for key, value in now.items()):
        recorded.setdefault("later", []).append(now)
        file.write_text(json.dumps(recorded, indent=2))


def _digest(weights: str) -> str | None:
    """Of the file with starting weights; None where they are named otherwise, such as "imagenet"."""
    if not Path(weights).is_file():
        return None
    with Path(weights).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data(table: pd.DataFrame, folder: Path) -> None:
    """Write down which images with which labels stand on which side, in `split.csv`; refuse to go on with any other.

    A run from before this was recorded gets what it is given now. The file's SHA-256 goes into `versions.json`.
    """
    rows = table[["image", "label", "split"]].to_csv(index=False).encode()
    digest = hashlib.sha256(rows).hexdigest()
    file = folder / "versions.json"
    versions = json.loads(file.read_text()) if file.exists() else {}
    if versions.setdefault("data", digest) != digest:
        raise ValueError(
            f"{folder} began with other images, labels or another split: take another folder, or that data"
        )
    (folder / SPLIT).write_bytes(rows)
    file.write_text(json.dumps(versions, indent=2))
