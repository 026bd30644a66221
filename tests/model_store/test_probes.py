import dataclasses

import numpy as np
import pytest

from model_store.prediction import energy
from model_store.probes import Probes
from tests.conftest import build_tiny_probes


@pytest.fixture
def probes():
    return build_tiny_probes()


def test_the_source_is_read_off_one_direction_of_the_features(probes):
    features = np.zeros((2, 8))
    features[0, 0], features[1, 1] = 1, 1
    assert probes.sources(features) == ["phone", "dermoscopy"]


def test_the_probe_is_sure_of_a_source_from_nine_in_ten_on(probes):
    features = np.zeros((4, 8))
    # With the bias, the logarithm of the odds is 2.1, 2.3, -2.1 and -2.3; that of nine in ten is 2.197.
    features[:, 0] = np.array([2.2, 2.4, -2.0, -2.2]) / 4
    found = probes.evidence(np.zeros((4, 8)), features)
    assert [(one.source, one.source_is_sure) for one in found] == [
        ("phone", False), ("phone", True), ("dermoscopy", False), ("dermoscopy", True),
    ]  # fmt: skip


def test_the_distance_is_that_to_the_nearest_centre(probes):
    features = np.zeros((3, 8))
    features[1, 0] = 1.25
    features[2, :3] = 1, 3, 4
    np.testing.assert_allclose(probes.distances(features), [0, 0.25, 5])


def test_the_score_adds_its_three_readings_by_their_weights(probes):
    features = np.zeros((1, 8))
    features[0, :3] = 1, 3, 4
    logits = np.arange(8.0)[None]
    mixed = dataclasses.replace(probes, score_weights=np.array([2.0, 3.0, 5.0]), stranger_bias=np.array(0.5))
    expected = 2 * (8 + 0.5) + 3 * np.log(5) + 5 * energy(logits)[0]
    assert mixed.ood_scores(logits, features)[0] == pytest.approx(expected)


def test_probes_survive_the_file(probes, tmp_path):
    probes.write(tmp_path / "probes.npz")
    back = Probes.read(tmp_path / "probes.npz")
    for field in dataclasses.fields(Probes):
        np.testing.assert_allclose(getattr(back, field.name), getattr(probes, field.name), rtol=1e-6)


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive"])
def test_a_damaged_file_is_said(tmp_path, content):
    (tmp_path / "probes.npz").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        Probes.read(tmp_path / "probes.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": np.zeros(7)},
        {"centres": np.zeros((0, 3))},
        {"centres": np.zeros((2, 4))},
        {"score_weights": np.array([0.0, np.nan, 1.0])},
        {"source_bias": np.zeros(1)},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(probes, changes):
    with pytest.raises(ValueError, match="must be|no features"):
        dataclasses.replace(probes, **changes)
