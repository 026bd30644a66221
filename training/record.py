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
    """Write down what runs on what, at its start; refuse a folder of another recipe."""
    file = folder / "recipe.json"
    if file.exists():
        recorded = json.loads(file.read_text())
        same_weights = recorded.pop("weights") == Path(weights).name
        # The size that the network works at, and which stages it is the mean of, may be chosen after training.
        chosen = {"network_px": recipe.network_px, "average": recipe.average}
        if not same_weights or from_dict({**recorded, **chosen}) != recipe:
            raise ValueError(f"{folder} holds a run of another recipe: take another folder, or delete it")
        return
    file.write_text(json.dumps({"weights": Path(weights).name, **dataclasses.asdict(recipe)}, indent=2))
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False).stdout
    versions = {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "numpy": np.__version__,
        "commit": commit.strip() or "unknown",
    }
    (folder / "versions.json").write_text(json.dumps(versions, indent=2))


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
