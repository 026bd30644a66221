import numpy as np
import pytest

from training import strangers


@pytest.fixture(scope="module")
def halves():
    return strangers.choosing(), strangers.measuring()


def test_what_measures_did_not_choose(halves):
    choosing, measuring = ({picture.motif for picture in half} for half in halves)
    assert not choosing & measuring
    pictures = [{picture.rgb.tobytes() for picture in half} for half in halves]
    assert not pictures[0] & pictures[1]


def test_the_kinds_that_people_upload_by_mistake_measure(halves):
    kinds = {picture.kind for picture in halves[1]}
    assert {"face", "pet", "food", "text", "landscape", "plain colour", "bare skin, drawn", "screenshot"} <= kinds


def test_every_picture_is_a_photo_s_array_and_of_its_own_content(halves):
    for picture in (*halves[0], *halves[1]):
        assert picture.rgb.dtype == np.uint8
        assert picture.rgb.shape[2] == 3
        assert min(picture.rgb.shape[:2]) >= 100
    assert len({p.rgb.tobytes() for half in halves for p in half}) == sum(map(len, halves))


def test_the_pictures_are_the_same_every_time(halves, monkeypatch):
    monkeypatch.setattr(strangers, "_DRAWN", 2)  # of each kind the first two: each has a chance of its own
    again = strangers.measuring()
    first = {(picture.motif, picture.rgb.tobytes()) for picture in halves[1]}
    assert {picture.kind for picture in again} == {picture.kind for picture in halves[1]}
    assert {(picture.motif, picture.rgb.tobytes()) for picture in again} <= first
