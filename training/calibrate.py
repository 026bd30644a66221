"""The step after training: probabilities, sets and thresholds for each source, and the gate's score."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.prediction import SOURCES, Calibration
from training import calibration, draws, export, features, gate
from training.configs.recipe import Recipe
from training.prepare import Data


def run(recipe: Recipe, data: Data, folder: Path) -> dict[str, Calibration]:
    """Calibrate a trained run by its calibration and validation images.

    Writes `calibration.json`, `calibration_methods.csv` (what was compared) and what `gate.fit` writes. A source
    without images is given the calibration of dermoscopy, and its operating points say so.
    """
    strange = gate.fit(recipe, data, folder)
    fitted, tried = {}, []
    for source in SOURCES:
        rows = np.flatnonzero(data.table.split.isin(gate.NOT_TRAINED) & (data.table.kind == source))
        if not len(rows):
            fitted[source] = dataclasses.replace(fitted[SOURCES[0]], out_of_distribution=strange[source])
            continue
        table = data.table.iloc[rows]
        images = calibration.Images(
            source,
            gate.real(recipe, data, folder, rows).answers.logits.astype(np.float64),
            *(table[column].to_numpy() for column in ("label", "patient")),
            shift=draws.source_shift(recipe, data.table, source),
        )
        fitted[source], candidates = calibration.fit(images, strange[source])
        tried += [{"source": source, **row} for row in candidates]
    served = features.network_digest(export.served_network(recipe, folder))
    content = {"network": served, **{source: fitted[source].to_dict() for source in SOURCES}}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / export.CALIBRATION).write_text(text + "\n", encoding="utf-8")
    pd.DataFrame(tried).to_csv(folder / "calibration_methods.csv", index=False)
    return fitted
