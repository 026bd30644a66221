"""Fits what a bundle's `Probes` say: where a photo comes from, and whether it shows a lesion at all."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from model_store.classes import CODES
from model_store.prediction import SOURCES
from model_store.probes import Probes
from training import metrics
from training.features import Answers

DIMENSIONS = 64
FALSE_REJECTION = 0.04  # of real photos, by quality and strangeness together; the issue allows 0.05 on new ones
_REFUSED_STRANGERS = 0.99  # of pictures of a kind that the probe did not learn from
_NEIGHBOURS = 5
_MIN_GROUP = 10  # images of a diagnosis of a source, to have a centre of their own
_SOURCE_C, _STRANGER_C = 0.01, 0.003  # strong regularization: more features than pictures

# Weights of (stranger reading, log of the Mahalanobis distance, energy) that are compared.
SCORES = {
    "energy": (0.0, 0.0, 1.0),
    "Mahalanobis distance": (0.0, 1.0, 0.0),
    "stranger probe": (1.0, 0.0, 0.0),
    "stranger probe + log distance": (1.0, 1.0, 0.0),
    "stranger probe + 2 log distance": (1.0, 2.0, 0.0),
    "stranger probe + 4 log distance": (1.0, 4.0, 0.0),
    "stranger probe + 2 log distance + energy / 2": (1.0, 2.0, 0.5),
}


@dataclass(frozen=True)
class Real:
    """Real photos, N of them: what the network said, `sources` (N,) of `prediction.SOURCES`, `labels` (N,) int."""

    answers: Answers
    sources: np.ndarray
    labels: np.ndarray

    def rows(self, which: np.ndarray) -> "Real":
        """Some of them."""
        return Real(
            Answers(self.answers.logits[which], self.answers.features[which]), self.sources[which], self.labels[which]
        )


def fit(training: Real, strangers: Answers, score: str) -> Probes:
    """Fit all readings.

    Args:
        training: photos that the network learned from.
        strangers: pictures that are no lesions.
        score: a key of `SCORES`.
    """
    features = training.answers.features.astype(np.float64)
    phone = training.sources == "phone"
    source_weights, source_bias = _direction(features, phone, _SOURCE_C)
    mean, projection, centres = _centres(features, training.sources, training.labels)
    stranger_weights, stranger_bias = _stranger_direction(features, strangers.features)
    return Probes(
        source_weights=source_weights,
        source_bias=np.array(source_bias),
        mean=mean,
        projection=projection,
        centres=centres,
        stranger_weights=stranger_weights,
        stranger_bias=np.array(stranger_bias),
        score_weights=np.array(SCORES[score]),
    )


def compare(training: Real, validation: Real, strangers: Answers, kinds: np.ndarray) -> list[dict]:
    """Compare scores on strangers of a kind that the probe did not learn from, kind after kind.

    Args:
        training, validation: real photos; the second only measure.
        strangers: M pictures that are no lesions.
        kinds: shape (M,), text.

    Returns:
        A row for each of `SCORES` and for the kNN distance and the largest softmax probability, which are only
        compared: score, auc and refused (share at 4 % of real photos refused), both means over the kinds.
    """
    found = {name: [] for name in (*SCORES, "kNN distance", "largest probability")}
    neighbours = NearestNeighbors(n_neighbors=_NEIGHBOURS).fit(_unit(training.answers.features))
    plain = {
        "kNN distance": lambda said: neighbours.kneighbors(_unit(said.features))[0][:, -1],
        "largest probability": lambda said: -_largest(said.logits),
    }
    whole = fit(training, strangers, "energy")
    for kind in np.unique(kinds):
        own = kinds == kind
        fitted = _without(own, whole, training, strangers)
        theirs = Answers(strangers.logits[own], strangers.features[own])
        scorers = {name: _scorer(fitted, weights) for name, weights in SCORES.items()} | plain
        for name, scorer in scorers.items():
            found[name].append(_separation(scorer(validation.answers), scorer(theirs)))
    return [
        {"score": name, "auc": float(np.mean([r[0] for r in rows])), "refused": float(np.mean([r[1] for r in rows]))}
        for name, rows in found.items()
    ]


def leave_one_diagnosis_out(training: Real, validation: Real) -> dict[str, float | None]:
    """How well the Mahalanobis distance tells a diagnosis that its statistics did not see from the other seven.

    The network itself learned all eight, so this is the easier half of the question.

    Returns:
        Area under the ROC curve by code, on dermoscopy images of `validation`; None where a side has no images.
    """
    training = training.rows(training.sources == SOURCES[0])
    validation = validation.rows(validation.sources == SOURCES[0])
    found: dict[str, float | None] = {}
    for k, code in enumerate(CODES):
        kept = training.rows(training.labels != k)
        mean, projection, centres = _centres(kept.answers.features.astype(float), kept.sources, kept.labels)
        projected = (validation.answers.features - mean) @ projection
        distances = np.sqrt(((projected[:, None] - centres) ** 2).sum(axis=2)).min(axis=1)
        area = metrics.area_under_roc(distances, validation.labels == k)
        found[code] = area if np.isfinite(area) else None
    return found


def cross_fitted(training: Real, strangers: Answers, kinds: np.ndarray, score: str) -> np.ndarray:
    """Scores of strangers by a probe that did not learn from their kind, as new ones will get them: shape (M,).

    Args:
        training: photos that the network learned from.
        strangers, kinds: as for `compare`.
        score: a key of `SCORES`.
    """
    whole, scores = fit(training, strangers, score), np.empty(len(kinds))
    for kind in np.unique(kinds):
        own = kinds == kind
        fitted = _without(own, whole, training, strangers)
        scores[own] = fitted.ood_scores(strangers.logits[own], strangers.features[own])
    return scores


def threshold(scores: np.ndarray, refused_by_quality: np.ndarray, strangers: np.ndarray) -> float:
    """The score above which a photo counts as strange.

    It lets the whole gate refuse 4 % of these real photos at most, and fewer where 99 % of the strangers lie above a
    higher one: of a hundred real photos the four strangest say little about how strange the next may be.

    Args:
        scores: shape (N,), of real photos.
        refused_by_quality: shape (N,), bool: what the gate refuses whatever their score.
        strangers: shape (M,), scores of what is no lesion, from `cross_fitted`, and not refused by its quality; may be
            empty.
    """
    allowed = int(FALSE_REJECTION * len(scores)) - int(refused_by_quality.sum())
    falling = np.sort(scores[~refused_by_quality])[::-1]
    lowest = falling[min(max(allowed, 0), len(falling) - 1)]
    return float(max(lowest, np.quantile(strangers, 1 - _REFUSED_STRANGERS)) if len(strangers) else lowest)


def _without(own: np.ndarray, whole: Probes, training: Real, strangers: Answers) -> Probes:
    """The probes as they would be had these strangers not been learned from."""
    weights, bias = _stranger_direction(training.answers.features, strangers.features[~own])
    return dataclasses.replace(whole, stranger_weights=weights, stranger_bias=np.array(bias))


def _direction(features: np.ndarray, positive: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """Weights and bias of a logistic regression on standardized features; a side without pictures never wins."""
    if positive.all() or not positive.any():
        return np.zeros(features.shape[1]), 1.0 if positive.all() else -1.0
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=c, class_weight="balanced", max_iter=3000).fit(scaler.transform(features), positive)
    weights = model.coef_[0] / scaler.scale_
    return weights, float(model.intercept_[0] - weights @ scaler.mean_)


def _stranger_direction(real: np.ndarray, strange: np.ndarray) -> tuple[np.ndarray, float]:
    pictures = np.concatenate([real, strange]).astype(np.float64)
    return _direction(pictures, np.arange(len(pictures)) >= len(real), _STRANGER_C)


def _centres(
    features: np.ndarray, sources: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, projection and centres as in `Probes`."""
    groups = (sources == SOURCES[1]) * len(CODES) + labels
    pca = PCA(min(DIMENSIONS, len(features) - 1, features.shape[1]), random_state=0).fit(features)
    projected = pca.transform(features)
    common = [g for g in np.unique(groups) if (groups == g).sum() >= _MIN_GROUP]
    centres = np.stack([projected[groups == g].mean(axis=0) for g in common])
    within = np.concatenate([projected[groups == g] - centre for g, centre in zip(common, centres, strict=True)])
    covariance = within.T @ within / len(within)
    covariance += 1e-6 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return pca.mean_, pca.components_.T @ whitening, centres @ whitening


def _scorer(fitted: Probes, weights: tuple[float, ...]):
    probes = dataclasses.replace(fitted, score_weights=np.array(weights))
    return lambda said: probes.ood_scores(said.logits, said.features)


def _separation(real: np.ndarray, strange: np.ndarray) -> tuple[float, float]:
    positive = np.arange(len(real) + len(strange)) >= len(real)
    area = metrics.area_under_roc(np.concatenate([real, strange]), positive)
    return area, float((strange > np.quantile(real, 1 - FALSE_REJECTION)).mean())


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def _largest(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return 1 / shifted.sum(axis=1)
