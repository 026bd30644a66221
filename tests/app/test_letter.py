"""The letter for the doctor: on paper and as a file, with what the answer says and nothing that is kept."""

import base64
import datetime
import io
import re

import pypdf
import pytest
import zxingcpp
from PIL import Image

from app import answers
from app.figures import tenths_apart
from app.i18n import LANGUAGES
from app.letter import QUESTIONS
from model_store.classes import CODES
from tests.app.conftest import SOON, STRANGE, STRANGE_URGENT, URGENT, WATCH, token
from tests.app.test_patient import answer_of, ask_again, assert_is_whole, text_of, with_report

TITLES = {"en": "Letter for the doctor", "ru": "Письмо для врача", "kk": "Дәрігерге арналған хат"}
LEVELS = {"urgent": URGENT, "soon": SOON, "watch": WATCH, "cannot_judge": STRANGE}


@pytest.fixture
def ask(make_app):
    """A function that asks for the letter about an answer: `ask(URGENT, "/en/letter", site="sole", photo="1")`."""

    def post(answering, path: str = "/en/letter", site: str = "", source: str | None = None, mild=(),
             answer_as_file=False, **fields):  # fmt: skip
        client = make_app(answering=answering).test_client()
        with client.application.test_request_context("/"):
            sealed = answers.seal(answer_of(answering, site=site, source=source, mild=mild))
        kept = (io.BytesIO(sealed.encode()), "answer") if answer_as_file else sealed
        return client.post(path, data={"csrf_token": token(client), "answer": kept, **fields})

    return post


def read_pdf(response) -> pypdf.PdfReader:
    assert response.status_code == 200
    assert response.content_type == "application/pdf"
    return pypdf.PdfReader(io.BytesIO(response.data))


def words(file: pypdf.PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in file.pages).split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", LEVELS)
def test_the_file_is_one_page_in_the_language_of_its_reader_on_every_level(ask, level, language):
    file = read_pdf(ask(LEVELS[level], f"/{language}/letter.pdf", site="sole", source="phone", photo="1"))
    assert len(file.pages) == 1
    assert TITLES[language] in words(file)
    assert len(file.pages[0].images) == 2  # the photo and the code
    assert "ai-generated" in file.metadata["/Keywords"]
    assert file.root_object["/Lang"] == language


def test_the_page_and_the_file_say_the_same(ask, english):
    page = text_of(ask(URGENT, site="back", source="dermoscopy").text)
    file = words(read_pdf(ask(URGENT, "/en/letter.pdf", site="back", source="dermoscopy")))
    for said in (
        "Show this spot to a doctor within 2 weeks.",
        "Back",
        "Through a dermatoscope (as the sender said)",
        "Cutaneous melanoma",
        "C43.-",
        "Melanoma and squamous cell carcinoma together",
        "The advice “Urgent” begins at",
        "The advice “Soon” begins at 30.0%.",
        "AI estimate, not a diagnosis. A doctor makes the diagnosis.",
        "tiny 1.0.0",
        *(english(question) for question in QUESTIONS),
    ):
        assert said in page
        assert said in file


PHONE_SET = "PAD-UFES-20 phone photos, patients held out for the test"


@pytest.fixture
def ask_of_phone_photo(make_app):
    """A function that asks for the letter about a phone photo of a site that measured its thresholds on others."""

    def post(answer, path: str = "/en/letter", **point):
        urgent = {
            "name": "urgent", "risk": "urgent", "threshold": 0.2,
            "sensitivity": {"value": 3 / 7, "low": 0.1, "high": 0.8, "images": 7},
            "specificity": {"value": 34 / 58, "low": 0.4, "high": 0.7, "images": 58},
        }  # fmt: skip
        sets = {"phone": {"images": 65, "operating_points": [urgent | point, urgent | {"name": "soon"} | point]}}
        client = with_report(make_app, URGENT, {"phone": {"set": PHONE_SET}}, sets=sets)
        return ask_again(client, answer, path, photo="1")

    return post


def test_a_doctor_reads_what_the_threshold_did_on_test_photos_in_counts(ask_of_phone_photo):
    page = text_of(ask_of_phone_photo(answer_of(URGENT, source="phone")).text)
    assert f"Test photos ({PHONE_SET}): of 7 that showed this, 3 reached it; of the 58 others, 34 did not." in page


@pytest.mark.parametrize("missing", [0.43, None, {"value": None, "low": None, "high": None, "images": 0}])
def test_of_a_threshold_that_was_measured_on_nobody_knows_how_many_photos_nothing_is_told(ask_of_phone_photo, missing):
    page = text_of(ask_of_phone_photo(answer_of(URGENT, source="phone"), sensitivity=missing).text)
    assert "The advice “Urgent” begins at" in page
    assert "Test photos" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_stays_one_page_with_all_that_can_stand_in_it(ask_of_phone_photo, language):
    answer = answer_of(URGENT, source="phone", site="genitals", mild=("blurred", "glare", "low_resolution"))
    file = read_pdf(ask_of_phone_photo(answer, f"/{language}/letter.pdf"))
    assert len(file.pages) == 1
    assert "58" in words(file)


@pytest.mark.parametrize("threshold", [0.3, 0.1234, 0.07])
def test_a_probability_is_seen_on_its_side_of_its_threshold_however_near(app, threshold):
    def tenths(probability: float) -> float:
        return float(tenths_apart(probability, threshold).rstrip("%"))

    with app.test_request_context("/en/"):
        assert tenths(threshold - 1e-5) < tenths(threshold) <= tenths(threshold + 1e-5)
        assert tenths(threshold - 1e-5) == pytest.approx(100 * threshold, abs=0.11)
        assert (tenths_apart(0.9999, threshold), tenths_apart(0.0001, threshold)) == ("> 99%", "< 1%")


def test_all_eight_diagnoses_stand_in_it(ask):
    page = ask(WATCH).text
    assert len(re.findall(r'<div class="row-head">', page)) == 8


def test_a_photo_that_cannot_be_judged_has_its_reasons_and_no_diagnoses(ask):
    page = ask(STRANGE).text
    assert "The photo is unlike the spots that the model has learned from." in text_of(page)
    assert 'class="row-head"' not in page
    assert "Malignancy" not in text_of(page)


@pytest.mark.parametrize("path", ["/en/letter", "/en/letter.pdf"])
def test_the_photo_goes_into_it_only_if_asked_for(ask, path):
    if path.endswith(".pdf"):
        assert len(read_pdf(ask(WATCH, path)).pages[0].images) == 1  # the code
        assert len(read_pdf(ask(WATCH, path, photo="1")).pages[0].images) == 2
    else:
        assert "data:image/jpeg" not in ask(WATCH, path).text
        assert "data:image/jpeg" in ask(WATCH, path, photo="1").text


def test_an_answer_that_comes_back_as_a_file_gives_the_same_letter(ask):
    fields = ask(SOON)
    as_file = ask(SOON, answer_as_file=True)
    assert fields.status_code == as_file.status_code == 200
    assert text_of(fields.text) == text_of(as_file.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_leads_to_its_other_languages_the_file_and_back(ask, language):
    page = ask(SOON, f"/{language}/letter", photo="1").text
    assert_is_whole(page, language)
    targets = set(re.findall(r'(?:action|formaction)="([^"]+)"', page))
    assert {f"/{other}/letter" for other in LANGUAGES} <= targets
    assert {f"/{language}/letter.pdf", f"/{language}/answer"} <= targets
    assert page.count('name="photo" value="1"') == 2


def test_a_place_that_the_model_hardly_knows_is_told_to_the_doctor(ask):
    said = "The model has hardly ever seen a spot at this place of the body."
    assert said in text_of(ask(WATCH, site="sole").text)
    assert said not in text_of(ask(WATCH, site="back").text)
    assert "Where on the body not said" in text_of(ask(WATCH).text)


@pytest.mark.parametrize("path", ["/en/letter", "/en/letter.pdf"])
def test_a_spot_where_the_model_has_hardly_seen_any_is_not_watched_but_shown_to_the_doctor(ask, path):
    answer = ask(WATCH, path, site="sole", mild=("blurred",))
    letter = words(read_pdf(answer)) if path.endswith(".pdf") else text_of(answer.text)
    assert "The model cannot judge a spot at this place. Show it to a doctor within 4 weeks." in letter
    assert "The photo is blurred." in letter
    assert "Keep watching" not in letter


def test_what_was_asked_for_all_the_same_stays_so(ask):
    page = ask(WATCH, mild=("blurred",), anyway="1").text
    assert "Keep watching" in page
    assert "The photo is blurred." in page
    assert 'name="anyway" value="1"' in page


@pytest.mark.parametrize("path", ["/en/letter", "/en/letter.pdf"])
def test_without_an_answer_there_is_no_letter(client, path):
    response = client.get(path)
    assert (response.status_code, response.location) == (303, "/en/?gone=1")
    response = client.post(path, data={"csrf_token": token(client), "answer": "made up"})
    assert response.status_code == 400
    assert "This answer can no longer be shown" in response.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_device_reads_the_estimate_from_the_code_on_the_page_and_in_the_file(ask, language):
    page = ask(URGENT, f"/{language}/letter", source="phone", photo="1").text
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1))
    in_file = read_pdf(ask(URGENT, f"/{language}/letter.pdf", source="phone", photo="1")).pages[0].images
    read = {code.text for image in (Image.open(io.BytesIO(png)), *(one.image for one in in_file))
            for code in zxingcpp.read_barcodes(image)}  # fmt: skip
    assert len(read) == 1
    lines = read.pop().splitlines()
    assert lines[:3] == ["AI estimate, not a diagnosis", datetime.date.today().isoformat(), lines[2]]
    assert lines[2].startswith("tiny 1.0.0 ")
    assert lines[3:6] == ["advice urgent", "see a doctor within 14 days", "source phone"]
    ranking = [line.split() for line in lines[6:14]]
    assert ranking[0][:2] == ["MEL", "C43.-"]
    assert {code for code, _, _ in ranking} == set(CODES)
    assert sum(float(probability) for _, _, probability in ranking) == pytest.approx(1, abs=0.004)
    assert lines[14].split()[:2] == ["set", "MEL"]


@pytest.mark.parametrize(
    ("answering", "alarm"), [(STRANGE, []), (STRANGE_URGENT, ["if a spot: urgent within 14 days"])]
)
def test_the_code_of_a_photo_that_cannot_be_judged_says_why_and_how_soon_and_names_no_diagnosis(ask, answering, alarm):
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', ask(answering).text).group(1))
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    said = ["advice cannot_judge out_of_distribution", *alarm, "source dermoscopy"]
    assert code.text.splitlines()[3:] == said


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("sole", ["advice cannot_judge hardly_seen_site", "see a doctor within 28 days", "source dermoscopy"]),
        ("back", ["advice watch", "source dermoscopy"]),  # in 30 days one looks again oneself
    ],
)
def test_the_code_says_how_soon_a_doctor_should_see_the_spot_and_only_that(ask, site, said):
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', ask(WATCH, site=site).text).group(1))
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    assert code.text.splitlines()[3 : 3 + len(said)] == said


@pytest.mark.parametrize("part", ["header", "footer"])
def test_no_link_around_the_letter_takes_its_place(ask, part):
    around = re.search(rf"<{part}.*?</{part}>", ask(WATCH).text, re.DOTALL).group()
    links = re.findall(r"<a [^>]+>", around)
    assert links
    assert all('target="_blank"' in link for link in links)


def test_the_letter_is_kept_by_no_cache(ask):
    assert ask(WATCH, "/en/letter.pdf").headers["Cache-Control"] == "no-store"
