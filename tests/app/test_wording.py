"""Every level, every finding and every confidence has its words."""

import re
from pathlib import Path

import pytest

from app import wording
from app.advice import HARDLY_SEEN_SITE, REASONS, Level

ROOT = Path(__file__).parent.parent.parent


def test_every_level_has_its_words():
    assert wording.LEVELS.keys() == set(Level)


def test_every_reason_has_its_words_and_no_words_are_left_over():
    assert wording.ISSUES.keys() == REASONS - {HARDLY_SEEN_SITE}  # whose words are the advice itself


@pytest.mark.parametrize(
    ("probability", "word"), [(1.0, "high"), (0.85, "high"), (0.7, "moderate"), (0.5, "low"), (0.13, "very low")]
)
def test_every_confidence_has_a_word(english, probability, word):
    assert f"is {word}:" in english(wording.confidence(probability))


@pytest.mark.parametrize(("level", "days"), [(Level.URGENT, 14), (Level.SOON, 28)])
def test_the_date_fits_the_heading(english, level, days):
    said = wording.LEVELS[level]
    assert said.within_days == days
    assert f"within {days // 7} weeks" in english(said.heading)
    assert "%(date)s" in english(said.where)


def test_the_photos_that_training_counts_on_have_a_name_in_every_language():
    source = (ROOT / "training" / "report.py").read_text(encoding="utf-8")
    named = re.search(r"^_SETS = \{(.*?)^\}", source, re.MULTILINE | re.DOTALL).group(1)
    assert set(re.findall(r': "([^"]+)"', named)) == wording.TEST_SETS.keys()


def test_an_unknown_set_of_photos_is_named_as_its_bundle_names_it():
    assert wording.test_set("a test split") == "a test split"
