"""Losses on logits; one formula each."""

from collections.abc import Callable

import keras
import numpy as np


def cross_entropy(
    label_smoothing: float = 0.0, log_prior: np.ndarray | None = None, class_weights: np.ndarray | None = None
) -> Callable:
    """Categorical cross-entropy, with logit adjustment where a prior is given.

    With the prior of the training draws added to the logits during training, the logits themselves learn the
    balanced posterior: rare diagnoses are not drowned by naevi.

    Args:
        label_smoothing: share of the target spread over all classes, in [0, 1).
        log_prior: shape (8,), natural logarithm of each class's share of the training draws; None adds nothing.
        class_weights: shape (8,), factor of the loss of each class's images; None: all alike.

    Returns:
        A function of (one-hot targets (N, 8), logits (N, 8)) that gives (N,) losses in nats.

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", equation 10 with tau = 1.
    """
    weights = np.ones(1, "float32") if class_weights is None else np.asarray(class_weights, "float32")
    adjustment = np.zeros(1, "float32") if log_prior is None else np.asarray(log_prior, "float32")

    def loss(targets, logits):
        entropy = keras.losses.categorical_crossentropy(
            targets, logits + adjustment, from_logits=True, label_smoothing=label_smoothing
        )
        return entropy * keras.ops.sum(targets * weights, axis=-1)

    return loss
