"""Holds the fast engine against the reference one on real photos: may it answer in its place?"""

import platform
from collections.abc import Iterable
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

from model_store import engines
from model_store.bundle import MODEL, Bundle
from model_store.classifier import Classifier
from model_store.engines import cache
from model_store.engines.base import Engine
from model_store.images import Photo

MIN_TOP_1_AGREEMENT = 0.995
MAX_PROBABILITY_DIFFERENCE = 0.02
PRECISIONS = ("f32", "bf16")
SERVED = PRECISIONS[0]
_BATCH = 8


def compare(bundle: Bundle, photos: Iterable[Photo], cache_root: Path) -> dict:
    """Let TensorFlow and OpenVINO, in each precision, answer the same photos.

    Args:
        bundle: its calibration makes the probabilities.
        photos: at least one, each opened as its turn comes: they need not fit into memory together.
        cache_root: keeps converted networks.

    Returns:
        What JSON holds: `bundle`, `bundle_id`, `photos` (how many), `processor`, `versions`, `served` (the precision
        that is served), and `precisions`: for each `top_1_agreement` (a share), `largest_probability_difference`,
        `mean_probability_difference` (of the photos' largest), `largest_logit_difference`.

    Raises:
        EngineError, BundleError: an engine cannot be used.
    """
    from model_store.engines.openvino import OpenVINOEngine

    folder = cache.get(bundle.path / MODEL, cache_root)
    running = {"tensorflow": engines.load("tensorflow", bundle.path / MODEL)}
    running |= {name: OpenVINOEngine(bundle.path / MODEL, folder, name) for name in PRECISIONS}
    answers = _answers(bundle, running, photos)
    return {
        "bundle": f"{bundle.name}/{bundle.version}",
        "bundle_id": bundle.id,
        "photos": len(answers["tensorflow"][0]),
        "processor": processor(),
        "versions": {name: version(name) for name in ("tensorflow", "openvino")},
        "served": SERVED,
        "precisions": {name: _differences(answers[name], answers["tensorflow"]) for name in PRECISIONS},
    }


def is_within_limits(result: dict) -> bool:
    """Say whether the served precision agrees with the reference as far as it must."""
    served = result["precisions"][result["served"]]
    return (
        served["top_1_agreement"] >= MIN_TOP_1_AGREEMENT
        and served["largest_probability_difference"] <= MAX_PROBABILITY_DIFFERENCE
    )


def _answers(
    bundle: Bundle, running: dict[str, Engine], photos: Iterable[Photo]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give logits and calibrated probabilities of each engine, both (N, 8)."""
    classifiers = {name: Classifier(bundle, engine) for name, engine in running.items()}
    logits, probabilities = ({name: [] for name in running} for _ in range(2))
    prepared = map(classifiers["tensorflow"].prepare, photos)
    while taken := list(islice(prepared, _BATCH)):
        batch = np.stack(taken)
        for name, classifier in classifiers.items():
            predictions, output = classifier.predict(batch)
            logits[name].append(output.logits)
            probabilities[name] += [prediction.probabilities for prediction in predictions]
    return {name: (np.concatenate(logits[name]), np.stack(probabilities[name])) for name in running}


def _differences(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    (logits, probabilities), (expected_logits, expected_probabilities) = found, expected
    by_photo = np.abs(probabilities - expected_probabilities).max(axis=1)
    return {
        "top_1_agreement": float((probabilities.argmax(1) == expected_probabilities.argmax(1)).mean()),
        "largest_probability_difference": float(by_photo.max()),
        "mean_probability_difference": float(by_photo.mean()),
        "largest_logit_difference": float(np.abs(logits - expected_logits).max()),
    }


def processor() -> str:
    """Name the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
