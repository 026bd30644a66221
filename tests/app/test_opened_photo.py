"""One photo of a series with everything about it."""

import dataclasses
import re

import pytest

from app import cases
from model_store.classes import CODES
from tests.app.conftest import WATCH_UNLESS_PHONE, evidence_of
from tests.app.series import URL, fields_of, post, send_files, series
from tests.app.test_patient import assert_is_whole, text_of


@pytest.mark.parametrize("path", ["open", "lesion.pdf"])
def test_one_photo_shows_nothing_of_the_model_either_before_its_reader_gave_a_diagnosis(make_client, photos, path):
    client = make_client()
    one = [pair for pair in series(client, {"a.jpg": photos["ISIC_0.jpg"]}, own_first="1") if pair[0] != "detail"]
    (detail,) = fields_of(send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}).text, "detail")
    sent = [*one, ("detail", detail), ("own_first", "1")]
    for early in ([], [("own", "")], [("own", "no diagnosis")]):
        answer = post(client, f"{URL}/{path}", *sent, *early)
        assert answer.status_code == 400
        assert "Your own diagnosis comes first" in answer.text
    assert post(client, f"{URL}/{path}", *sent, ("own", "NV")).status_code == 200


def assert_is_whole_but_images(page: str) -> None:
    assert_is_whole(re.sub(r'href="data:image/png;base64,[^"]*"', "", page))


def test_an_opened_photo_shows_where_the_network_looked_for_any_class(tiny_client, photos):
    carried = dict(series(tiny_client, {"a.jpg": photos["ISIC_0.jpg"]}))
    pair = [("case", carried["case"]), ("detail", carried["detail"])]
    top = post(tiny_client, f"{URL}/open", *pair)
    assert_is_whole_but_images(top.text)
    other = post(tiny_client, f"{URL}/open", *pair, ("class", "DF"), ("opacity", "30")).text
    assert '<option value="DF" selected>' in other
    assert 'opacity="0.3"' in other
    overlays = [
        re.search(r'id="overlay" href="data:image/png;base64,([^"]+)"', page).group(1) for page in (top.text, other)
    ]
    assert overlays[0] != overlays[1]
    assert "not why" in text_of(top.text)
    assert all(f"{code}: logit, probability" in text_of(top.text) for code in CODES)
    assert "Operating point “Soon”: risk, threshold malignancy (melanoma, carcinomas, actinic keratosis); 0.300000" in (
        text_of(top.text)
    )


def test_the_remark_that_makes_a_calm_level_an_alarm_stands_next_to_it(make_client, photos):
    client = make_client(answering=WATCH_UNLESS_PHONE)
    carried = dict(series(client, {"a.jpg": photos["ISIC_0.jpg"]}))
    with client.application.test_request_context("/"):
        seen = cases.unseal(carried["case"])
        sealed = cases.seal(dataclasses.replace(seen, evidence=evidence_of(WATCH_UNLESS_PHONE)), None).case
    page = text_of(post(client, f"{URL}/open", ("case", sealed), ("detail", carried["detail"])).text)
    before, after = page.split("the advice is: Urgent.")
    assert "Keep watching The model is not sure" in before
    assert "Ranked diagnoses" in after


@pytest.mark.parametrize(("language", "number"), [("en", "0.300000"), ("ru", "0,300000"), ("kk", "0,300000")])
def test_every_number_of_an_opened_photo_is_written_as_the_language_has_it(make_client, photos, language, number):
    client = make_client()
    carried = dict(series(client, {"a.jpg": photos["ISIC_0.jpg"]}))
    page = post(client, f"/{language}/clinician/open", ("case", carried["case"]), ("detail", carried["detail"])).text
    numbers = text_of(re.search(r'class="facts numbers">(.*?)</dl>', page, re.DOTALL).group(1))
    assert f"; {number}" in numbers
    wrong = r"\d,\d" if language == "en" else r"\d\.\d{3}"
    assert not re.search(wrong, numbers)
