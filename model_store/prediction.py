"""The network's logits become calibrated probabilities and everything that is told from them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from model_store.classes import CODES, MALIGNANT_CODES

# What took the photo. Each source has a calibration of its own: the same logits mean another thing.
SOURCES = ("dermoscopy", "phone")

URGENT_CODES = ("MEL", "SCC")  # these spread to other organs within months; BCC and AK hardly ever do

# A risk is the summed probability of some classes; operating points name one of these.
RISKS = {"malignancy": MALIGNANT_CODES, "urgent": URGENT_CODES}

# The operating points that the advice hangs on, each with its risk. A bundle may publish more.
ADVICE_POINTS = {"urgent": "urgent", "soon": "malignancy"}

# Of a spot whose most likely diagnosis is less probable than this the model knows too little to calm anybody; below it
# pages call the confidence low. A bundle's card says how many test images that holds back, and what they were.
UNSURE_BELOW = 0.6


@dataclass(frozen=True)
class Prior:
    """The class frequencies that the probabilities assume: `values` sum to 1, in the order of `classes.CLASSES`."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class OperatingPoint:
    """A named threshold on a risk and what it was measured to do.

    Attributes:
        name: unique in its bundle; "urgent" and "soon" drive the advice.
        risk: a key of `RISKS`.
        threshold: probability in [0, 1]; the point is reached at or above it.
        sensitivity: share of the images with the risk that reach it.
        specificity: share of the others that do not.
        n: images that the two were measured on.
        measured_on: name of that set.
        sensitivity_interval, specificity_interval: lower and upper limit, 95 %; None where nobody computed them.
    """

    name: str
    risk: str
    threshold: float
    sensitivity: float
    specificity: float
    n: int
    measured_on: str
    sensitivity_interval: tuple[float, float] | None = None
    specificity_interval: tuple[float, float] | None = None

    @classmethod
    def from_dict(cls, values: dict) -> "OperatingPoint":
        """Read what JSON made of one."""
        intervals = {name: values.get(name) for name in ("sensitivity_interval", "specificity_interval")}
        return cls(**values | {name: tuple(limits) if limits else None for name, limits in intervals.items()})


@dataclass(frozen=True)
class OutOfDistribution:
    """A photo whose score is above `threshold` is unlike what the network learnt.

    `score` names how it is computed; "probes" (`Probes.ood_scores`) is the only way.
    """

    score: str
    threshold: float


@dataclass(frozen=True)
class Calibration:
    """What turns this network's logits for photos of one source into a prediction; part of the bundle.

    Attributes:
        temperature: above 0; logits are divided by it.
        bias: 8 numbers added after that, before the softmax.
        prior: the class frequencies behind the probabilities.
        set_coverage: share of the images for calibration, class by class and of the rarest together, whose diagnosis
            is in the prediction set.
        set_thresholds: 8 probabilities; class k is in the set at or above its own.
        operating_points: at least those of `ADVICE_POINTS`.
        out_of_distribution: the score and its threshold.
        score_thresholds: 9 rising probabilities of malignancy; `malignancy_score` counts those that are reached.

    Raises:
        ValueError: a length, a name or a range is wrong.
    """

    temperature: float
    bias: tuple[float, ...]
    prior: Prior
    set_coverage: float
    set_thresholds: tuple[float, ...]
    operating_points: tuple[OperatingPoint, ...]
    out_of_distribution: OutOfDistribution
    score_thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError("temperature must be above 0")
        for name, values in (("bias", self.bias), ("prior", self.prior.values), ("sets", self.set_thresholds)):
            if len(values) != len(CODES) or not np.isfinite(values).all():
                raise ValueError(f"{name} must be {len(CODES)} finite numbers")
        if abs(sum(self.prior.values) - 1) > 1e-6 or min(self.prior.values) < 0:
            raise ValueError("the prior must sum to 1")
        risks = {point.name: point.risk for point in self.operating_points}
        if len(risks) != len(self.operating_points) or not ADVICE_POINTS.items() <= risks.items():
            raise ValueError("operating points must have unique names and include those of the advice")
        if not set(risks.values()) <= RISKS.keys():
            raise ValueError("an operating point has an unknown risk")
        if self.out_of_distribution.score != "probes":
            raise ValueError("unknown out-of-distribution score")
        if len(self.score_thresholds) != 9 or not (np.diff(self.score_thresholds) >= 0).all():
            raise ValueError("score_thresholds must be 9 rising numbers")

    @classmethod
    def from_dict(cls, values: dict) -> "Calibration":
        """Read what `to_dict` wrote, through JSON.

        Raises:
            KeyError, TypeError, ValueError: a field is missing, unknown or wrong.
        """
        prior = values["prior"]
        return cls(
            **values
            | {
                "bias": tuple(values["bias"]),
                "prior": Prior(prior["name"], tuple(prior["values"])),
                "set_thresholds": tuple(values["set_thresholds"]),
                "operating_points": tuple(OperatingPoint.from_dict(point) for point in values["operating_points"]),
                "out_of_distribution": OutOfDistribution(**values["out_of_distribution"]),
                "score_thresholds": tuple(values["score_thresholds"]),
            }
        )

    def to_dict(self) -> dict:
        """Give plain dictionaries, tuples and numbers, for JSON."""
        return asdict(self)

    def operating_point(self, name: str) -> OperatingPoint:
        """Give the operating point of that name.

        Raises:
            KeyError: the bundle publishes none.
        """
        return {point.name: point for point in self.operating_points}[name]


@dataclass(frozen=True)
class Evidence:
    """What the network's output says of one photo before any calibration: few numbers, enough for `interpret`.

    Attributes:
        logits: 8 numbers in the order of `classes.CLASSES`.
        ood_score: see `Prediction`.
        source: one of `SOURCES`, by the bundle's probe.
        source_is_sure: whether the probe gives it 90 % or more.
    """

    logits: tuple[float, ...]
    ood_score: float
    source: str
    source_is_sure: bool = False


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo. Compare by field: the array makes `==` meaningless.

    Attributes:
        probabilities: shape (8,), float64, calibrated, sum 1, in the order of `classes.CLASSES`.
        ranking: the 8 class indices, most likely first; of two alike the earlier class.
        prediction_set: codes at or above their set threshold, most likely first; may be empty.
        malignancy: summed probability of MEL, BCC, AK and SCC.
        urgent_risk: summed probability of MEL and SCC.
        ood_score: the bundle's score for "unlike any lesion it learnt"; higher is stranger.
        out_of_distribution: the score is above the bundle's threshold.
        source: one of `SOURCES`: whose calibration this rests on.
    """

    probabilities: np.ndarray
    ranking: tuple[int, ...]
    prediction_set: tuple[str, ...]
    malignancy: float
    urgent_risk: float
    ood_score: float
    out_of_distribution: bool
    source: str

    @property
    def unsure(self) -> bool:
        """Whether even the most likely diagnosis is less probable than `UNSURE_BELOW`."""
        return bool(self.probabilities[self.ranking[0]] < UNSURE_BELOW)

    @property
    def risks(self) -> dict[str, float]:
        """The summed probabilities, by the names in `RISKS`."""
        return {"malignancy": self.malignancy, "urgent": self.urgent_risk}

    def reaches(self, point: OperatingPoint) -> bool:
        """Whether the risk that an operating point is set on is at or above its threshold."""
        return self.risks[point.risk] >= point.threshold


def probabilities(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Turn logits into calibrated probabilities: softmax of logits / temperature + bias.

    Works in float64 with each row's maximum subtracted, so that no finite logit overflows.

    Args:
        logits: shape (N, 8), floating, columns in the order of `classes.CLASSES`.
        calibration: temperature and bias are used.

    Returns:
        Shape (N, 8), float64, in [0, 1]; each row sums to 1 within 1e-12.

    Raises:
        ValueError: another shape, or a logit that is not finite.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2; the bias is that of its vector
    scaling with one shared scale.
    """
    scaled = _checked(logits) / calibration.temperature + np.asarray(calibration.bias)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def energy(logits: np.ndarray) -> np.ndarray:
    """Say how strange each photo is to the network: the energy at temperature 1, before any calibration.

    Args:
        logits: shape (N, 8), floating.

    Returns:
        Shape (N,), float64: minus log-sum-exp of each row. Higher is stranger.

    Raises:
        ValueError: another shape, or a logit that is not finite.

    Source: Liu et al. 2020, "Energy-based Out-of-distribution Detection", equation 4.
    """
    rows = _checked(logits)
    largest = rows.max(axis=1)
    return -(largest + np.log(np.exp(rows - largest[:, None]).sum(axis=1)))


def pooled(feature_map: np.ndarray) -> np.ndarray:
    """Average feature maps (N, h, w, C) over their places: shape (N, C), float32."""
    return feature_map.mean(axis=(1, 2), dtype=np.float32)


def risk(class_probabilities: np.ndarray, name: str) -> np.ndarray:
    """Sum the probabilities of a risk's classes.

    Args:
        class_probabilities: shape (..., 8).
        name: a key of `RISKS`.

    Returns:
        Shape (...), float64, in [0, 1].
    """
    indices = [CODES.index(code) for code in RISKS[name]]
    return np.minimum(class_probabilities[..., indices].sum(axis=-1), 1.0)  # rounding may reach 1 + 1e-16


def malignancy_score(malignancy: float, calibration: Calibration) -> int:
    """Put a probability of malignancy on the scale from 1 to 10: 1 plus the published thresholds that it reaches."""
    return 1 + int(np.searchsorted(calibration.score_thresholds, malignancy, side="right"))


def interpret(evidence: Evidence, calibrations: Mapping[str, Calibration], source: str | None = None) -> Prediction:
    """Turn what the network said of one photo into its prediction.

    Args:
        evidence: from `Classifier.evidence`.
        calibrations: of the same bundle, one for each of `SOURCES`.
        source: where the photo comes from, if its sender said so; else the bundle's probe decides.

    Returns:
        The prediction.

    Raises:
        ValueError: a source that there is not, or a logit that is not finite.
    """
    source = evidence.source if source is None else source
    if source not in SOURCES:
        raise ValueError(f"unknown source {source!r}")
    calibration = calibrations[source]
    class_probabilities = probabilities(np.asarray(evidence.logits)[None], calibration)[0]
    ranking = np.argsort(-class_probabilities, kind="stable")
    in_set = class_probabilities >= np.asarray(calibration.set_thresholds)
    return Prediction(
        probabilities=class_probabilities,
        ranking=tuple(int(index) for index in ranking),
        prediction_set=tuple(CODES[index] for index in ranking if in_set[index]),
        malignancy=float(risk(class_probabilities, "malignancy")),
        urgent_risk=float(risk(class_probabilities, "urgent")),
        ood_score=evidence.ood_score,
        # Turned round, so that a score that is no number holds the photo back.
        out_of_distribution=not evidence.ood_score <= calibration.out_of_distribution.threshold,
        source=source,
    )


def _checked(logits: np.ndarray) -> np.ndarray:
    rows = np.asarray(logits, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(CODES):
        raise ValueError(f"expected (N, {len(CODES)}) logits, got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("a logit is not finite")
    return rows
