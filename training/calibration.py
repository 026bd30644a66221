"""From logits of images that did not train to everything in a bundle's `Calibration`.

The network's logits learn the balanced posterior (see `losses`), as if all diagnoses were equally common. A prior
turns them into probabilities for a population; the reference population here is the calibration data, whose class
shares are tempered: raised to a power chosen on validation, since a full prior hides the rare diagnoses and none at
all overstates them.
"""

import dataclasses

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from model_store.classes import CODES
from model_store.prediction import (
    ADVICE_POINTS,
    Calibration,
    OperatingPoint,
    OutOfDistribution,
    Prior,
    ood_score,
    probabilities,
    risk,
)
from training import metrics, seven

SET_COVERAGE = 0.95
ADVICE_SENSITIVITY = 0.95
PUBLISHED_SENSITIVITIES = {"malignancy_90": 0.90, "malignancy_80": 0.80}
OOD_FALSE_REJECTION = 0.05
PRIOR_POWERS = np.round(np.arange(0, 1.01, 0.1), 1)


def fit(
    logits: np.ndarray,
    labels: np.ndarray,
    validation_logits: np.ndarray,
    validation_labels: np.ndarray,
) -> tuple[Calibration, list[dict[str, float]]]:
    """Fit the whole calibration.

    Args:
        logits, labels: the calibration split, shapes (N, 8) and (N,): the temperature is fitted on these.
        validation_logits, validation_labels: the validation split: the prior's power is chosen on these. Prediction
            sets, operating points and the out-of-distribution threshold take both splits together, for the sake of
            the rare classes.

    Returns:
        The calibration, and a row for each power that was tried: power, temperature, accuracy, balanced_accuracy
        (both of the seven ISIC 2018 classes) and calibration error on validation.
    """
    shares = np.bincount(labels, minlength=len(CODES)) + 0.5
    log_shares = np.log(shares / shares.sum())
    tried = [_try(power, log_shares, logits, labels, validation_logits, validation_labels) for power in PRIOR_POWERS]
    best = max(tried, key=lambda row: row["accuracy"] + row["balanced_accuracy"])
    bias = best["power"] * log_shares
    prior = np.exp(bias - logsumexp(bias))
    all_logits, all_labels = np.concatenate([logits, validation_logits]), np.concatenate([labels, validation_labels])
    calibration = Calibration(
        temperature=best["temperature"],
        bias=tuple(float(b) for b in bias),
        prior=Prior(f"calibration split's class shares to the power {best['power']:.1f}", tuple(map(float, prior))),
        set_coverage=SET_COVERAGE,
        set_thresholds=(0.0,) * len(CODES),
        operating_points=tuple(
            OperatingPoint(name, of_risk, 0.0, 1.0, 0.0, 0, "") for name, of_risk in ADVICE_POINTS.items()
        ),
        out_of_distribution=OutOfDistribution(
            "energy", float(np.quantile(ood_score(all_logits), 1 - OOD_FALSE_REJECTION))
        ),
    )
    all_probabilities = probabilities(all_logits, calibration)
    return dataclasses.replace(
        calibration,
        set_thresholds=set_thresholds(all_probabilities, all_labels, SET_COVERAGE),
        operating_points=operating_points(all_probabilities, all_labels),
    ), tried


def temperature(logits: np.ndarray, labels: np.ndarray, bias: np.ndarray) -> float:
    """The temperature with the smallest negative log-likelihood of softmax(logits / temperature + bias).

    Args:
        logits: shape (N, 8).
        labels: shape (N,), int.
        bias: shape (8,).

    Returns:
        Between 0.05 and 20.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature) + bias, axis=1)
        return -float(scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def set_thresholds(class_probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> tuple[float, ...]:
    """A threshold for each class that at least `coverage` of its own images reach.

    Args:
        class_probabilities: shape (N, 8), calibrated.
        labels: shape (N,), int.
        coverage: in (0, 1).

    Returns:
        8 probabilities; 0 for a class with too few images to promise anything, which so is in every set.

    Source: Vovk 2012, "Conditional validity of inductive conformal predictors", label-conditional.
    """
    thresholds = []
    for k in range(len(CODES)):
        own = np.sort(class_probabilities[labels == k, k])
        rank = int(np.floor((1 - coverage) * (len(own) + 1)))
        thresholds.append(float(own[rank - 1]) if rank > 0 else 0.0)
    return tuple(thresholds)


def operating_points(class_probabilities: np.ndarray, labels: np.ndarray) -> tuple[OperatingPoint, ...]:
    """Thresholds at the wanted sensitivities, each with the specificity that it costs on the same images."""
    wanted = {name: (of_risk, ADVICE_SENSITIVITY) for name, of_risk in ADVICE_POINTS.items()}
    wanted |= {name: ("malignancy", share) for name, share in PUBLISHED_SENSITIVITIES.items()}
    points = []
    for name, (of_risk, share) in wanted.items():
        scores, positive = risk(class_probabilities, of_risk), has_risk(labels, of_risk)
        threshold = metrics.threshold_for_sensitivity(scores, positive, share)
        points.append(
            measure(
                OperatingPoint(name, of_risk, threshold, 0, 0, 0, ""), scores, positive, "calibration and validation"
            )
        )
    return tuple(points)


def measure(point: OperatingPoint, scores: np.ndarray, positive: np.ndarray, measured_on: str) -> OperatingPoint:
    """The same point with the figures that it has on another set: both arrays of shape (N,)."""
    return dataclasses.replace(
        point,
        sensitivity=metrics.sensitivity(scores, positive, point.threshold),
        specificity=metrics.specificity(scores, positive, point.threshold),
        n=len(scores),
        measured_on=measured_on,
    )


def has_risk(labels: np.ndarray, name: str) -> np.ndarray:
    """Which images show a class of that risk: shape (N,), bool."""
    return risk(np.eye(len(CODES)), name)[labels] > 0


def _try(
    power: float,
    log_shares: np.ndarray,
    logits: np.ndarray,
    labels: np.ndarray,
    validation_logits: np.ndarray,
    validation_labels: np.ndarray,
) -> dict[str, float]:
    bias = power * log_shares
    fitted = temperature(logits, labels, bias)
    answers = np.exp(log_softmax(validation_logits / fitted + bias, axis=1))
    matrix = seven.confusion(answers, validation_labels)
    return {
        "power": float(power),
        "temperature": fitted,
        "accuracy": metrics.accuracy(matrix),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "calibration_error": metrics.expected_calibration_error(answers, validation_labels),
    }
