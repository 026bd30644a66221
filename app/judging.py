"""A new photo's one way from its bytes to an answer, for the pages and the API alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from flask import current_app

from app import answers, inference, observability, places
from app.advice import Advice
from app.answers import Answer
from app.reading import Reading, read
from model_store import quality
from model_store.classifier import Classifier, refusal
from model_store.images import open_photo
from model_store.prediction import Evidence, Prediction
from model_store.saliency import class_activation_maps

_assessors = ThreadPoolExecutor(thread_name_prefix="quality")


@dataclass(frozen=True)
class Look:
    """An answer, the network's feature map (h, w, C), float32, and its maps (8, h, w), uint8."""

    answer: Answer
    feature_map: np.ndarray
    maps: np.ndarray


def run(classifier: Classifier, batch: np.ndarray) -> list[tuple[Evidence, np.ndarray]]:
    """What the queue does with prepared photos, float32 (N, H, W, 3): the evidence and the feature map of each."""
    output = classifier.engine.run(batch)
    return list(zip(classifier.evidence(output), output.feature_map, strict=True))


def judge(data: bytes, source: str | None = None, site: str = "") -> Reading:
    """`look` for a patient or a program, and what they are told of it, which is counted."""
    seen = look(data, source, site)
    told = read(seen.answer, anyway=False)
    count(seen, told.prediction, told.advice)
    return told


def count(seen: Look, prediction: Prediction, advice: Advice) -> None:
    """Count what is told of a new photo."""
    observability.count_answer(prediction, advice, refusal(seen.answer.severe, prediction))


def look(data: bytes, source: str | None = None, site: str = "") -> Look:
    """Decode a photo, assess it, and let the model look at it.

    Args:
        data: the upload, as it came.
        source: "dermoscopy" or "phone" if its sender said so.
        site: where on the body the spot is, a code of `sites.SITES`; empty if its sender did not say.

    Raises:
        PhotoError: its sender can mend it.
        Overloaded, DeadlineExceeded, EngineError: its sender can only try again.
    """
    classifier, metrics = current_app.extensions["classifier"], current_app.extensions["metrics"]
    with places.decoding():
        with observability.stage("decode"):
            photo = open_photo(data)
        # Side by side, since both spend their time in Pillow, which lets other threads run.
        assessing = _assessors.submit(observability.timed(metrics, "quality", quality.assess), photo)
        with observability.stage("prepare"):
            prepared = classifier.prepare(photo)
        assessed = assessing.result()
        del photo  # its memory is free before the next one is decoded
    with observability.stage("inference"):
        evidence, feature_map = inference.submit(prepared, places.client_is_there)
    maps = class_activation_maps(feature_map, classifier.engine.dense_weights)
    answer = Answer(
        evidence=evidence,
        severe=assessed.severe,
        mild=assessed.mild,
        photo_jpeg=answers.jpeg(prepared),
        maps=tuple(tuple(map(tuple, one)) for one in maps.tolist()),
        source=source,
        site=site,
    )
    return Look(answer, feature_map, maps)
