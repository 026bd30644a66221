"""Agreement is counted, and corrected for chance."""

import pytest

from app.agreement import between


def test_alike_pairs_are_counted_and_corrected_for_chance():
    # By hand: 3 of 4 alike; chance is (2 * 1 + 2 * 3) / 16 = 0.5, so kappa is 0.25 / 0.5.
    found = between(["MEL", "MEL", "NV", "NV"], ["MEL", "NV", "NV", "NV"])
    assert (found.count, found.same, found.kappa) == (4, 3, 0.5)


def test_complete_agreement_on_several_diagnoses_is_one():
    assert between(["MEL", "NV"], ["MEL", "NV"]).kappa == 1


def test_nothing_is_claimed_where_chance_explains_everything():
    assert between(["NV", "NV"], ["NV", "NV"]).kappa is None
    assert between([], []).kappa is None


def test_lists_of_different_length_are_a_mistake():
    with pytest.raises(ValueError, match="shorter"):
        between(["NV", "NV"], ["NV"])
