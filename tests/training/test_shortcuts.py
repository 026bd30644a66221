import numpy as np
import pandas as pd

from training import shortcuts


def _facts(rng, count: int) -> pd.DataFrame:
    columns = sorted({column for columns in shortcuts.PROBES.values() for column in columns})
    facts = pd.DataFrame(rng.normal(size=(count, len(columns))), columns=columns)
    return facts.assign(source=rng.choice(["one", "other"], count))


def test_noise_stays_near_chance_and_a_column_that_tells_the_class_is_found(rng):
    labels = np.repeat(np.arange(8), 60)
    facts = _facts(rng, len(labels)).assign(file_sharpness=labels + rng.normal(0, 0.1, len(labels)))
    probed = shortcuts.probe(facts, labels, np.arange(len(labels))).set_index(["when", "what"]).balanced_accuracy
    assert probed["before", "sharpness"] > 0.9
    assert probed["before", "all of these"] > 0.9
    for name in (("after", "all of these"), ("before", "size"), ("before", "source")):
        assert abs(probed[name] - shortcuts.CHANCE) < 0.08, name


def test_images_of_one_group_never_help_each_other(rng):
    # Each group has a value of its own that repeats in its images and says nothing about other groups.
    groups = np.repeat(np.arange(160), 4)
    labels = np.repeat(rng.permutation(np.arange(160) % 8), 4)
    facts = _facts(rng, len(groups)).assign(file_sharpness=rng.normal(size=160)[groups])
    probed = shortcuts.probe(facts, labels, groups).set_index(["when", "what"]).balanced_accuracy
    assert probed["before", "sharpness"] < shortcuts.CHANCE + 0.1
