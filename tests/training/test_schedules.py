import pytest

from training.schedules import warmup_cosine


def test_the_rate_rises_to_the_peak_and_falls_to_nearly_zero():
    rates = [warmup_cosine(step, steps=100, warmup=10, peak=1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001
