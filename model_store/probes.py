"""What pooled features say of a photo beside its diagnosis: where it comes from, and whether it is a lesion at all."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from model_store.prediction import SOURCES, Evidence, energy

_SURE = math.log(0.9 / 0.1)  # of a source: its reading is the logarithm of the odds, both sources being as frequent


@dataclass(frozen=True)
class Probes:
    """Linear readings of the pooled features (C of them), fitted on the network's own training images.

    Attributes:
        source_weights, source_bias: shapes (C,) and (); above 0 means a phone photo.
        mean: shape (C,), of the real photos.
        projection: shape (C, D), principal components that are scaled so that the covariance within a class is 1.
        centres: shape (K, D), the mean of each group of real photos (a diagnosis of a source) after the projection.
        stranger_weights, stranger_bias: shapes (C,) and (); higher for what is no lesion.
        score_weights: shape (3,): how much of the stranger reading, of the logarithm of the Mahalanobis distance to
            the nearest centre, and of the energy goes into the out-of-distribution score.

    Source of the distance: Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples".
    """

    source_weights: np.ndarray
    source_bias: np.ndarray
    mean: np.ndarray
    projection: np.ndarray
    centres: np.ndarray
    stranger_weights: np.ndarray
    stranger_bias: np.ndarray
    score_weights: np.ndarray

    def __post_init__(self) -> None:
        count, dimensions = self.projection.shape if self.projection.ndim == 2 else (0, 0)
        expected = {
            "source_weights": (count,),
            "source_bias": (),
            "mean": (count,),
            "projection": (count, dimensions),
            "centres": (len(self.centres), dimensions),
            "stranger_weights": (count,),
            "stranger_bias": (),
            "score_weights": (3,),
        }
        if not count or not len(self.centres):
            raise ValueError("no features or no centres")
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite and of shape {shape}, not {array.shape}")

    @classmethod
    def read(cls, path: Path) -> "Probes":
        """Read what `write` wrote.

        Raises:
            ValueError: the file is damaged, or an array is missing or of another shape.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name].astype(np.float64) for field in fields(cls)})
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise ValueError(f"probes cannot be read: {error}") from error

    def write(self, path: Path) -> None:
        """Write the arrays as float32."""
        np.savez_compressed(path, **{f.name: np.asarray(getattr(self, f.name), np.float32) for f in fields(self)})

    def evidence(self, logits: np.ndarray, features: np.ndarray) -> list[Evidence]:
        """Put together what `prediction.interpret` needs of N photos: logits (N, 8) and pooled features (N, C)."""
        scores, readings = self.ood_scores(logits, features), self._source_readings(features)
        return [
            Evidence(tuple(map(float, row)), float(score), _source(reading), bool(abs(reading) >= _SURE))
            for row, score, reading in zip(logits, scores, readings, strict=True)
        ]

    def sources(self, features: np.ndarray) -> list[str]:
        """Tell dermoscopy from phone photos: features (N, C), a source each."""
        return [_source(reading) for reading in self._source_readings(features)]

    def _source_readings(self, features: np.ndarray) -> np.ndarray:
        return features @ self.source_weights + self.source_bias

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of features (N, C) to the nearest centre: shape (N,)."""
        projected = (features - self.mean) @ self.projection
        return np.sqrt(((projected[:, None] - self.centres) ** 2).sum(axis=2)).min(axis=1)

    def ood_scores(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """How unlike real lesions photos are; higher is stranger.

        Args:
            logits: shape (N, 8).
            features: shape (N, C), from `prediction.pooled`.

        Returns:
            Shape (N,), float64, no unit.
        """
        readings = (
            features @ self.stranger_weights + self.stranger_bias,
            np.log(self.distances(features) + 1e-9),
            energy(logits),
        )
        return np.stack(readings, axis=1) @ self.score_weights


def _source(reading: float) -> str:
    return SOURCES[int(reading > 0)]
