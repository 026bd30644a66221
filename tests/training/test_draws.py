import numpy as np
import pandas as pd
import pytest

from model_store.classes import CODES
from training import draws
from training.configs.recipe import Recipe, Stage

MEL, NV, DF = (CODES.index(code) for code in ("MEL", "NV", "DF"))


@pytest.fixture
def table():
    """As many melanomas as naevi on phone photos, one to three through a dermatoscope, which alone sees DF."""
    labels = [MEL, NV] * 10 + ([MEL] * 1 + [NV] * 3 + [DF]) * 10
    return pd.DataFrame({"label": labels, "kind": ["phone"] * 20 + ["dermoscopy"] * 50, "split": "train"})


def recipe(**settings) -> Recipe:
    return Recipe((Stage("only", 32, epochs=1, batch_size=4, peak=1e-3, phone_share=0.5),), **settings)


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
