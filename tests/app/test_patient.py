"""What a person with a spot gets to read."""

import base64
import dataclasses
import datetime
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from flask_babel import format_date
from PIL import Image

from app import answers, figures, patient, results, wording
from app.advice import Level
from app.answers import Answer
from app.conditions import CONDITIONS
from app.i18n import LANGUAGES
from app.problems import ProblemPage
from model_store.classes import CODES, MALIGNANT_CODES
from model_store.images import open_photo
from model_store.preprocessing import prepare
from tests.app.conftest import (
    SOON,
    STRANGE,
    STRANGE_SOON,
    STRANGE_URGENT,
    URGENT,
    WATCH,
    SteadyEngine,
    encode,
    evidence_of,
    logits,
    send,
    token,
)

ROOT = Path(__file__).parent.parent.parent
PAGES = ["", "signs", "conditions", "about", "privacy", "terms", *(f"conditions/{c.slug}" for c in CONDITIONS.values())]
LEVELS = {"urgent": URGENT, "soon": SOON, "watch": WATCH, "cannot_judge": STRANGE}


@pytest.fixture(params=LEVELS)
def level(request) -> str:
    return request.param


@pytest.fixture
def answer(make_app, photo, level):
    """The page that answers a photo, on every level."""
    response = send(make_app(answering=LEVELS[level]).test_client(), photo)
    assert response.status_code == 200
    return response


def text_of(page: str) -> str:
    """What can be read on a page, in one line."""
    body = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


class Outline(HTMLParser):
    """Collects a page's headings, links and whatever a policy against inline code and foreign hosts looks for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.addresses += [given[name] for name in ("href", "src", "action", "formaction", "srcset") if name in given]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def assert_is_whole(page: str, language: str = "en") -> None:
    outline = Outline(page)
    assert f'<html lang="{language}">' in page
    assert outline.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip([0, *outline.headings], outline.headings, strict=False))
    assert outline.inline == []
    ours = ("/", "#", "data:image/jpeg;base64,", "data:image/png;base64,", "http://localhost/")
    assert [url for url in outline.addresses if not url.startswith(ours)] == []
    assert [url for url in outline.addresses if url.startswith("//")] == []
    assert re.search(r"<title>\s*\S.*</title>", page)
    assert "AI estimate, not a diagnosis" in page or language != "en"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_and_asks_nobody_else_for_anything(client, path, language):
    response = client.get(f"/{language}/{path}")
    assert response.status_code == 200
    assert_is_whole(response.text, language)


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(client, path):
    for address in set(Outline(client.get(f"/en/{path}").text).addresses):
        if not address.startswith("#"):
            with client.get(address) as response:
                assert response.status_code in (200, 303), address


def test_the_notice_stands_before_the_button_that_sends(client):
    page = client.get("/en/").text
    form = page[page.index("<form") : page.index("</form>")]
    assert page.index("AI estimate, not a diagnosis") < page.index("<form")
    assert form.index("The photo is not kept") < form.index('type="submit"')
    assert 'enctype="multipart/form-data"' in form
    assert 'method="post"' in form


def test_the_answer_is_whole_on_every_level(answer):
    assert_is_whole(answer.text)
    assert not re.search(r"%\(\w+\)|\bNone\b|&lt;Level", answer.text)


def test_the_answer_comes_in_the_promised_order(answer, level):
    in_order = [
        '<p class="level">', "<h1", 'class="where"', "<h2 id=\"reasons\"" if level == "cannot_judge" else "",
        '<p class="ai-notice">', 'id="go-anyway"', '<h2 id="ranking"' if level != "cannot_judge" else "",
        'id="seen"', 'id="next"', 'id="limits"',
    ]  # fmt: skip
    places = [answer.text.index(mark) for mark in in_order if mark]
    assert places == sorted(places)


def test_the_heading_is_the_advice_with_a_word_and_a_picture_beside_the_colour(answer, level, english):
    said = wording.LEVELS[Level(level)]
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text).group(1)
    assert html.unescape(heading) == english(said.heading)
    label = re.search(r'<p class="level">(.*?)</p>', answer.text, re.DOTALL).group(1)
    assert f"<span>{english(said.word)}</span>" in label
    assert re.search(r"<(path|rect|circle)", label)


def test_links_away_from_an_answer_leave_it_where_it_is(answer, level):
    links = re.findall(r'<a (?:class="[^"]*" )?href="([^"#]+)"([^>]*)>', answer.text)
    assert len(links) > 15
    staying = {url for url, more in links if more != ' target="_blank" rel="noopener"'}
    assert staying == ({"/en/"} if level == "cannot_judge" else set())  # a new photo in place of one that says nothing
    assert "Links open in a new tab" in text_of(answer.text)


def test_other_pages_open_their_links_in_their_own_place(client):
    assert "_blank" not in client.get("/en/conditions").text


def test_the_privacy_page_says_what_stays_on_the_visitor_s_device(client):
    page = text_of(client.get("/en/privacy").text)
    for kept in ("among your pictures", "among your downloads", "browser's history", "JavaScript is switched off"):
        assert kept in page


def test_the_title_of_an_answer_says_nothing_of_it(client, photo):
    page = send(client, photo).text
    assert re.search(r"<title>(.*)</title>", page).group(1) == "The answer to your photo · Skin check"


@pytest.mark.parametrize("path", ["/en/compare", "/en/privacy"])
def test_nobody_is_promised_that_a_browser_keeps_photos_for_ever(client, path):
    assert "The browser itself may delete kept photos" in text_of(client.get(path).text)


def test_the_focus_goes_to_the_advice_which_is_announced(answer):
    assert re.search(r'role="status">.*?<h1 tabindex="-1" autofocus>', answer.text, re.DOTALL)


def test_the_answer_says_that_a_machine_made_it_to_people_and_machines(answer, level):
    assert "AI estimate, not a diagnosis. A doctor makes the diagnosis." in text_of(answer.text)
    assert "This site is not a registered medical device." in text_of(answer.text)
    assert re.search(r'<meta name="ai-generated" content="estimate, not a diagnosis; model tiny 1.0.0', answer.text)
    assert 'data-ai-generated="true"' in answer.text


def test_go_anyway_is_the_same_on_every_level(answer, english):
    shown = re.search(r'<section class="go-anyway".*?</section>', answer.text, re.DOTALL).group(0)
    items = [html.unescape(item) for item in re.findall(r"<li>(.*?)</li>", shown)]
    assert items == [english(sentence) for sentence in wording.GO_ANYWAY]
    assert len(items) == 9


def test_nobody_is_calmed_by_a_word(make_app, photo):
    page = text_of(send(make_app(answering=WATCH).test_client(), photo).text)
    assert "No urgent signs were found in this photo. This is not an all-clear" in page
    rest = page.lower().replace("not an all-clear", "")
    assert re.findall(r"\b(safe|healthy|clear|ok|okay|harmless|fine|good news|all right)\b", rest) == []


def test_watch_is_not_green():
    sheet = (ROOT / "static" / "site.css").read_text(encoding="utf-8")
    colours = re.findall(r"--watch(?:-wash)?: #(..)(..)(..);", sheet)
    assert len(colours) == 4  # the sign and what it lies on, light and dark
    for _red, green, blue in colours:
        assert int(green, 16) < int(blue, 16)


def test_all_eight_are_ranked_and_the_dangerous_ones_tagged_at_any_place(make_app, photo):
    page = send(make_app(answering=WATCH).test_client(), photo).text
    rows = re.findall(r'<li( class="tagged")?>\s*<div class="row-head">.*?</li>', page, re.DOTALL)
    assert len(rows) == 8
    assert sum(bool(tagged) for tagged in rows) == len(MALIGNANT_CODES) == 4
    bars = [float(width) for width in re.findall(r'class="bar-part" width="([\d.]+)"', page)]
    assert bars == sorted(bars, reverse=True)
    assert sum(bars) == pytest.approx(100, abs=0.5)
    assert "It can also be none of these eight" in page


def test_the_most_likely_one_has_its_confidence_in_percent_and_in_words(make_app, photo):
    page = text_of(send(make_app(answering=URGENT).test_client(), photo).text)
    assert re.search(r"Melanoma Skin cancer Cutaneous melanoma · ICD-10 C43.- The model's confidence in this is "
                     r"(high|moderate|low|very low): \d+%", page)  # fmt: skip


def test_the_advice_names_the_last_day(make_app, photo):
    page = text_of(send(make_app(answering=URGENT).test_client(), photo).text)
    assert re.search(r"By \w+ \d+, 20\d\d at the latest, turn to your family doctor", page)


def test_a_photo_that_cannot_be_judged_gets_no_diagnosis_but_still_the_way_to_a_doctor(make_app, photo):
    response = send(make_app(answering=STRANGE).test_client(), photo)
    page = text_of(response.text)
    assert response.status_code == 200
    assert "if you are worried, see a doctor anyway" in page
    assert "The photo is unlike the spots that the model has learned from." in page
    assert "Take a new photo" in page
    assert "Most likely" not in page
    assert "Show the answer anyway" not in page
    assert "Letter for the doctor" not in page
    assert '<a class="main-button" href="/en/">' in response.text


def test_where_the_model_looked_is_shown_for_the_first_diagnosis_once_it_is_asked_for(make_app, photo):
    weights = np.diag(np.linspace(1, 2, len(CODES), dtype=np.float32))
    features = np.zeros((1, 12, 12, len(CODES)), np.float32)
    features[0, 3, 9, CODES.index("MEL")] = features[0, 8, 2, CODES.index("NV")] = 1
    client = make_app(engine=SteadyEngine(URGENT, dense_weights=weights, feature_map=features)).test_client()
    page = send(client, photo).text
    (disclosure,) = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    assert "for its most likely diagnosis (Melanoma)" in disclosure
    url = re.search(r'src="data:image/png;base64,([^"]+)"', disclosure).group(1)
    opacity = np.asarray(Image.open(io.BytesIO(base64.b64decode(url))).convert("RGBA"))[..., 3]
    place = np.argwhere(opacity == opacity.max()).mean(axis=0) / opacity.shape * 12
    np.testing.assert_allclose(place, (3.5, 9.5), atol=0.3)


def test_where_nothing_spoke_for_the_first_diagnosis_or_the_photo_cannot_be_judged_no_place_is_shown(make_app):
    client = make_app(answering=URGENT).test_client()
    assert "<details>" in ask_again(client, answer_of(URGENT)).text
    assert "<details>" not in ask_again(client, answer_of(URGENT, maps=(((0, 0), (0, 0)),) * len(CODES))).text
    assert "<details>" not in ask_again(client, answer_of(URGENT, severe=("too_dark",))).text


SALIENCY = ((0, 255), (40, 0))


def answer_of(calibrated, **changes) -> Answer:
    return dataclasses.replace(
        Answer(
            evidence_of(calibrated),
            severe=(),
            mild=(),
            photo_jpeg=encode(Image.new("RGB", (38, 38))),
            maps=(SALIENCY,) * len(CODES),
        ),
        **changes,
    )


def ask_again(client, answer: Answer, path: str = "/en/answer", **fields):
    with client.application.test_request_context("/"):
        sealed = answers.seal(answer)
    return client.post(path, data={"csrf_token": token(client), "answer": sealed, **fields})


def test_after_a_mild_warning_the_answer_can_be_asked_for_without_sending_the_photo_again(make_app):
    client = make_app(answering=WATCH).test_client()
    first = ask_again(client, answer_of(WATCH, mild=("blurred",))).text
    assert 'data-level="cannot_judge"' in first
    assert "The photo is blurred." in first
    (form,) = re.findall(r'<form id="again".*?</form>', first, re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]+)"', form))
    assert fields.keys() == {"csrf_token", "answer"}
    (asked,) = re.findall(r'form="again" name="anyway" value="1">([^<]+)</button>', first)
    assert asked == "Show the answer anyway"
    second = client.post("/en/answer", data={**fields, "anyway": "1"}).text
    assert 'data-level="watch"' in second
    assert "The photo is blurred." in second


def test_who_corrects_how_the_photo_was_taken_is_warned_again(make_app):
    client = make_app(answering=WATCH).test_client()
    corrected = ask_again(client, answer_of(WATCH, mild=("blurred",)), anyway="1", source="phone").text
    assert 'data-level="cannot_judge"' in corrected
    assert "Show the answer anyway" in corrected


def test_the_answer_travels_twice_in_its_page(make_app):
    page = ask_again(make_app(answering=URGENT).test_client(), answer_of(URGENT)).text
    assert page.count('name="answer"') == 2  # to show it again, and for the letter, which opens beside it


def test_a_severe_issue_cannot_be_passed_over(make_app):
    client = make_app(answering=URGENT).test_client()
    page = ask_again(client, answer_of(URGENT, severe=("too_dark",)), anyway="1").text
    assert 'data-level="cannot_judge"' in page
    assert "Show the answer anyway" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_can_be_read_in_every_language_without_sending_the_photo_again(make_app, language):
    client = make_app(answering=WATCH).test_client()
    page = ask_again(client, answer_of(WATCH, mild=("blurred",)), f"/{language}/answer", anyway="1").text
    assert_is_whole(page, language)
    assert 'data-level="watch"' in page
    switch = re.findall(r'<button type="submit" form="again" formaction="([^"]+)"', page)
    assert switch == [f"/{other}/answer" for other in LANGUAGES]
    assert 'name="anyway"' in page


@pytest.mark.parametrize("path", ["result", "answer"])
def test_an_answer_has_no_address_so_asking_for_one_leads_to_the_start(client, path):
    response = client.get(f"/en/{path}")
    assert (response.status_code, response.location) == (303, "/en/?gone=1")
    said = "The answer that was here is gone"
    assert said in client.get(response.location).text
    assert said not in client.get("/en/").text


def test_the_photo_that_is_shown_is_what_the_model_saw_without_metadata(make_app, draw_photo):
    exif = Image.Exif()
    exif[0x0110] = "Marked-Camera-4711"
    page = send(make_app(answering=WATCH).test_client(), encode(draw_photo(size=(800, 600)), exif=exif)).text
    shown = base64.b64decode(re.search(r'src="data:image/jpeg;base64,([^"]+)"', page).group(1))
    image = Image.open(io.BytesIO(shown))
    assert image.size == (380, 380)
    assert len(image.getexif()) == 0
    assert b"Marked" not in shown


def test_site_and_package_prepare_a_photo_alike_bit_for_bit(app, photo):
    classifier = app.extensions["classifier"]
    seen = []
    original = classifier.engine.run
    app.extensions["inference"]._predict = lambda batch: seen.append(batch) or classifier.evidence(original(batch))
    send(app.test_client(), photo)
    expected = prepare(open_photo(photo).rgb, classifier.bundle.input)
    assert (seen[0][0] == expected).all()


def with_report(make_app, answering, measured, **report):
    app = make_app(answering=answering)
    report = {"answers": measured, **report}
    bundle = dataclasses.replace(app.extensions["classifier"].bundle, report=report)
    app.extensions["classifier"] = dataclasses.replace(app.extensions["classifier"], bundle=bundle)
    return app.test_client()


def test_how_often_that_answer_was_right_is_told_in_counts(make_app, photo):
    measured = {
        "dermoscopy": {
            "set": "a test split",
            "by_top_class": {"MEL": {"n": 40, "counts": {"MEL": 20, "NV": 12, "SCC": 8}}},
        }
    }
    page = text_of(send(with_report(make_app, URGENT, measured), photo).text)
    assert "with whatever percentage, 20 really were this, and 28 were skin cancer or could" in page
    assert "The model had never seen these photos (a test split)." in page


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"NV": 999, "MEL": 1}, "with whatever percentage, 999 really were this, and 1 were"),
        ({"NV": 997, "BKL": 3}, "with whatever percentage, 997 really were this."),
    ],
)
def test_a_rare_cancer_is_counted_and_none_at_all_is_never_claimed(make_app, photo, counts, said):
    measured = {"dermoscopy": {"set": "a test split", "by_top_class": {"NV": {"n": 1000, "counts": counts}}}}
    page = text_of(send(with_report(make_app, WATCH, measured), photo).text)
    assert said in page
    assert "and 0 were" not in page


@pytest.mark.parametrize(("answering", "weeks"), [(STRANGE_URGENT, 2), (STRANGE_SOON, 4)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_strange_photo_that_would_alarm_gets_no_diagnosis_but_a_date(make_app, photo, answering, weeks, language):
    client = make_app(answering=answering).test_client()
    page = send(client, photo, path=f"/{language}/result").text
    with client.application.test_request_context(f"/{language}/"):
        last_day = text_of(format_date(datetime.date.today() + datetime.timedelta(weeks=weeks), "long"))
        assert text_of(page).count(str(wording.ISSUES["out_of_distribution"].what)) == 1
    assert 'data-level="cannot_judge"' in page
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert str(weeks) in heading
    assert last_day in text_of(page)
    assert 'class="reasons"' in page
    assert 'id="ranking"' not in page
    assert 'name="anyway"' not in page
    assert f'action="/{language}/letter"' in page
    new_photo = f'<a class="quiet" href="/{language}/" target="_blank" rel="noopener">'
    assert new_photo in page  # the doctor comes before a new photo, and the date stays
    assert 'href="#next"' in page
    assert 'id="keep"' not in page


@pytest.mark.parametrize(
    "by_top_class",
    [
        {},
        {"MEL": {"n": 19, "counts": {"MEL": 19}}},
        {"MEL": {"n": 99, "counts": {"NV": 99}}},
        {"NV": {"n": 99, "counts": {}}},
    ],
)
def test_too_few_test_photos_say_nothing(make_app, photo, by_top_class):
    measured = {"dermoscopy": {"set": "a test split", "by_top_class": by_top_class}}
    page = text_of(send(with_report(make_app, URGENT, measured), photo).text)
    assert "test photos for which this was the most likely diagnosis" not in page


def test_the_operator_s_words_are_shown_as_text(make_app, photo):
    said = "<b>Ministry</b> & partners"
    client = make_app(answering=URGENT, operator=said, where_to_turn=said).test_client()
    for page in (client.get("/en/about").text, client.get("/en/privacy").text, send(client, photo).text):
        assert html.escape(said) in page
        assert said not in page


@pytest.mark.parametrize("remote", [False, True])
def test_the_privacy_page_says_whether_another_machine_sees_the_photo(make_app, remote):
    engine = SteadyEngine(URGENT, name="remote" if remote else "steady")
    page = text_of(make_app(engine=engine).test_client().get("/en/privacy").text)
    assert ("to another machine, which the operator of this site has chosen" in page) == remote
    assert ("to no other company or machine" in page) == (not remote)
    assert ("in the memory of the server, and then forgotten" in page) == (not remote)
    assert "On the pages for clinicians each file is sent as it is" in page


def test_the_about_page_says_how_accessible_the_site_is_and_whom_to_tell_of_a_barrier(make_app):
    page = text_of(make_app(operator="Clinic 7, help@example.org").test_client().get("/en/about").text)
    assert "WCAG 2.2, level AA" in page
    assert "no audit by people with disabilities has been made yet" in page
    assert "please tell its operator: Clinic 7, help@example.org" in page
    assert "please tell the operator of this site." in text_of(make_app().test_client().get("/en/about").text)


def test_the_operator_s_line_about_local_care_is_in_the_page_s_language(make_app, photo):
    client = make_app(answering=URGENT, where_to_turn="Call us.", where_to_turn_kk="Бізге хабарласыңыз.").test_client()
    assert "Бізге хабарласыңыз." in (page := send(client, photo, path="/kk/result").text)
    assert "Call us." not in page
    assert "Call us." in send(client, photo, path="/ru/result").text


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "< 1%"), (0.0099, "< 1%"), (0.01, "1%"), (0.734, "73%"), (0.99, "99%"), (0.996, "> 99%"), (1.0, "> 99%")],
)
def test_no_probability_is_shown_as_none_or_certain(app, probability, shown):
    with app.test_request_context("/en/"):
        assert figures.percent(probability) == shown


def test_a_top_diagnosis_never_decides_the_advice(make_app, photo):
    # The mole is most likely, melanoma and squamous cell carcinoma together pass the threshold.
    page = send(make_app(answering=logits(NV=4, MEL=2.5, SCC=2.5)).test_client(), photo).text
    assert 'data-level="urgent"' in page
    assert re.search(r'class="top-name"><a href="/en/conditions/mole"', page)


@pytest.mark.parametrize(
    ("page", "templates"),
    [
        (patient.UploadPage, ["patient/upload"]), (patient.SignsPage, ["patient/signs"]),
        (results.ResultPage, ["patient/result"]), (patient.ConditionPage, ["patient/condition"]),
        (patient.ConditionsPage, ["patient/conditions"]),
        (patient.AboutPage, ["patient/about", "patient/privacy", "patient/terms"]), (ProblemPage, ["problem"]),
    ],
)  # fmt: skip
def test_a_page_s_data_are_what_its_template_uses(page, templates):
    sources = "".join((ROOT / "templates" / f"{name}.html").read_text(encoding="utf-8") for name in templates)
    used = set(re.findall(r"\bpage\.(\w+)", sources))
    assert used == {field.name for field in dataclasses.fields(page)}
