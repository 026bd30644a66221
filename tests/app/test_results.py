"""What the result page says beside the advice: how the photo was taken, where the spot is, the score, the remarks."""

import datetime
import io
import json
import re
import time

import pytest
from babel.dates import format_date

from app import results, wording
from app.advice import Level
from app.i18n import LANGUAGES
from app.sites import SITES
from model_store.classes import CODES
from tests.app.conftest import SOON, URGENT, WATCH, WATCH_UNLESS_PHONE, evidence_of, logits, send, token
from tests.app.series import URL, series
from tests.app.series import post as post_form
from tests.app.test_api import post as ask_api
from tests.app.test_api import schema
from tests.app.test_patient import answer_of, ask_again, text_of, with_report


def upload(client, photo, **fields):
    """Send a photo with what the form asks beside it."""
    data = {"csrf_token": token(client), "photo": (io.BytesIO(photo), "spot.jpg"), **fields}
    return client.post("/en/result", data=data)


@pytest.mark.parametrize(
    ("source", "said"), [("phone", "With a phone or camera"), ("dermoscopy", "Through a dermatoscope")]
)
def test_what_the_sender_says_of_the_photo_decides_whose_calibration_counts(make_app, photo, source, said):
    client = make_app(answering=WATCH).test_client()
    assert f"How the photo was taken: {said}" in text_of(upload(client, photo, source=source).text)


def test_unless_the_sender_says_it_the_probe_decides(make_app):
    client = make_app(answering=WATCH).test_client()
    for source, said in (("phone", "With a phone or camera"), ("dermoscopy", "Through a dermatoscope")):
        answer = answer_of(WATCH, evidence=evidence_of(WATCH, source))
        assert f"How the photo was taken: {said}" in text_of(ask_again(client, answer).text)


def rows_of(page: str) -> list[str]:
    return re.findall(r'class="row-percent">([^<]+)<', page)


def test_a_photo_of_which_nobody_said_how_it_was_taken_gets_the_more_pressing_advice_with_its_own_figures(make_app):
    client = make_app(answering=WATCH_UNLESS_PHONE).test_client()
    page = ask_again(client, answer_of(WATCH_UNLESS_PHONE)).text  # the probe takes it for dermoscopic
    assert 'data-level="urgent"' in page
    assert "Not said: judged as a phone photo, out of caution" in text_of(page)
    assert rows_of(page) == rows_of(ask_again(client, answer_of(WATCH_UNLESS_PHONE, source="phone")).text)
    letter = text_of(ask_again(client, answer_of(WATCH_UNLESS_PHONE), "/en/letter").text)
    assert "Show this spot to a doctor within 2 weeks." in letter
    assert "Not said: judged as a phone photo, out of caution" in letter
    assert 'data-level="watch"' in ask_again(client, answer_of(WATCH_UNLESS_PHONE, source="dermoscopy")).text


def test_who_asks_for_an_answer_all_the_same_gets_that_of_the_same_source(make_app):
    unsure_if_phone = logits(NV=6, BKL=3)
    client = make_app(answering=unsure_if_phone).test_client()
    for fields in ({}, {"anyway": "1"}):
        page = ask_again(client, answer_of(unsure_if_phone), **fields).text
        assert "judged as a phone photo, out of caution" in text_of(page)


def source_buttons(page: str) -> dict[str, str]:
    """What the page's buttons say of how the photo was taken, by the source that they send."""
    return dict(re.findall(r'<button type="submit"[^>]* form="again" name="source" value="(\w*)">([^<]+)<', page))


def press(client, page: str, source: str) -> str:
    """The page that the button for a source brings."""
    (form,) = re.findall(r'<form id="again".*?</form>', page, re.DOTALL)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', form))
    assert fields.keys() == {"csrf_token", "answer"}
    assert source in source_buttons(page)
    return client.post("/en/answer", data={**fields, "source": source}).text


@pytest.mark.parametrize(
    ("answering", "button", "level", "said"),
    [
        (WATCH_UNLESS_PHONE, "it was taken through a dermatoscope", "watch", "Through a dermatoscope"),
        (WATCH, "it was taken with a phone or camera", "watch", "With a phone or camera"),
    ],
)
def test_who_knows_better_how_the_photo_was_taken_says_so_without_sending_it_again(
    make_app, answering, button, level, said
):
    client = make_app(answering=answering).test_client()
    first = ask_again(client, answer_of(answering)).text
    ((source, words),) = source_buttons(first).items()
    assert words == f"This is wrong: {button}"
    page = press(client, first, source)
    assert f'data-level="{level}"' in page
    assert re.search(f"How the photo was taken: {said}(?! \\()", text_of(page))  # who said it knows that


@pytest.mark.parametrize("back", ["phone", ""])
def test_a_slip_of_the_finger_that_calmed_is_taken_back_on_the_page_that_it_brought(make_app, back):
    client = make_app(answering=WATCH_UNLESS_PHONE).test_client()
    first = ask_again(client, answer_of(WATCH_UNLESS_PHONE)).text
    assert 'data-level="urgent"' in first
    slipped = press(client, first, "dermoscopy")
    assert 'data-level="watch"' in slipped
    phone = "This is wrong: it was taken with a phone or camera"
    assert source_buttons(slipped) == {"phone": phone, "": "Let the model decide"}
    mended = press(client, slipped, back)
    assert 'data-level="urgent"' in mended
    said = {"phone": "With a phone or camera", "": "Not said: judged as a phone photo, out of caution"}
    assert f"How the photo was taken: {said[back]}" in text_of(mended)


@pytest.mark.parametrize(("said", "other"), [("phone", "dermoscopy"), ("dermoscopy", "phone")])
def test_what_was_said_on_the_start_page_can_be_taken_back_too(make_app, photo, said, other):
    page = upload(make_app(answering=WATCH).test_client(), photo, source=said).text
    assert source_buttons(page).keys() == {other, ""}


def test_where_the_model_looked_is_shown_for_the_first_diagnosis_of_the_source_that_counts(make_app):
    answering = logits(NV=1, AK=0.2)  # an actinic keratosis first by the calibration of phone photos, else a mole
    maps = tuple(((0, 255), (0, 0)) if code == "AK" else ((0, 0), (0, 0)) for code in CODES)
    client = make_app(answering=answering).test_client()
    assert "<details>" in ask_again(client, answer_of(answering, maps=maps, source="phone")).text
    assert "<details>" not in ask_again(client, answer_of(answering, maps=maps, source="dermoscopy")).text


@pytest.mark.parametrize("fields", [{"source": "microscope"}, {"site": "moon"}, {"source": "", "site": ""}])
def test_what_no_form_of_ours_sends_counts_as_not_said(make_app, photo, fields):
    assert upload(make_app(answering=WATCH).test_client(), photo, **fields).status_code == 200


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("answering", [URGENT, SOON, WATCH])
def test_a_spot_where_the_model_has_hardly_seen_any_is_sent_to_a_doctor_whatever_it_says(make_app, answering, site):
    page = ask_again(make_app(answering=answering).test_client(), answer_of(answering, site=site)).text
    advice = text_of(re.search(r'<div class="advice".*?</div>', page, re.DOTALL).group(0))
    assert ("Show it to a doctor, whatever this page says." in advice) == SITES[site].hardly_seen


@pytest.mark.parametrize("changes", [{}, {"mild": ("blurred",)}, {"severe": ("too_dark",)}])
@pytest.mark.parametrize("fields", [{}, {"anyway": "1"}])
def test_where_the_model_has_hardly_seen_a_spot_it_says_so_first_and_by_when_a_doctor_should_see_it(
    make_app, changes, fields
):
    client = make_app(answering=WATCH).test_client()
    page = ask_again(client, answer_of(WATCH, site="sole", **changes), **fields).text
    assert 'data-level="cannot_judge"' in page
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert heading == "The model cannot judge a spot at this place. Show it to a doctor within 4 weeks."
    last_day = format_date(datetime.date.today() + datetime.timedelta(weeks=4), "long", locale="en")
    assert f"By {last_day} at the latest" in text_of(page)
    assert 'action="/en/letter"' in page
    for other_way in ("No urgent signs", "Take a new photo", "Show the answer anyway", 'id="ranking"', 'id="reasons"'):
        assert other_way not in page


def test_a_remark_on_the_photo_stands_right_below_the_advice(make_app):
    page = ask_again(make_app(answering=URGENT).test_client(), answer_of(URGENT, mild=("blurred",))).text
    assert page.index("<h1") < page.index('id="remarks"') < page.index('class="ai-notice"') < page.index('id="ranking"')


@pytest.fixture
def set_zone(monkeypatch):
    """A function that lets this process live in a time zone, until the end of the test."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def test_the_last_day_is_that_of_the_operators_time_zone(app, set_zone):
    dates = set()
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):  # 26 hours apart: it is never the same day in both
        set_zone(zone)
        with app.test_request_context("/en/"):
            dates.add(results.where_with_date(wording.LEVELS[Level.URGENT], answer_of(URGENT).day))
    assert len(dates) == 2


def by_score(value: int, n: int, malignant: int) -> dict:
    return {"set": "a test split", "by_top_class": {}, "by_score": {str(value): {"n": n, "malignant": malignant}}}


def test_the_score_stands_with_how_many_test_photos_with_it_were_malignant(make_app, photo):
    page = text_of(send(with_report(make_app, URGENT, {"dermoscopy": by_score(10, 1200, 900)}), photo).text)
    assert "Malignancy score: 10 of 10" in page
    assert "none of the ten rules cancer out" in page
    assert "From 3 on, this page can advise you to see a doctor." in page
    assert "Of 1,200 test photos with this score, 900 were skin cancer or could become it." in page


def test_how_far_the_percentages_held_on_test_photos_stands_below_them(make_app, photo):
    error = {"value": 0.037, "low": 0.03, "high": 0.06}
    sets = {"dermoscopy": {"images": 1294, "calibration_error": error}}
    said = (
        "on 1,294 test photos, the stated percentage of the most likely diagnosis and the share that came true differed"
    )
    page = text_of(send(with_report(make_app, URGENT, {}, sets=sets), photo).text)
    assert f"{said} by 4 percentage points on average. With this many photos, all we know is that it" in page
    assert "it lies between 3 and 6." in page
    assert said not in text_of(send(with_report(make_app, URGENT, {}), photo).text)


@pytest.mark.parametrize(
    ("answering", "mild", "counted"),
    [
        (URGENT, (), "urgent"),
        (SOON, (), "soon"),
        (WATCH, (), "watch"),
        (WATCH, ("blurred",), "watch"),
        (logits(BKL=6, NV=6), (), "unsure"),
    ],
)
def test_of_how_many_with_the_same_advice_had_cancer_is_told_in_counts(make_app, answering, mild, counted):
    by_advice = {name: {"n": 99, "malignant": 98} for name in ("urgent", "soon", "watch", "unsure")}
    by_advice[counted] = {"n": 1200, "malignant": 7}
    client = with_report(make_app, answering, {"dermoscopy": {"set": "a test split", "by_advice": by_advice}})
    page = text_of(ask_again(client, answer_of(answering, mild=mild), anyway="1").text)
    assert "Of 1,200 test photos that led to this advice, 7 were skin cancer or could become it." in page
    assert "The model had never seen these photos (a test split)." in page


@pytest.mark.parametrize(
    ("counted", "too_few"),
    [
        ({"by_advice": {"watch": {"n": 19, "malignant": 9}}}, True),
        ({"by_advice": {"soon": {"n": 99, "malignant": 9}}}, True),
        ({}, True),
        ({"by_advice": {"watch": {"n": 99, "malignant": 0}}}, False),
        ({"by_top_class": {}}, False),
    ],
)
def test_of_an_advice_with_few_photos_or_no_cancer_no_count_is_told_but_that_there_were_few(
    make_app, photo, counted, too_few
):
    measured = {"dermoscopy": {"set": "a test split", **counted}} if counted else {}
    page = text_of(send(with_report(make_app, WATCH, measured), photo).text)
    said = "Fewer than 20 test photos taken this way led to this advice: too few to say how often it is wrong."
    assert (said in page) == too_few
    assert "that led to this advice" not in page
    assert "The model had never seen these photos" not in page


def test_that_few_photos_led_to_the_advice_is_told_beside_what_many_of_the_same_diagnosis_were(make_app, photo):
    """A guess that was asked for all the same would else seem as right as all photos that looked like moles."""
    counted = {
        "by_advice": {"watch": {"n": 19, "malignant": 9}},
        "by_top_class": {"NV": {"n": 887, "counts": {"NV": 793, "MEL": 61}}},
    }
    measured = {"dermoscopy": {"set": "a test split", **counted}}
    page = text_of(send(with_report(make_app, WATCH, measured), photo).text)
    few = "Fewer than 20 test photos taken this way led to this advice: too few to say how often it is wrong."
    assert page.index(few) < page.index("Of 887 test photos") < page.index("The model had never seen these photos")


@pytest.mark.parametrize(
    "measured",
    [
        {},
        {"phone": by_score(10, 99, 90)},
        {"dermoscopy": by_score(10, 19, 9)},
        {"dermoscopy": by_score(9, 99, 9)},
    ],
)
def test_a_score_that_too_few_photos_of_that_kind_had_gives_way_to_the_probability(make_app, photo, measured):
    page = text_of(send(with_report(make_app, URGENT, measured), photo).text)
    assert "Malignancy score" not in page
    assert re.search(r"Summed probability of skin cancer and of what can become it: > 99%|it: \d\d%", page)
    assert "fewer than 20 test photos taken this way had it" in page


@pytest.mark.parametrize(("n", "score"), [(20, 10), (19, None)])
def test_programs_get_a_score_only_where_the_page_shows_one(make_app, photo, n, score):
    client = with_report(make_app, URGENT, {"dermoscopy": by_score(10, n, 9)})
    assert ("Malignancy score" in text_of(send(client, photo).text)) is (score is not None)
    answer = ask_api(client, photo)
    schema(client, "Answer").validate(answer.json)
    assert answer.json["prediction"]["malignancy_score"] == score
    file = post_form(client, f"{URL}/export/json", *series(client, {"a.jpg": photo}))
    assert json.loads(file.text)["photos"][0]["malignancy_score"] == score
    worth = None if score is None else {"photos": n, "malignant": 9}
    assert answer.json["prediction"]["malignancy_score_on_test"] == worth
    assert json.loads(file.text)["photos"][0]["malignancy_score_on_test"] == worth


def test_of_a_score_that_no_cancer_had_no_count_is_told(make_app, photo):
    client = with_report(make_app, URGENT, {"dermoscopy": by_score(10, 99, 0)})
    answer = ask_api(client, photo).json["prediction"]
    assert (answer["malignancy_score"], answer["malignancy_score_on_test"]) == (10, None)
    page = text_of(send(client, photo).text)
    assert "Malignancy score: 10 of 10" in page
    assert "test photos with this score" not in page


@pytest.mark.parametrize("source", ["phone", "dermoscopy"])
def test_each_kind_of_photo_has_counts_of_its_own(make_app, source):
    counted = {
        kind: {"set": f"test photos, {kind}", "by_top_class": {"MEL": {"n": n, "counts": {"MEL": 20}}}}
        for kind, n in (("phone", 41), ("dermoscopy", 42))
    }
    client = with_report(make_app, URGENT, counted)
    page = text_of(ask_again(client, answer_of(URGENT, source=source)).text)
    assert f"Of {41 if source == 'phone' else 42} test photos for which this was the most likely diagnosis" in page
    assert f"(test photos, {source})" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_asks_how_and_where_in_the_language_of_the_page(client, language, app):
    page = client.get(f"/{language}/").text
    assert re.findall(r'name="source" value="(\w*)"( checked)?', page) == [
        ("", " checked"), ("phone", ""), ("dermoscopy", ""),
    ]  # fmt: skip
    offered = re.findall(r'<option value="(\w+)">([^<]+)</option>', page)
    with app.test_request_context(f"/{language}/"):
        assert offered == [(code, str(site.name)) for code, site in SITES.items()]
