"""The gate, fitted and measured: what it refuses of real lesion photos, and of pictures that are no lesions.

The gate is `model_store.classifier.refusal`; nothing here decides on its own.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.classifier import refusal
from model_store.images import Photo, open_photo
from model_store.prediction import SOURCES, Calibration, OutOfDistribution, interpret
from model_store.probes import Probes
from model_store.quality import Quality, assess
from training import export, features, metrics, probes, strangers
from training.configs.recipe import Recipe
from training.features import Answers
from training.prepare import Data
from training.probes import Real

GATE, PROBES, COMPARED = "gate.json", "probes.npz", "ood_scores.csv"
NOT_TRAINED = ("calibration", "validation")
_MIN_GROUPS = 5  # lesions or motifs; crops of one photo say nothing about the next photo
_TRAINING_SAMPLE = 2000  # dermoscopy images; all phone photos are taken


def fit(recipe: Recipe, data: Data, folder: Path) -> dict[str, OutOfDistribution]:
    """Fit the probes and choose the score and its thresholds; writes `probes.npz` and `ood_scores.csv`.

    The probes learn from training images and the choosing half of the strangers; the score is the one that separates
    strangers of unseen kinds best from the validation and calibration images, which also give the thresholds.

    Returns:
        Score and threshold for each source; a source without images has the threshold of the other.
    """
    model = export.served_network(recipe, folder)
    training = real(recipe, data, folder, _training_rows(data.table, recipe.seed))
    held = np.flatnonzero(data.table.split.isin(NOT_TRAINED) & data.table.kind.isin(SOURCES))
    validation = real(recipe, data, folder, held)
    pictures = strangers.choosing()
    said = features.of_photos(model, [picture.rgb for picture in pictures], recipe.input, folder)
    kinds = np.array([picture.kind for picture in pictures])
    compared = probes.compare(training, validation, said, kinds)
    best = max((row for row in compared if row["score"] in probes.SCORES), key=lambda row: row["auc"])
    for row in compared:
        row["chosen"] = row is best
    pd.DataFrame(compared).to_csv(folder / COMPARED, index=False)
    probes.fit(training, said, best["score"]).write(folder / PROBES)
    fitted = Probes.read(folder / PROBES)  # as served, in float32
    scores = fitted.ood_scores(validation.answers.logits, validation.answers.features)
    by_quality = np.array([bool(quality.severe) for quality in qualities(data.table.path.iloc[held])])
    strange = probes.cross_fitted(training, said, kinds, best["score"])
    left = np.array([not assess(Photo(picture.rgb)).severe for picture in pictures])  # by their quality
    told = np.array(fitted.sources(said.features))
    thresholds = {
        source: probes.threshold(scores[own], by_quality[own], strange[left & (told == source)])
        for source in SOURCES
        if (own := validation.sources == source).any()
    }
    fallback = next(iter(thresholds.values()))
    return {source: OutOfDistribution("probes", thresholds.get(source, fallback)) for source in SOURCES}


def run(recipe: Recipe, data: Data, folder: Path) -> dict:
    """Measure the gate of a calibrated run; writes `gate.json`.

    Returns:
        What the file holds. "network": the SHA-256 of the network that it is about. "real": for each source and each
        of "validation" (calibration and validation, which chose the thresholds) and "test", the share refused and the
        reasons. "strangers": pictures that chose nothing: all,
        the photos among them, those of kinds that chose nothing either, and by kind. "source_probe": share of
        validation images whose source is told right. "leave_one_diagnosis_out". "scores": what was compared. Shares
        have 95 % intervals, by lesion or motif, where there are at least five of them.
    """
    calibrations = export.calibrations(recipe, folder)
    fitted = Probes.read(folder / PROBES)
    table = data.table
    training = real(recipe, data, folder, _training_rows(table, recipe.seed))
    validation = real(recipe, data, folder, _rows(table, ("validation",), SOURCES))
    pictures = strangers.measuring()
    said = features.of_photos(
        export.served_network(recipe, folder), [picture.rgb for picture in pictures], recipe.input, folder
    )
    judged = [assess(Photo(picture.rgb)) for picture in pictures]
    codes = refusals(fitted, calibrations, said, judged, [None] * len(pictures))
    kinds = np.array([picture.kind for picture in pictures])
    motifs = np.array([picture.motif for picture in pictures])
    photos = np.array([not picture.drawn for picture in pictures])
    unseen = ~np.isin(kinds, [picture.kind for picture in strangers.choosing()])
    found = {
        "network": features.network_digest(export.served_network(recipe, folder)),
        "real": {
            source: {
                name: _real(recipe, data, folder, fitted, calibrations, source, splits)
                for name, splits in (("validation", NOT_TRAINED), ("test", ("test",)))
            }
            for source in SOURCES
            if len(_rows(table, (*NOT_TRAINED, "test"), (source,)))
        },
        "strangers": {
            "all": _share(codes, motifs),
            "photos": _share(codes[photos], motifs[photos]),
            "unseen_kinds": _share(codes[unseen], motifs[unseen]),
            "by_kind": {str(kind): _share(codes[kinds == kind], motifs[kinds == kind]) for kind in np.unique(kinds)},
        },
        "source_probe": {
            source: _told(fitted, validation.rows(validation.sources == source), source)
            for source in SOURCES
            if (validation.sources == source).any()
        },
        "leave_one_diagnosis_out": probes.leave_one_diagnosis_out(training, validation),
        "scores": pd.read_csv(folder / COMPARED).to_dict("records"),
    }
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / GATE).write_text(text + "\n", encoding="utf-8")
    return found


def real(recipe: Recipe, data: Data, folder: Path, rows: np.ndarray) -> Real:
    """What the served network says of images of the data set."""
    said = features.of_rows(export.served_network(recipe, folder), data, rows, recipe.input, folder)
    table = data.table.iloc[rows]
    return Real(said, table.kind.to_numpy(), table.label.to_numpy())


def refusals(
    fitted: Probes,
    calibrations: dict[str, Calibration],
    said: Answers,
    judged: Sequence[Quality],
    sources: Sequence[str | None],
) -> np.ndarray:
    """The gate's reason for each of N pictures, empty where it accepts: shape (N,), text.

    Args:
        fitted, calibrations: as served.
        said: what the network said of the pictures.
        judged: their quality.
        sources: what their sender would say; None where the probe decides.
    """
    evidence = fitted.evidence(said.logits, said.features)
    return np.array(
        [
            refusal(quality.severe, interpret(item, calibrations, source))
            for quality, item, source in zip(judged, evidence, sources, strict=True)
        ]
    )


def qualities(paths: Sequence[str]) -> list[Quality]:
    """Judge photos as they lie in their files."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: assess(open_photo(Path(path).read_bytes())), paths))


def _real(
    recipe: Recipe,
    data: Data,
    folder: Path,
    fitted: Probes,
    calibrations: dict[str, Calibration],
    source: str,
    splits: tuple[str, ...],
) -> dict:
    rows = _rows(data.table, splits, (source,))
    said = real(recipe, data, folder, rows).answers
    judged = qualities(data.table.path.iloc[rows])
    codes = refusals(fitted, calibrations, said, judged, [None] * len(rows))
    return _share(codes, data.table.patient.to_numpy()[rows])


def _share(codes: np.ndarray, groups: np.ndarray) -> dict:
    refused = codes != ""
    low, high = metrics.share_interval(refused, groups) if len(np.unique(groups)) >= _MIN_GROUPS else (None, None)
    reasons = {str(code): int((codes == code).sum()) for code in np.unique(codes[refused])}
    return {"n": len(codes), "refused": float(refused.mean()), "low": low, "high": high, "reasons": reasons}


def _told(fitted: Probes, images: Real, source: str) -> dict:
    right = np.array(fitted.sources(images.answers.features)) == source
    return {"n": len(right), "right": float(right.mean())}


def _rows(table: pd.DataFrame, splits: Sequence[str], kinds: Sequence[str]) -> np.ndarray:
    return np.flatnonzero(table.split.isin(splits) & table.kind.isin(kinds))


def _training_rows(table: pd.DataFrame, seed: int) -> np.ndarray:
    dermoscopy, phone = (_rows(table, ("train",), (source,)) for source in SOURCES)
    if len(dermoscopy) > _TRAINING_SAMPLE:
        dermoscopy = np.random.default_rng(seed).choice(dermoscopy, _TRAINING_SAMPLE, replace=False)
    return np.sort(np.concatenate([dermoscopy, phone]))
