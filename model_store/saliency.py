"""Where the network looked for each class: class activation maps."""

import numpy as np


def class_activation_maps(feature_map: np.ndarray, dense_weights: np.ndarray) -> np.ndarray:
    """Show which places of the feature map spoke for each class.

    With average pooling and one dense layer, a class's logit is the mean of its map plus a bias. Places that speak
    against the class count as 0, and its strongest place is 255. It shows where the network looked, not why.

    Args:
        feature_map: shape (h, w, C), floating: one photo's from `EngineOutput.feature_map`.
        dense_weights: shape (C, 8), floating: `Engine.dense_weights`.

    Returns:
        Shape (8, h, w), uint8, in the order of `classes.CLASSES`; all 0 where no place speaks for a class.

    Raises:
        ValueError: the shapes do not fit.

    Source: Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", equation 2.
    """
    if feature_map.ndim != 3 or dense_weights.ndim != 2 or feature_map.shape[2] != dense_weights.shape[0]:
        raise ValueError(f"feature map {feature_map.shape} and dense weights {dense_weights.shape} do not fit")
    evidence = np.maximum(np.moveaxis(feature_map @ dense_weights, 2, 0), 0.0)
    strongest = evidence.max(axis=(1, 2), keepdims=True)
    return np.rint(evidence * (255 / np.where(strongest > 0, strongest, 1.0))).astype(np.uint8)
