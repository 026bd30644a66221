"""A new photo's one way from its bytes to an answer, for the pages and the API alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from flask import current_app

from app import advice, answers, inference, observability, places
from app.answers import Answer
from model_store import quality
from model_store.classifier import Classifier, refusal
from model_store.images import open_photo
from model_store.prediction import Evidence
from model_store.saliency import class_activation_maps

_assessors = ThreadPoolExecutor(thread_name_prefix="quality")


@dataclass(frozen=True)
class Look:
    """An answer, the network's feature map (h, w, C), float32, and its class activation maps (8, h, w), uint8."""

    answer: Answer
    feature_map: np.ndarray
    maps: np.ndarray


def run(classifier: Classifier, batch: np.ndarray) -> list[tuple[Evidence, np.ndarray]]:
    """What the queue does with prepared photos, float32 (N, H, W, 3): the evidence and the feature map of each."""
    output = classifier.engine.run(batch)
    return list(zip(classifier.evidence(output), output.feature_map, strict=True))


def judge(data: bytes, source: str | None = None, site: str = "") -> Answer:
    """`look` without the maps."""
    return look(data, source, site).answer


def look(data: bytes, source: str | None = None, site: str = "") -> Look:
    """Decode a photo, assess it, and let the model look at it.

    Args:
        data: the upload, as it came.
        source: "dermoscopy" or "phone" if its sender said so; else the bundle's probe decides.
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
    prediction = classifier.interpret(evidence, source)
    maps = class_activation_maps(feature_map, classifier.engine.dense_weights)
    answer = Answer(
        evidence=evidence,
        severe=tuple(finding.code for finding in assessed.findings if not finding.mild),
        mild=tuple(finding.code for finding in assessed.findings if finding.mild),
        photo_jpeg=answers.jpeg(prepared),
        saliency=tuple(map(tuple, maps[prediction.ranking[0]].tolist())),
        source=source,
        site=site,
    )
    calibration = classifier.bundle.calibrations[prediction.source]
    given = advice.for_prediction(prediction, answer.severe, answer.mild, calibration)
    observability.count_answer(prediction, given, refusal(assessed, prediction))
    return Look(answer, feature_map, maps)
