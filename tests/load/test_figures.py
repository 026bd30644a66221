"""`make load` takes minutes; here, what it makes of its figures."""

import pytest

from tests.load.figures import growth, judge, percentile

WELL = {"statuses": {"200": 90, "422": 5, "415": 3, "503": 2}, "memory_growth": 0.01, "exit_status": 0}


def test_a_site_that_did_everything_right_is_not_complained_of():
    assert judge(WELL) == []
    assert judge({**WELL, "memory_growth": None}) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"statuses": {"200": 9, "500": 1}}, "{'500': 1}"),
        ({"statuses": {"200": 9, "0": 1}}, "{'0': 1}"),
        ({"statuses": {"503": 10}}, "nothing was answered"),
        ({"memory_growth": 0.06}, "memory grew by 6.0%"),
        ({"exit_status": -9}, "status -9"),
    ],
)
def test_whatever_went_wrong_is_said(wrong, said):
    (complaint,) = judge({**WELL, **wrong})
    assert said in complaint


def test_memory_that_grows_is_seen_even_if_one_sample_at_the_start_was_high():
    leaking = [700.0, *(600.0 + second for second in range(1, 100))]
    told = growth(leaking)
    assert told["memory_growth"] > 0.1
    assert told["resident_after_warm_up_mb"] < told["resident_at_end_mb"]


def test_memory_that_goes_up_and_down_has_not_grown():
    assert growth([600.0, 640.0] * 50)["memory_growth"] == 0
    assert growth([600.0, *[610.0] * 98, 900.0])["memory_growth"] < 0.05


@pytest.mark.parametrize("samples", [[], [600.0]])
def test_too_few_samples_say_nothing_of_growth(samples):
    assert set(growth(samples).values()) == {None}


def test_a_percentile_is_a_time_within_which_so_many_were_answered():
    assert percentile([float(number) for number in range(100)], 0.99) == 99
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) is None
