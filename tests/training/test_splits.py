import numpy as np
import pandas as pd
import pytest

from training import splits


def _table(lesions, patients, labels):
    return pd.DataFrame(
        {
            "lesion": [f"L{x}" for x in lesions],
            "patient": [f"P{x}" for x in patients],
            "label": labels,
            "source": "HAM10000",
            "kind": "dermoscopy",
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_lesion_a_patient_and_a_near_duplicate_never_stand_on_two_sides(seed):
    rng = np.random.default_rng(seed)
    lesions = rng.integers(0, 300, 600)
    table = _table(lesions, lesions // 2, rng.integers(0, 3, 600))
    duplicates = rng.integers(0, 600, (20, 2))
    split = splits.assign(table, duplicates, seed=seed)
    for column in ("lesion", "patient"):
        assert (split.groupby(table[column]).nunique() == 1).all()
    assert (split.to_numpy()[duplicates[:, 0]] == split.to_numpy()[duplicates[:, 1]]).all()
    assert set(split) == {"train", "validation", "calibration", "test"}


def test_the_split_is_the_same_each_time_and_stratified_by_class():
    lesions = np.arange(600)
    table = _table(lesions, lesions, np.repeat([0, 1], [500, 100]))
    first, second = (splits.assign(table, np.empty((0, 2)), seed=0) for _ in "ab")
    assert first.equals(second)
    shares = pd.crosstab(table.label, first, normalize="index")
    assert shares.train.tolist() == pytest.approx([0.75, 0.75], abs=0.02)
    assert shares.test.tolist() == pytest.approx([0.10, 0.10], abs=0.02)


@pytest.mark.parametrize(
    ("split", "duplicates"),
    [(["train", "test", "train", "test"], []), (["train", "train", "test", "test"], [[0, 3]])],
)
def test_a_leak_is_an_error_not_a_warning(split, duplicates):
    table = _table([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0])
    with pytest.raises(ValueError, match="two sides"):
        splits.check(table, pd.Series(split), np.array(duplicates, dtype=int))


def test_a_recompressed_copy_is_a_near_duplicate_and_another_picture_is_not(data, rng):
    pictures = np.asarray(data.pixels[:40])
    noisy = (pictures[7].astype(int) + rng.integers(-4, 5, pictures[7].shape)).clip(0, 255).astype(np.uint8)
    assert splits.near_duplicates(np.concatenate([pictures, noisy[None]])).tolist() == [[7, 40]]
