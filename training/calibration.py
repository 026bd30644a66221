"""From logits of images that did not train to everything in a source's `Calibration`.

The network's logits hold the balanced posterior, as if all diagnoses were equally common, but for what training adds to
them (`draws.source_shift`), which is taken off. A prior turns them into probabilities for a population; the reference
population of a source is its validation and calibration images, whose class shares are tempered: raised to a power,
since a full prior hides the rare diagnoses and none at all overstates them. Method and power are chosen by
cross-fitting on those images; no test image takes part.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.model_selection import GroupKFold

from model_store.classes import CODES
from model_store.prediction import (
    ADVICE_POINTS,
    Calibration,
    OperatingPoint,
    OutOfDistribution,
    Prior,
    probabilities,
    risk,
)
from training import metrics, seven

SET_COVERAGE = 0.95
ADVICE_SENSITIVITY = 0.95
PUBLISHED_SENSITIVITIES = {"malignancy_90": 0.90, "malignancy_80": 0.80}
PRIOR_POWERS = np.round(np.arange(0, 1.01, 0.1), 1)
METHODS = ("temperature", "bias")  # the simplest first
_FOLDS = 5
# However sensitive a threshold of the advice has to be, nobody is told to wait whose summed risk reaches this.
ADVICE_LIMIT = 0.3
_ERROR_LIMIT = 0.05  # what the issue of the model allows
_CLOSE = 0.005  # nats of log loss; a simpler method is not given up for less
_IMAGES_FOR_BIAS = 10  # of every class; with fewer a bias of its own would follow single images


@dataclass(frozen=True)
class Images:
    """Images of one source that did not train, N of them.

    Attributes:
        source: one of `prediction.SOURCES`.
        logits: shape (N, 8).
        labels: shape (N,), int.
        patients: shape (N,), whatever tells them apart; for ISIC 2019, which names none, the lesions.
        shift: shape (8,), what keeps the logits from the balanced posterior; see `draws.source_shift`.
    """

    source: str
    logits: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    shift: np.ndarray


def fit(images: Images, out_of_distribution: OutOfDistribution) -> tuple[Calibration, list[dict]]:
    """Fit the whole calibration of a source.

    The method is the one with the smallest log loss for the images' own class shares (a proper score), or a simpler one
    that comes close: biases of rare classes follow single images, and change how melanomas rank among the others.
    Then the power: for dermoscopy the mean of balanced accuracy (seven classes) and accuracy decides where the
    calibration error is at most 0.05; for phone photos balanced accuracy alone, since nobody knows which mix of
    diagnoses people with phones have. Each of the two is averaged with those of the neighbouring powers, so that no
    single image decides.

    Args:
        images: of the validation and the calibration split.
        out_of_distribution: goes into the calibration as it is.

    Returns:
        The calibration, and a row for each candidate: method, power, accuracy, balanced_accuracy, calibration_error,
        log_loss (all cross-fitted by patient) and chosen.
    """
    unshifted = dataclasses.replace(images, logits=images.logits - images.shift)
    tried = [row for method in _methods(images.labels) for row in _try(unshifted, method)]
    best = max(_candidates(images.source, tried), key=lambda row: _merit(images.source, row, tried))
    for row in tried:
        row["chosen"] = row is best
    prior = log_shares(images.labels)
    scale, bias = _fit(best["method"], unshifted.logits, images.labels, prior)
    bias = bias + (best["power"] - 1) * prior - scale * images.shift
    measured_on = f"{images.source}, calibration and validation"
    calibration = Calibration(
        temperature=1 / scale,
        bias=tuple(map(float, bias)),
        prior=_prior(images, best["power"]),
        set_coverage=SET_COVERAGE,
        set_thresholds=(0.0,) * len(CODES),
        operating_points=tuple(
            OperatingPoint(name, of_risk, 0.0, 1.0, 0.0, 0, "") for name, of_risk in ADVICE_POINTS.items()
        ),
        out_of_distribution=out_of_distribution,
        score_thresholds=(0.0,) * 9,
    )
    stated = probabilities(images.logits, calibration)
    deciles = np.quantile(risk(stated, "malignancy"), np.arange(1, 10) / 10)
    return dataclasses.replace(
        calibration,
        set_thresholds=set_thresholds(stated, images.labels, SET_COVERAGE),
        operating_points=operating_points(stated, images.labels, images.patients, measured_on),
        score_thresholds=tuple(map(float, deciles)),
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
        return log_loss(logits / np.exp(log_temperature) + bias, labels)

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def scale_and_bias(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The scale and the 8 biases with the smallest negative log-likelihood of softmax(logits * scale + biases).

    Source: Alexandari et al. 2020, "Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift
    Adaptation"; it is vector scaling with one scale for all classes.
    """

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = np.exp(values[0]), values[1:]
        scaled = logits * scale + bias
        gradient = softmax(scaled, axis=1)
        gradient[np.arange(len(labels)), labels] -= 1
        by_scale = (gradient * logits).sum() * scale / len(labels)
        return log_loss(scaled, labels), np.append(by_scale, gradient.mean(axis=0))

    found = minimize(loss, np.zeros(1 + len(CODES)), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), found[1:] - found[1:].mean()


def set_thresholds(class_probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> tuple[float, ...]:
    """A threshold for each class that at least `coverage` of its own images reach.

    Classes with too few images to promise that share one threshold, promised over all of them together; the rarest
    other class joins them until they are enough.

    Args:
        class_probabilities: shape (N, 8), calibrated.
        labels: shape (N,), int.
        coverage: in (0, 1).

    Returns:
        8 probabilities; all 0 where all images together are too few.

    Source: Vovk 2012, "Conditional validity of inductive conformal predictors", label-conditional.
    """
    counts = np.bincount(labels, minlength=len(CODES))
    needed = int(np.ceil(1 / (1 - coverage) - 1e-9)) - 1
    shared = [k for k in range(len(CODES)) if counts[k] < needed]
    for k in np.argsort(counts, kind="stable"):
        if shared and k not in shared and counts[shared].sum() < needed:
            shared.append(int(k))
    groups = [[k] for k in range(len(CODES)) if k not in shared] + ([shared] if shared else [])
    thresholds = np.zeros(len(CODES))
    for group in groups:
        rows = np.flatnonzero(np.isin(labels, group))
        own = np.sort(class_probabilities[rows, labels[rows]])
        rank = int(np.floor((1 - coverage) * (len(own) + 1) + 1e-9))
        thresholds[group] = own[rank - 1] if rank > 0 else 0.0
    return tuple(map(float, thresholds))


def operating_points(
    class_probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, measured_on: str
) -> tuple[OperatingPoint, ...]:
    """Thresholds at the wanted sensitivities, each with the specificity that it costs on the same images.

    Args:
        class_probabilities: shape (N, 8), calibrated.
        labels, patients: shape (N,); the 95 % intervals are by patient.
        measured_on: name of these images.

    Returns:
        Those of the advice, at most `ADVICE_LIMIT`, then `PUBLISHED_SENSITIVITIES`.

    Raises:
        ValueError: no image shows one of the risks.
    """
    wanted = {name: (of_risk, ADVICE_SENSITIVITY) for name, of_risk in ADVICE_POINTS.items()}
    wanted |= {name: ("malignancy", share) for name, share in PUBLISHED_SENSITIVITIES.items()}
    points = []
    for name, (of_risk, share) in wanted.items():
        scores, positive = risk(class_probabilities, of_risk), has_risk(labels, of_risk)
        threshold = metrics.threshold_for_sensitivity(scores, positive, share)
        if name in ADVICE_POINTS:
            threshold = min(threshold, ADVICE_LIMIT)
        reached = scores >= threshold
        points.append(
            OperatingPoint(
                name,
                of_risk,
                threshold,
                metrics.sensitivity(scores, positive, threshold),
                metrics.specificity(scores, positive, threshold),
                len(scores),
                measured_on,
                metrics.share_interval(reached[positive], patients[positive]),
                metrics.share_interval(~reached[~positive], patients[~positive]),
            )
        )
    return tuple(points)


def has_risk(labels: np.ndarray, name: str) -> np.ndarray:
    """Which images show a class of that risk: shape (N,), bool."""
    return risk(np.eye(len(CODES)), name)[labels] > 0


def _methods(labels: np.ndarray) -> tuple[str, ...]:
    return METHODS if np.bincount(labels, minlength=len(CODES)).min() >= _IMAGES_FOR_BIAS else METHODS[:1]


def log_shares(labels: np.ndarray) -> np.ndarray:
    """The logarithms of the classes' shares among these labels (N,), half an image added to each: shape (8,)."""
    shares = np.bincount(labels, minlength=len(CODES)) + 0.5
    return np.log(shares / shares.sum())


def _prior(images: Images, power: float) -> Prior:
    values = tuple(map(float, softmax(power * log_shares(images.labels))))
    name = f"class shares of the {images.source} images for calibration, to the power {power:.1f}"
    if power == 0:
        name = "all eight diagnoses equally common"
    counts = np.bincount(images.labels, minlength=len(CODES))
    if absent := " and ".join(code for code, count in zip(CODES, counts, strict=True) if not count):
        name += f"; but {absent} stay as rare as the network learnt, since no {images.source} image shows them"
    return Prior(name, values)


def _fit(method: str, logits: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale and biases of one method, fitted under the images' own prior (8 logarithms) and for it.

    For the prior's power p, (p - 1) times the prior is added to the biases.
    """
    if method == "temperature":
        return 1 / temperature(logits, labels, prior), prior
    return scale_and_bias(logits, labels)


def _try(images: Images, method: str) -> list[dict]:
    """A row for each of `PRIOR_POWERS`, cross-fitted by patient."""
    prior = log_shares(images.labels)
    scaled = np.empty((len(images.labels), len(CODES)))
    for some, others in GroupKFold(_FOLDS, shuffle=True, random_state=0).split(scaled, groups=images.patients):
        scale, bias = _fit(method, images.logits[some], images.labels[some], prior)
        scaled[others] = images.logits[others] * scale + bias
    return [
        {"method": method, "power": float(power), **_tried(images, softmax(scaled + (power - 1) * prior, axis=1))}
        for power in PRIOR_POWERS
    ]


def _tried(images: Images, answers: np.ndarray) -> dict[str, float]:
    matrix = (
        seven.confusion(answers, images.labels)
        if images.source == "dermoscopy"
        else metrics.confusion(images.labels, answers.argmax(axis=1), len(CODES))
    )
    return {
        "accuracy": metrics.accuracy(matrix),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "calibration_error": metrics.expected_calibration_error(answers, images.labels),
        "log_loss": log_loss(np.log(answers + 1e-12), images.labels),
    }


def _candidates(source: str, tried: list[dict]) -> list[dict]:
    losses = {row["method"]: row["log_loss"] for row in tried if row["power"] == 1}
    method = next(name for name in METHODS if losses.get(name, np.inf) <= min(losses.values()) + _CLOSE)
    rows = [row for row in tried if row["method"] == method]
    if source != "dermoscopy":
        return rows
    good = [row for row in rows if row["calibration_error"] <= _ERROR_LIMIT]
    return good or [min(rows, key=lambda row: row["calibration_error"])]


def _merit(source: str, row: dict, tried: list[dict]) -> float:
    near = [other for other in tried if other["method"] == row["method"] and abs(other["power"] - row["power"]) < 0.11]
    balanced = float(np.mean([other["balanced_accuracy"] for other in near]))
    if source != "dermoscopy":
        return balanced
    return (balanced + float(np.mean([other["accuracy"] for other in near]))) / 2


def log_loss(scaled: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative logarithm of what softmax gives the actual class: logits (N, 8), labels (N,)."""
    return -float(log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean())
