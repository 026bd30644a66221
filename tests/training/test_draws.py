import numpy as np
import pandas as pd
import pytest

from model_store.classes import CODES
from training import draws
from training.configs.recipe import Augmentation, Recipe, Stage
from training.prepare import Data

MEL, NV, DF = (CODES.index(code) for code in ("MEL", "NV", "DF"))


@pytest.fixture
def table():
    """As many melanomas as naevi on phone photos, one to three through a dermatoscope, which alone sees DF."""
    labels = [MEL, NV] * 10 + ([MEL] * 1 + [NV] * 3 + [DF]) * 10
    return pd.DataFrame({"label": labels, "kind": ["phone"] * 20 + ["dermoscopy"] * 50, "split": "train"})


def recipe(augmentation=None, **settings) -> Recipe:
    augmentation = augmentation or Augmentation()
    stage = Stage("only", 32, epochs=1, batch_size=4, peak=1e-3, phone_share=0.5, augmentation=augmentation)
    return Recipe((stage,), **settings)


def drawn_from(table, rng, **settings) -> draws.Draws:
    pixels = rng.integers(0, 256, (len(table), 16, 16, 3)).astype(np.uint8)
    return draws.Draws(recipe(**settings), 0, Data(table, pixels, pixels))


def test_an_epoch_is_whole_batches_of_training_images_in_an_order_of_its_own(table, rng):
    table.loc[::7, "split"] = "test"
    some = drawn_from(table, rng)
    first = some.order(0)
    assert len(first) == some.epoch_images
    assert len(first) % 4 == 0
    assert set(table.split[first]) == {"train"}
    np.testing.assert_array_equal(first, some.order(0))
    assert (first != some.order(1)).any()


def test_the_shares_that_the_loss_takes_off_are_those_of_the_epochs(table, rng):
    some = drawn_from(table, rng, class_power=0.5)
    labels = table.label.to_numpy()[np.concatenate([some.order(epoch) for epoch in range(20)])]
    shares = np.bincount(labels, minlength=8) / len(labels)
    there = shares > 0
    np.testing.assert_allclose(np.exp(some.log_shares[there]), shares[there], atol=0.02)


def test_a_batch_is_the_images_asked_for_and_depends_on_its_step_alone(table, rng):
    some = drawn_from(table, rng, augmentation=Augmentation(rotation=90))
    rows = np.array([3, 41, 3, 0])
    inputs, targets = some.batch(rows, 1, 2)
    np.testing.assert_array_equal(inputs["images"], some.pixels[rows])
    np.testing.assert_array_equal(targets, np.eye(8)[table.label[rows]])
    again, _ = some.batch(rows, 1, 2)
    other, _ = some.batch(rows, 1, 3)
    np.testing.assert_array_equal(inputs["transform"], again["transform"])
    assert (inputs["transform"] != other["transform"]).any()


def test_jpeg_changes_images_by_the_step_s_chance_and_nothing_else(table, rng):
    pixels = rng.integers(0, 256, (len(table), 16, 16, 3)).astype(np.uint8)
    plain, compressed = (
        draws.Draws(recipe(Augmentation(rotation=90, jpeg=quality)), 0, Data(table, pixels, pixels))
        for quality in (100, 20)
    )
    rows = np.arange(8)
    (before, labels), (after, same_labels), (again, _), (other, _) = (
        some.batch(rows, 0, step) for some, step in ((plain, 0), (compressed, 0), (compressed, 0), (compressed, 1))
    )
    np.testing.assert_array_equal(labels, same_labels)
    np.testing.assert_array_equal(before["transform"], after["transform"])
    assert (before["images"] != after["images"]).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(after["images"], again["images"])
    assert (after["images"] != other["images"]).any()


def test_the_shift_of_a_source_is_how_much_more_often_it_was_drawn_with_a_class(table):
    shift = draws.source_shift(recipe(logit_adjustment=True), table, "phone")
    expected = np.zeros(8)
    expected[[MEL, NV]] = np.log([0.5 / 0.35, 0.5 / 0.55])  # half of all draws are phone photos
    np.testing.assert_allclose(shift, expected)  # of DF nothing was learnt


def test_without_photos_of_the_source_a_balancing_loss_leaves_nothing_to_take_off(table):
    dermoscopy = table[table.kind == "dermoscopy"].reset_index(drop=True)
    for balancing in ({"logit_adjustment": True}, {"class_balanced_loss": True}):
        assert not draws.source_shift(recipe(**balancing), dermoscopy, "phone").any()


def test_a_loss_that_does_not_balance_leaves_the_shares_of_the_draws(table):
    expected = np.zeros(8)
    expected[[MEL, NV, DF]] = np.log([0.5, 0.5, 0.1])  # of DF, not drawn from phones, the share of all draws
    np.testing.assert_allclose(draws.source_shift(recipe(), table, "phone"), expected)
    expected[[MEL, NV, DF]] = np.log([0.2, 0.6, 0.2])
    np.testing.assert_allclose(draws.source_shift(recipe(), table, "dermoscopy"), expected)
    no_phones = table[table.kind == "dermoscopy"].reset_index(drop=True)
    np.testing.assert_allclose(draws.source_shift(recipe(), no_phones, "phone"), expected)


@pytest.fixture
def with_thumbnails(table):
    """Thumbnails are melanomas or DF, as often; never naevi."""
    thumbnails = pd.DataFrame({"label": [MEL, DF] * 6, "kind": "thumbnail", "split": "train"})
    return pd.concat([table, thumbnails], ignore_index=True)


def with_share(**settings) -> Recipe:
    stage = Stage("only", 32, epochs=1, batch_size=4, peak=1e-3, phone_share=0.5, thumbnail_share=0.4, **settings)
    return Recipe((stage,), logit_adjustment=True)


def drawn_with_share(with_thumbnails, rng, **settings) -> draws.Draws:
    pixels = rng.integers(0, 256, (len(with_thumbnails), 16, 16, 3)).astype(np.uint8)
    return draws.Draws(with_share(**settings), 0, Data(with_thumbnails, pixels, pixels))


def test_thumbnails_come_as_often_as_their_share(with_thumbnails, rng):
    some = drawn_with_share(with_thumbnails, rng, epoch_images=1000)
    drawn = with_thumbnails.kind[some.order(0)].value_counts(normalize=True)
    assert drawn.to_dict() == pytest.approx({"phone": 0.5, "thumbnail": 0.4, "dermoscopy": 0.1}, abs=0.01)


def test_thumbnails_are_told_from_each_other_alone(with_thumbnails, rng):
    some = drawn_with_share(with_thumbnails, rng)
    thumbnail, other = len(with_thumbnails) - 1, 0
    inputs, _ = some.batch(np.array([thumbnail, other]), 0, 0)
    its_shares, shares = np.exp(some.log_shares + inputs["offset"])
    np.testing.assert_allclose(its_shares[[MEL, DF]], 0.5, rtol=1e-5)
    assert its_shares[NV] < 2e-4  # a naevus is out of the question, so nothing is learnt of it
    np.testing.assert_allclose(shares, np.exp(some.log_shares), rtol=1e-5)


def test_a_share_of_thumbnails_where_there_are_none_changes_nothing(table, rng):
    some = drawn_with_share(table, rng)
    inputs, _ = some.batch(np.array([3, 41]), 0, 0)
    assert not inputs["offset"].any()
    assert np.bincount(table.label[some.order(0)], minlength=8)[DF] > 0


def test_what_is_added_is_mixed_as_the_images_are(with_thumbnails, rng):
    rows = np.array([len(with_thumbnails) - 1, 0] * 4)
    pure = drawn_with_share(with_thumbnails, rng).batch(rows, 0, 0)[0]["offset"]
    inputs, _ = drawn_with_share(with_thumbnails, rng, augmentation=Augmentation(mixup=0.4)).batch(rows, 0, 0)
    share = inputs["mixed"][:, None]
    np.testing.assert_allclose(inputs["offset"], pure + share * (pure[inputs["partner"]] - pure), atol=1e-5)
    assert (inputs["offset"] != pure).any()


def test_the_shift_of_a_source_does_not_know_of_thumbnails_that_are_compared_apart(table, with_thumbnails):
    stage = Stage("only", 32, epochs=1, batch_size=4, peak=1e-3, phone_share=0.5 / 0.6)
    without = Recipe((stage,), logit_adjustment=True)
    for source in ("phone", "dermoscopy"):
        np.testing.assert_allclose(
            draws.source_shift(with_share(), with_thumbnails, source), draws.source_shift(without, table, source)
        )
