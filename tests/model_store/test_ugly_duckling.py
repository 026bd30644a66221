"""The lesion least like the others is the one whose features point elsewhere."""

import numpy as np
import pytest

from model_store.ugly_duckling import distances, strangeness


def test_distances_are_those_of_directions_whatever_their_length():
    apart = distances(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
    assert apart == pytest.approx(np.array([[0, 0, 1, 2], [0, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]]))


def test_the_odd_one_out_is_the_strangest():
    generator = np.random.default_rng(0)
    alike = np.array([1.0, 1.0, 0.0, 0.0]) + 0.05 * generator.normal(size=(6, 4))
    features = np.vstack([alike, [0.0, 0.2, 1.0, 1.0]])
    assert strangeness(features).argmax() == 6
    assert strangeness(features.astype(np.float16)).argmax() == 6


def test_strangeness_is_the_mean_distance_to_the_others():
    features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert strangeness(features) == pytest.approx([0.5, 0.5, 1.0])


@pytest.mark.parametrize("features", [np.ones((2, 4)), np.zeros((3, 4)), np.ones((3, 2, 2)), np.full((3, 2), np.nan)])
def test_too_few_lesions_and_useless_features_are_refused(features):
    with pytest.raises(ValueError, match="lesion|features"):
        strangeness(features)
