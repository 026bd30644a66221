import numpy as np
import pytest

from training import probes
from training.features import Answers
from training.probes import Real

CHANNELS = 80


def photos(rng, count: int, offset: float = 0.0) -> Real:
    """Features of eight diagnoses of two sources: each a direction of its own."""
    labels, phone = rng.integers(0, 8, count), rng.random(count) < 0.5
    features = rng.normal(size=(count, CHANNELS)) * 0.5
    features[np.arange(count), labels] += 3
    features[phone, 10] += 4
    features[:, 20] += offset
    return Real(Answers(np.eye(8)[labels] * 5, features), np.where(phone, "phone", "dermoscopy"), labels)


@pytest.fixture(scope="module")
def training():
    return photos(np.random.default_rng(0), 800)


@pytest.fixture(scope="module")
def strangers():
    return photos(np.random.default_rng(1), 60, offset=6).answers


@pytest.fixture(scope="module")
def fitted(training, strangers):
    return probes.fit(training, strangers, "stranger probe + 2 log distance")


def test_the_source_of_new_photos_is_told(fitted):
    new = photos(np.random.default_rng(2), 400)
    assert (np.array(fitted.sources(new.answers.features)) == new.sources).mean() > 0.98


def test_new_strangers_score_above_new_photos(fitted):
    new, strange = photos(np.random.default_rng(2), 300), photos(np.random.default_rng(3), 100, offset=6)
    scores = fitted.ood_scores(new.answers.logits, new.answers.features)
    assert (fitted.ood_scores(strange.answers.logits, strange.answers.features) > np.quantile(scores, 0.96)).all()


def test_features_vary_by_one_within_a_diagnosis_after_the_projection(fitted, training):
    projected = (training.answers.features - fitted.mean) @ fitted.projection
    own = (training.labels == 3) & (training.sources == "phone")
    assert projected[own].std(axis=0).mean() == pytest.approx(1, abs=0.1)
    assert fitted.centres.shape == (16, probes.DIMENSIONS)


def test_scores_are_compared_on_kinds_that_the_probe_did_not_learn(training, strangers):
    kinds = np.where(np.arange(60) < 30, "pet", "food")
    rows = {
        row["score"]: row for row in probes.compare(training, photos(np.random.default_rng(2), 300), strangers, kinds)
    }
    assert rows.keys() == {*probes.SCORES, "kNN distance", "largest probability"}
    assert rows["stranger probe"]["auc"] > 0.95 > rows["largest probability"]["auc"]


def test_a_diagnosis_that_was_left_out_lies_far_from_the_others(training):
    found = probes.leave_one_diagnosis_out(training, photos(np.random.default_rng(2), 800))
    assert len(found) == 8
    assert min(found.values()) > 0.7


def test_without_phone_photos_everything_is_dermoscopy(training, strangers):
    fitted = probes.fit(training.rows(training.sources == "dermoscopy"), strangers, "energy")
    assert set(fitted.sources(training.answers.features)) == {"dermoscopy"}


def test_quality_and_strangeness_together_refuse_four_in_a_hundred():
    scores = np.arange(1000.0)
    by_quality = scores < 15
    limit = probes.threshold(scores, by_quality, np.array([]))
    assert ((scores > limit) | by_quality).sum() == 40


def test_where_strangers_are_further_away_fewer_real_photos_are_refused():
    real, far, near = np.arange(100.0), np.arange(98.0, 198.0), np.arange(50.0, 150.0)
    nothing = np.zeros(100, bool)
    assert (real > probes.threshold(real, nothing, near)).sum() == 4
    limit = probes.threshold(real, nothing, far)
    assert (real > limit).sum() == 1
    assert (far > limit).mean() == 0.99


def test_a_stranger_is_scored_without_what_was_learned_from_its_kind(training, strangers):
    kinds = np.arange(len(strangers.logits)) % 3
    apart = probes.cross_fitted(training, strangers, kinds, "stranger probe")
    whole = probes.fit(training, strangers, "stranger probe").ood_scores(strangers.logits, strangers.features)
    kept = kinds != 0
    others = Answers(strangers.logits[kept], strangers.features[kept])
    without = probes.fit(training, others, "stranger probe").ood_scores(strangers.logits, strangers.features)
    np.testing.assert_allclose(apart[~kept], without[~kept])
    assert np.abs(apart - whole).max() > 0.01


def test_where_quality_alone_refuses_more_nothing_is_strange():
    scores = np.arange(100.0)
    limit = probes.threshold(scores, scores < 10, np.array([]))
    assert not (scores > limit).any()
