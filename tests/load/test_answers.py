"""`make load` takes minutes; here, what it takes for a wrong answer, and for a photo that could not show one."""

import dataclasses

import pytest

from model_store.classes import CODES
from tests.load.answers import TOLERANCE, Answer, read, unfit

WATCH = Answer(200, "watch", dict(zip(CODES, (0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05), strict=True)))
NOT_JUDGED = Answer(200, "cannot_judge", {})


def moved(answer: Answer, by: float) -> Answer:
    """The same answer with some probability of one class moved to another."""
    shares = answer.probabilities
    return dataclasses.replace(answer, probabilities=shares | {"MEL": shares["MEL"] + by, "NV": shares["NV"] - by})


def test_an_answer_that_differs_in_the_fourth_decimal_is_a_wrong_one():
    assert moved(WATCH, 1e-4).differs_from(WATCH) > TOLERANCE
    assert moved(WATCH, 1e-7).differs_from(WATCH) < TOLERANCE
    assert WATCH.differs_from(WATCH) == 0


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(WATCH, said="urgent"),
        dataclasses.replace(WATCH, status=503),
        NOT_JUDGED,
        dataclasses.replace(WATCH, probabilities={}),
    ],
)
def test_another_advice_status_or_list_of_diagnoses_is_a_wrong_answer_whatever_the_probabilities(other):
    assert other.differs_from(WATCH) == WATCH.differs_from(other) == float("inf")


def test_a_photo_without_diagnoses_is_unfit_since_any_two_empty_answers_are_alike():
    assert NOT_JUDGED.differs_from(NOT_JUDGED) == 0
    assert unfit({"HEIC": WATCH, "PNG": NOT_JUDGED}) == ["PNG: no diagnoses, but 200 cannot_judge"]
    assert unfit({"PNG": Answer(422, "damaged_image", {})}) == ["PNG: no diagnoses, but 422 damaged_image"]
    assert unfit({"PNG": dataclasses.replace(WATCH, said="cannot_judge")}) != []


def test_photos_with_the_same_answer_are_unfit_and_others_are_fit():
    (complaint,) = unfit({"HEIC": WATCH, "PNG": moved(WATCH, 1e-7)})
    assert complaint.startswith("HEIC and PNG get the same answer")
    assert unfit({"HEIC": WATCH, "PNG": moved(WATCH, 1e-3)}) == []


def test_an_answer_of_the_api_is_read():
    rows = [{"code": code, "probability": share} for code, share in WATCH.probabilities.items()]
    whole = {"advice": {"level": "watch"}, "prediction": {"ranking": rows}}
    assert read(200, whole) == WATCH
    assert read(200, {"advice": {"level": "cannot_judge"}, "prediction": None}) == NOT_JUDGED
    assert read(503, {"code": "overloaded"}) == Answer(503, "overloaded", {})
