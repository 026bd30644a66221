"""Predicts photos in batches and writes a row of the official ISIC 2019 CSV for each."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from tqdm import tqdm

from model_store import photo_files
from model_store.classes import CODES
from model_store.classifier import Classifier, refusal
from model_store.photo_files import Problems
from model_store.prediction import Evidence, Prediction
from model_store.quality import Quality, assess

BATCH = 16
COLUMNS = ("image", *CODES, "UNK")  # the official ISIC 2019 ones
DETAILS = ("malignancy", "prediction_set", "ood_score", "accepted", "refusal", "source", "source_is_sure")


def write(
    file: TextIO, classifier: Classifier, photos: list[Path], problems: Problems, source: str | None, details: bool
) -> None:
    """Write the header, and a row for each photo that can be opened; the others are named by `problems`.

    Args:
        source: what took all of the photos, one of `prediction.SOURCES`; None where the bundle shall tell it.
        details: whether the columns `DETAILS` are added.

    Raises:
        EngineError: the network gave no usable answer.
    """
    writer = csv.writer(file)
    writer.writerow([*COLUMNS, *(DETAILS if details else ())])
    for name, quality, evidence in _evidence(classifier, photos, problems):
        prediction = classifier.interpret(evidence, source)
        row = [name, *map(float, prediction.probabilities), 0.0]
        is_sure = bool(source) or evidence.source_is_sure
        writer.writerow([*row, *(_details(quality, prediction, is_sure) if details else ())])


def _evidence(
    classifier: Classifier, photos: list[Path], problems: Problems
) -> Iterator[tuple[str, Quality, Evidence]]:
    """Run the network in batches, so that memory does not grow with the number of photos."""
    photos_in_turn = tqdm(photos, unit="photo", disable=None)
    prepared = (
        (photo_files.name_of(path), assess(photo), classifier.prepare(photo))
        for path, photo in photo_files.opened(photos_in_turn, problems)
    )
    while batch := list(islice(prepared, BATCH)):
        names, qualities, arrays = zip(*batch, strict=True)
        seen = classifier.evidence(classifier.engine.run(np.stack(arrays)))
        yield from zip(names, qualities, seen, strict=True)


def _details(quality: Quality, prediction: Prediction, source_is_sure: bool) -> list[float | int | str]:
    reason = refusal(quality.severe, prediction)
    codes = " ".join(prediction.prediction_set)
    said = [prediction.malignancy, codes, prediction.ood_score, int(not reason), reason]
    return [*said, prediction.source, int(source_is_sure)]
