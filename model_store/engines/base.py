"""What every engine does, whatever runs the network underneath."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class EngineOutput:
    """What the network says of a batch.

    Attributes:
        logits: shape (N, 8), float32, columns in the order of `classes.CLASSES`.
        feature_map: shape (N, h, w, C), float32: the last one before pooling; h and w are a 32nd of
            the side that the network works at.
    """

    logits: np.ndarray
    feature_map: np.ndarray


class Engine(Protocol):
    """Runs one bundle's network.

    Attributes:
        name: what `ENGINE` and `--engine` call it.
        tolerance: how far a logit may lie from the bundle's golden one; engines round differently.
        dense_weights: shape (C, 8), float32: the last layer's kernel, which makes a saliency map of a feature map.
    """

    name: str
    tolerance: float
    dense_weights: np.ndarray

    def run(self, batch: np.ndarray) -> EngineOutput:
        """Run the network once.

        Args:
            batch: shape (N, size_px, size_px, 3), float32 in [0, 255], from `preprocessing.prepare`.

        Returns:
            N rows of logits and feature maps.

        Raises:
            EngineError: `engine_failed`: the library raised, or an output is not finite.
            ValueError: the batch has another shape or dtype.
        """
        ...


def is_finite(output: EngineOutput) -> bool:
    """Whether both outputs are numbers throughout; one that is not would pass the gate for strange photos unseen."""
    return bool(np.isfinite(output.logits).all() and np.isfinite(output.feature_map).all())


def check_batch(batch: np.ndarray, shape: tuple[int, ...]) -> None:
    """Hold a batch against what `Engine.run` takes.

    Raises:
        ValueError: it is not float32 (N, *shape).
    """
    if batch.ndim != 4 or batch.shape[1:] != shape or batch.dtype != np.float32:
        raise ValueError(f"expected float32 (N, {shape}), got {batch.dtype} {batch.shape}")
