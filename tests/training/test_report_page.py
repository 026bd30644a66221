from training import choose
from training.card_results import CHOICES


def test_every_choice_that_can_be_measured_has_a_title():
    assert set(CHOICES) == set(choose.FILES)
