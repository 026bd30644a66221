"""Where the network looked for one class: a class activation map."""

import numpy as np


def class_activation_map(feature_map: np.ndarray, dense_weights: np.ndarray, class_index: int) -> np.ndarray:
    """Show which places of the feature map spoke for a class.

    With average pooling and one dense layer, a class's logit is the mean of this map plus a bias. Places that speak
    against the class count as 0, and the strongest place is 255. It shows where the network looked, not why.

    Args:
        feature_map: shape (h, w, C), floating: one photo's from `EngineOutput.feature_map`.
        dense_weights: shape (C, 8), floating: `Engine.dense_weights`.
        class_index: position in `classes.CLASSES`.

    Returns:
        Shape (h, w), uint8; all 0 where no place speaks for the class.

    Raises:
        ValueError: the shapes do not fit.

    Source: Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", equation 2.
    """
    if feature_map.ndim != 3 or dense_weights.ndim != 2 or feature_map.shape[2] != dense_weights.shape[0]:
        raise ValueError(f"feature map {feature_map.shape} and dense weights {dense_weights.shape} do not fit")
    evidence = np.maximum(feature_map @ dense_weights[:, class_index], 0.0)
    strongest = evidence.max()
    return np.rint(evidence * (255 / strongest) if strongest > 0 else evidence).astype(np.uint8)
