"""What a clinician gets: a table of many photos, and files of it to take away."""

import csv
import dataclasses
import io
import json
import re
import zipfile

import numpy as np
import pytest
from fhir.resources.R4B.bundle import Bundle as FhirBundle
from fhirclient.models.bundle import Bundle as FhirR4Bundle
from PIL import Image
from pypdf import PdfReader
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from app import (
    archives,
    case_forms,
    cases,
    clinician,
    inference,
    opened_photo,
    person_lesions,
    points_at_prevalence,
    wording,
)
from app.advice import Level
from app.case_rows import Item
from app.exports import pdf, tables
from app.i18n import LANGUAGES
from model_store.classes import CLASSES, CODES
from model_store.errors import EngineError
from tests.app.conftest import (
    SOON,
    STRANGE,
    STRANGE_URGENT,
    URGENT,
    WATCH,
    WATCH_UNLESS_PHONE,
    encode,
    evidence_of,
    logits,
    send,
    token,
)
from tests.app.series import URL, failed_of, fields_of, post, send_files, series
from tests.app.test_observability import samples
from tests.app.test_patient import ROOT, assert_is_whole, text_of
from tests.app.test_problems import FailingEngine


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_promises_before_it_asks(client, language):
    page = client.get(f"/{language}/clinician").text
    assert_is_whole(page, language)
    assert page.index('class="notice"') < page.index("<form")
    assert_is_whole(client.get(f"/{language}/clinician/operating-points").text, language)


def test_every_photo_of_a_form_gets_a_row_with_codes_probabilities_and_thresholds(make_client, photos):
    answer = send_files(make_client(), photos)
    assert answer.status_code == 200
    assert_is_whole(answer.text)
    page = text_of(answer.text)
    assert answer.text.count("<tr ") == len(photos) + 1
    for name in photos:
        assert name in page
    assert "Cutaneous melanoma MEL · ICD-10 C43.- · ICD-O-3 8720/3" in page
    assert "Urgent: reached" in page
    assert re.search(r"Prediction set: +MEL", page)


def test_files_without_an_answer_are_listed_with_their_reason_and_never_dropped(make_client, photos):
    files = {"a.jpg": photos["ISIC_0.jpg"], "letter.txt": b"Dear doctor", "empty.jpg": b""}
    page = send_files(make_client(), files).text
    listed = text_of(page[page.index('id="failures"') :])
    assert "letter.txt : This file is not a photo we can read" in listed
    assert "empty.jpg : The file is empty" in listed
    assert "Files without an answer: 2." in text_of(page)
    again = post(make_client(), f"{URL}/table", ("failed", failed_of(page)))
    assert "letter.txt" in again.text


def test_photos_beyond_the_limit_of_a_form_are_listed(make_client, photos, monkeypatch):
    monkeypatch.setattr(clinician, "PLAIN_LIMIT", 2)
    page = text_of(send_files(make_client(), photos).text)
    assert "ISIC_2.jpg : Too many photos at once" in page
    assert "ISIC_3.jpg : Too many photos at once" in page


def test_photos_that_a_form_has_no_time_left_for_are_listed(make_client, photos, monkeypatch):
    monkeypatch.setattr(clinician, "FORM_S", -1)
    page = text_of(send_files(make_client(), photos).text)
    assert page.count("No answer came") == len(photos)


def test_a_form_whose_photos_have_no_answer_by_our_fault_is_counted_as_failed_once(make_app, photos):
    client = make_app(engine=FailingEngine(EngineError("engine_failed"))).test_client()
    page = send_files(client, {**photos, "letter.txt": b"Dear doctor"}).text
    failed = [("failed", failed_of(page))]
    assert post(client, f"{URL}/table", *failed).status_code == 200  # the same table again is no new failure
    seen = samples(client)
    assert seen["skin_requests_total{outcome=engine_failed,view=clinician.results}"] == 1
    assert seen["skin_requests_total{outcome=ok,view=clinician.table}"] == 1


def test_a_form_whose_files_their_sender_can_mend_is_counted_as_answered(make_client):
    client = make_client()
    send_files(client, {"letter.txt": b"Dear doctor"})
    assert samples(client)["skin_requests_total{outcome=ok,view=clinician.results}"] == 1


def test_a_client_that_is_gone_ends_the_form_at_its_first_photo(app, photos):
    looked = []

    def give_up(array, client_is_there):
        looked.append(array)
        raise inference.ClientGone()

    app.extensions["inference"].submit = give_up
    assert send_files(app.test_client(), photos).status_code == 499
    assert len(looked) == 1


@pytest.mark.parametrize("path", ["person", "export/csv", "export/json", "export/fhir", "export/pdf"])
def test_nothing_shows_the_model_s_answers_before_their_reader_gave_all_diagnoses(make_client, photos, path):
    client = make_client()
    carried = series(client, photos, own_first="1")
    marked = [("marked", value) for name, value in carried if name == "number"]
    owns = [("own", "NV")] * len(photos)
    early = post(client, f"{URL}/{path}", *carried, *marked, *owns[1:], ("own", ""), ("own_first", "1"))
    assert early.status_code == 400
    assert "Your own diagnosis comes first" in early.text


def test_a_file_holds_the_model_s_answers_once_their_reader_gave_all_diagnoses(make_client, photos):
    client = make_client()
    carried = series(client, photos, own_first="1")
    owns = [("own", "NV")] * len(photos)
    assert post(client, f"{URL}/export/csv", *carried, *owns, ("own_first", "1")).status_code == 200


@pytest.mark.parametrize("path", ["table", "person", "export/json", "export/pdf"])
@pytest.mark.parametrize(
    "beside",
    [
        [("own", "MEL")],
        [("number", "2"), ("number", "7"), ("marked", "7")],
        [("number", "1"), ("number", "2"), ("number", "3"), ("number", "x")],
        [("detail", "")],
    ],
    ids=["own", "number", "no number", "detail"],
)
def test_what_could_belong_to_another_photo_is_refused(make_client, photos, path, beside):
    client = make_client()
    carried = [pair for pair in series(client, photos) if pair[0] == "case"]
    answer = post(client, f"{URL}/{path}", *carried, *beside)
    assert answer.status_code == 400
    assert "This request cannot be understood</h1>" in answer.text


def test_a_row_s_number_beyond_what_a_table_has_is_the_same_for_row_and_mark(make_client, photos):
    client = make_client()
    cases_sent = [pair for pair in series(client, photos) if pair[0] == "case"]
    numbers = [("number", number) for number in ("1234", "-7", "12", "3")]
    assert [one["number"] for one in post(client, f"{URL}/export/json", *cases_sent, *numbers).json["photos"]] == [
        999, 0, 12, 3,
    ]  # fmt: skip
    page = post(client, f"{URL}/table", *cases_sent, *numbers, ("marked", "1234")).text
    assert re.findall(r'name="marked" value="(\d+)" form="cases" checked', page) == ["999"]
    row = send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, f"{URL}/photo", number="1234")
    assert 'id="photo-999"' in row.text


@pytest.mark.parametrize("page", ["table", "open", "person"])
def test_a_table_has_no_address_so_asking_for_one_leads_to_the_form(client, page):
    response = client.get(f"{URL}/{page}")
    assert (response.status_code, response.location) == (303, URL)


def test_an_archive_is_opened_and_what_is_wrong_in_it_is_listed(make_client, photos):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("visit/ISIC_0.jpg", photos["ISIC_0.jpg"])
        archive.writestr("visit/notes.txt", b"a note")
    page = text_of(
        send_files(make_client(), {"visit.zip": buffer.getvalue(), "bad.zip": b"PK\x03\x04 and no more"}).text
    )
    assert "1. ISIC_0.jpg" in page
    assert "notes.txt : This file is not a photo we can read" in page
    assert "bad.zip : The archive cannot be opened" in page


def test_all_archives_of_a_form_share_one_budget_and_each_that_passes_it_is_told_once(make_client, photos, monkeypatch):
    monkeypatch.setattr(case_forms, "UNPACKED_FACTOR", 1)
    client, buffer = make_client(max_upload_mb=1), io.BytesIO()
    share = client.application.config["MAX_CONTENT_LENGTH"] // 4
    content = (np.random.default_rng(0).bytes(30_000) * 100)[:share]  # packed it takes little more than 30 kB
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.txt", content)
    sent = dict.fromkeys(("first.zip", "second.zip", "third.zip"), buffer.getvalue())
    page = send_files(client, {**sent, "a.jpg": photos["ISIC_0.jpg"]}).text
    listed = re.findall(r"<li[^>]*><strong>([^<]+)</strong>: ([^<]+)<", page)
    assert [name for name, _ in listed] == ["0.txt", "1.txt", "2.txt", "3.txt", "second.zip", "third.zip"]
    assert {reason for name, reason in listed if name.endswith("zip")} == {"The archive holds too much"}
    assert "1. a.jpg" in text_of(page)


def test_a_file_in_an_archive_may_not_be_larger_than_one_sent_by_itself(make_client, photos):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("large.jpg", bytes(1_000_001))
        archive.writestr("ISIC_0.jpg", photos["ISIC_0.jpg"])
    client = make_client(max_upload_mb=1)
    page = text_of(send_files(client, {"visit.zip": buffer.getvalue()}).text)
    assert "large.jpg : The file is too large" in page
    assert "1. ISIC_0.jpg" in page


def test_a_form_without_photos_is_explained(make_client):
    assert send_files(make_client(), {}).status_code == 400


def test_the_script_s_photo_is_answered_with_one_row_or_a_problem(make_client, photos):
    client = make_client()
    row = send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, f"{URL}/photo", number="7")
    assert row.status_code == 200
    assert re.match(r'\s*<tr role="row" id="photo-7"', row.text)
    assert send_files(client, {"a.txt": b"text"}, f"{URL}/photo").status_code == 415
    assert send_files(client, {}, f"{URL}/photo").status_code == 400


def test_an_archive_that_the_script_did_not_open_is_refused_since_one_row_cannot_answer_it(make_client, photos):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in photos.items():
            archive.writestr(name, content)
    assert send_files(make_client(), {"inner.zip": buffer.getvalue()}, f"{URL}/photo").status_code == 415


def test_a_source_that_the_sender_names_decides_the_calibration(make_client, photos):
    client = make_client()
    said = {
        source: send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, source=source).text
        for source in ("phone", "dermoscopy")
    }
    assert "With a phone or camera" in said["phone"]
    assert text_of(said["phone"]) != text_of(said["dermoscopy"]).replace(
        "Through a dermatoscope", "With a phone or camera"
    )


def test_how_the_photos_were_taken_stays_chosen_for_those_to_come(make_client, photos):
    client, chosen = make_client(), r'<option value="(\w+)" selected>'
    page = send_files(client, photos, source="phone").text
    assert re.findall(chosen, page[: page.index('id="cases"')]) == ["phone"]
    carried = [("source", value) for value in re.findall(r'name="source" value="(\w*)"', page)]
    again = post(client, "/kk/clinician/table", *carried, ("case", fields_of(page, "case")[0])).text
    assert re.findall(chosen, again[: again.index('id="cases"')]) == ["phone"]
    unsaid = send_files(client, photos).text
    assert re.findall(r'name="source" value="(\w*)"', unsaid) == [""]


def test_rows_are_sorted_and_filtered_without_a_script(tiny_client, photos):
    carried = series(tiny_client, photos)
    page = post(tiny_client, f"{URL}/table", *carried, ("order", "malignancy")).text
    order = [float(value) for value in re.findall(r'data-malignancy="([^"]+)"', page)]
    assert order == sorted(order, reverse=True)
    assert len(order) == len(photos)
    assert sorted(fields_of(page, "number")) == ["1", "2", "3", "4"]
    by_number = post(
        tiny_client, f"{URL}/table", *[(n, v) for n in ("number", "case", "detail") for v in fields_of(page, n)]
    ).text
    assert fields_of(by_number, "number") == ["1", "2", "3", "4"]
    filtered = post(tiny_client, f"{URL}/table", *carried, ("show", "disagree")).text
    assert len(re.findall(r"<tr role=\"row\" id=[^>]* hidden>", filtered)) == len(photos)


def test_the_model_is_silent_until_the_reader_has_answered(make_client, photos):
    client = make_client(answering=WATCH)
    page = send_files(client, {"a.jpg": photos["ISIC_0.jpg"], "b.jpg": photos["ISIC_1.jpg"]}, own_first="1").text
    rows = page[page.index("<tbody") : page.index("</tbody>")]
    assert "data-hidden" in rows
    assert "ICD-10" not in rows
    assert 'data-told="- - -"' in rows
    carried = [(name, value) for name in ("number", "case", "detail") for value in fields_of(page, name)]
    answered = post(client, f"{URL}/table", *carried, ("own_first", "1"), ("own", "NV"), ("own", "")).text
    assert answered.count("data-hidden") == 1
    assert "same as the model's first" in text_of(answered)
    assert "Your diagnosis and the model's first are the same: 1 of 1." in text_of(answered)


def test_a_diagnosis_stays_with_its_photo_where_the_reader_was_asked_for_some_alone(make_client, photos):
    client = make_client(answering=WATCH)
    carried = series(client, {name: photos[name] for name in ("ISIC_0.jpg", "ISIC_1.jpg")})
    page = post(client, f"{URL}/table", *carried, ("own", ""), ("own", "MEL")).text
    assert fields_of(page, "own") == ["", "MEL"]
    asked = post(client, f"{URL}/table", *carried, ("own_first", "1"), ("own", ""), ("own", "MEL")).text
    first, second = re.findall(r'<tr role="row" id="photo-.*?</tr>', asked, re.DOTALL)
    assert 'select name="own"' in first
    assert (fields_of(first, "own"), fields_of(second, "own")) == ([], ["MEL"])  # the choice is the first one's field


def test_the_script_reveals_one_row_and_asks_for_the_summary(make_client, photos):
    client = make_client(answering=WATCH)
    page = send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, own_first="1").text
    (case,), (detail,) = fields_of(page, "case"), fields_of(page, "detail")
    row = post(
        client, f"{URL}/row", ("case", case), ("detail", detail), ("own", "MEL"), ("own_first", "1"), ("number", "1")
    )
    assert 'data-told="NV MEL -"' in row.text
    said = text_of(post(client, f"{URL}/summary", ("told", "NV MEL -"), ("told", "NV NV NV"), ("failures", "3")).text)
    assert "Photos: 2. Files without an answer: 3." in said.strip()
    assert "Your diagnosis and the model's first are the same: 1 of 2. Cohen's kappa: 0." in said
    assert "The actual diagnosis and the model's first are the same: 1 of 1." in said
    assert "Photos: 0." in text_of(post(client, f"{URL}/summary", ("told", "<script> NV NV")).text)


def test_in_research_mode_the_actual_diagnosis_stands_beside_the_predicted_one(make_client, photos, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_0,1,0,0,0,0,0,0,0,0\nISIC_1,0,1,0,0,0,0,0,0,0\n")
    client = make_client(answering=URGENT, ground_truth_csv=str(table))
    page = text_of(send_files(client, photos).text)
    assert "Actual diagnosis: Melanoma · same as the model's first" in page
    assert "Actual diagnosis: Mole · differs from the model's first" in page
    assert "The actual diagnosis and the model's first are the same: 1 of 2." in page
    assert "may have learned from" in page


def test_an_answer_that_comes_back_as_files_is_read_like_one_in_fields(tiny_client, photos):
    carried = series(tiny_client, photos)
    sealed = {name: [value for field, value in carried if field == name] for name in ("case", "detail")}
    form = MultiDict([("csrf_token", token(tiny_client))])
    for name, values in sealed.items():
        for value in values:
            form.add(name, FileStorage(io.BytesIO(value.encode()), name))
    form.add("failed", FileStorage(io.BytesIO("damaged_image Ә.jpg".encode()), "failed"))
    boundary, body = encode_multipart(form)
    content_type = f"multipart/form-data; boundary={boundary}"
    page = tiny_client.post(f"{URL}/table", data=body, content_type=content_type).text
    assert [name in page for name in (*photos, "Ә.jpg")] == [True] * (len(photos) + 1)
    assert len(fields_of(page, "case")) == len(photos)
    opened = tiny_client.post(f"{URL}/open", data=body, content_type=content_type)
    assert opened.status_code == 200
    assert next(iter(photos)) not in re.search(r"<title>(.*)</title>", opened.text).group(1)


def test_a_changed_case_or_another_photo_s_detail_is_refused(tiny_client, photos):
    carried = series(tiny_client, {name: photos[name] for name in ("ISIC_0.jpg", "ISIC_1.jpg")})
    sealed = [value for name, value in carried if name == "case"]
    details = [value for name, value in carried if name == "detail"]
    for case, detail in [(sealed[0][:-2] + "xx", details[0]), (sealed[0], details[1]), (sealed[0], "no base64")]:
        assert post(tiny_client, f"{URL}/open", ("case", case), ("detail", detail)).status_code == 400
    assert post(tiny_client, f"{URL}/open").status_code == 400


def test_the_pictures_of_a_long_series_come_along_in_one_file(make_client, photos):
    client = make_client()
    carried = series(client, {name: photos[name] for name in ("ISIC_0.jpg", "ISIC_1.jpg")})
    details = [value for name, value in carried if name == "detail"]
    many = [(name, value) for name, value in carried if name in ("case", "number")] * 25
    pictures = "\n".join([details[0], "", *24 * details])
    form = MultiDict([("csrf_token", token(client)), *many, *[("own", "NV"), ("marked", "1")] * 50])
    form.add("failed", "\r\n".join(["damaged_image x.jpg"] * case_forms.MOST_FAILED))
    form.add("pictures", FileStorage(io.BytesIO(pictures.encode()), "pictures"))
    boundary, body = encode_multipart(form)
    page = client.post("/kk/clinician/table", data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert page.status_code == 200
    assert page.text.count('<img src="data:image/jpeg') == 49
    assert page.text.count("<strong>x.jpg</strong>") == case_forms.MOST_FAILED
    form.setlist("pictures", [FileStorage(io.BytesIO(b"\xff" + 49 * b"\n"), "pictures")])
    boundary, body = encode_multipart(form)
    answer = client.post("/kk/clinician/table", data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert answer.status_code == 400


def test_a_file_of_many_lines_takes_no_more_memory_than_its_bytes(app):
    """As many parts as it has bytes, of twelve such forms, took 650 MB."""
    with app.test_request_context(method="POST", data={"pictures": (io.BytesIO(b"\n" * 100_000), "pictures")}):
        assert len(case_forms._pictures(50)) == 51  # one more than cases, so that the form is refused


def test_no_file_without_an_answer_is_dropped_however_many_an_archive_holds(make_client):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(archives.MAX_ENTRIES):
            archive.writestr(f"{number}.txt", f"letter {number}")
    client = make_client()
    page = send_files(client, {"letters.zip": buffer.getvalue()}).text
    again = post(client, "/kk/clinician/table", ("failed", failed_of(page))).text
    exported = json.loads(post(client, f"{URL}/export/json", ("failed", failed_of(again))).text)["failures"]
    assert page.count("<li data-failed=") == again.count("<li data-failed=") == len(exported) == archives.MAX_ENTRIES


def test_a_form_carries_no_more_pictures_than_it_may_hold(tiny_client, photos, monkeypatch):
    client = tiny_client
    carried = series(client, photos)
    monkeypatch.setattr(cases, "MOST_DETAILS", 2 * max(len(value) for name, value in carried if name == "detail"))
    again = post(client, f"{URL}/table", *carried).text
    assert again.count('<img src="data:image/jpeg') == 4
    assert 1 < len([value for value in fields_of(again, "detail") if value]) < 4


@pytest.mark.parametrize(
    "change",
    [{"logits": [0.0]}, {"severe": ["too_noisy"]}, {"said_source": "telescope"}, {"features": "x"}, {"name": None}],
)
def test_a_case_that_another_version_of_the_site_sealed_is_refused(make_client, photos, change):
    client = make_client()
    (sealed,) = [value for name, value in series(client, {"a.jpg": photos["ISIC_0.jpg"]}) if name == "case"]
    with client.application.test_request_context("/"):
        content = cases._serializer().loads(sealed) | change
        if content["name"] is None:
            del content["name"]
        older = cases._serializer().dumps(content)
    assert post(client, f"{URL}/table", ("case", older)).status_code == 400
    assert "send the photo again" in post(client, f"{URL}/export/csv", ("case", older)).text


@pytest.mark.parametrize(
    ("answering", "remark"),
    [
        (WATCH, "not sure how the photo was taken. Choose it"),
        (WATCH_UNLESS_PHONE, "If it was with a phone or camera, the advice is: Urgent."),
    ],
)
def test_a_photo_of_which_nobody_knows_how_it_was_taken_says_so_and_what_hangs_on_it(
    make_client, photos, answering, remark
):
    client = make_client(answering=answering)
    number, (_, sealed), *_ = series(client, {"a.jpg": photos["ISIC_0.jpg"]})
    with client.application.test_request_context("/"):
        seen = np.eye(8, dtype=np.float16)[0]
        case = dataclasses.replace(cases.unseal(sealed), evidence=evidence_of(answering), features=seen)
        certain = dataclasses.replace(case.evidence, source_is_sure=True)
        unsure, sure, said = (
            ("case", cases.seal(one, None).case)
            for one in (case, dataclasses.replace(case, evidence=certain), case.judged_as("dermoscopy"))
        )
    page = post(client, f"{URL}/table", number, unsure).text
    assert remark in text_of(page)
    assert re.search(r'data-flags="[^"]*\bremarks\b', page)
    assert "not sure how" in " ".join(pdf_text(post(client, f"{URL}/export/pdf", number, unsure).data).split())
    assert json.loads(post(client, f"{URL}/export/json", number, unsure).text)["photos"][0]["source_is_sure"] is False
    assert "Remarks: source_unsure." in post(client, f"{URL}/export/fhir", number, unsure).text
    compared = post(client, f"{URL}/person", *[p for n in "123" for p in (("number", n), unsure, ("marked", n))]).text
    assert text_of(compared).count(remark) == 3
    hidden = text_of(post(client, URL, number, unsure, ("own_first", "1")).text)
    assert "not sure how the photo was taken. Choose it" not in hidden
    for known in (sure, said):
        assert "not sure how" not in post(client, URL, number, known).text


@pytest.mark.parametrize(
    ("answering", "said", "otherwise"),
    [
        (WATCH_UNLESS_PHONE, "", "urgent"),  # the tiny bundle's probe takes the photo for one through a dermatoscope
        (WATCH_UNLESS_PHONE, "dermoscopy", None),
        (WATCH, "", None),
    ],
)
def test_no_record_and_no_filter_loses_the_alarm_that_hangs_on_how_the_photo_was_taken(
    make_client, photos, answering, said, otherwise
):
    client = make_client(answering=answering)
    number, (_, sealed), *_ = series(client, {"a.jpg": photos["ISIC_0.jpg"]})
    with client.application.test_request_context("/"):
        case = dataclasses.replace(cases.unseal(sealed), evidence=evidence_of(answering), said_source=said)
        carried = (number, ("case", cases.seal(case, None).case))
    (told,) = json.loads(post(client, f"{URL}/export/json", *carried).text)["photos"]
    assert told["advice"]["level"] == "watch"
    fhir = post(client, f"{URL}/export/fhir", *carried).text
    FhirR4Bundle(json.loads(fhir), strict=True)
    conclusion = json.loads(fhir)["entry"][-1]["resource"]["conclusion"]
    alarm = "Advice if it was taken with a phone or camera: urgent. A doctor should see the spot within 14 days."
    assert (alarm in conclusion) is bool(otherwise)
    shown = post(client, f"{URL}/table", *carried, ("show", "urgent")).text
    assert bool(re.search(r"<tr role=\"row\" id=[^>]* hidden>", shown)) is not bool(otherwise)
    if otherwise:
        expected = {"source": "phone", "level": "urgent", "reasons": [], "if_a_spot": None}
        assert told["advice_otherwise"] == expected
    else:
        assert told["advice_otherwise"] is None


def test_a_calm_answer_says_at_which_places_it_is_none(make_client, photos):
    client = make_client(answering=WATCH)
    carried = series(client, photos, source="dermoscopy")
    opened = [(name, next(value for one, value in carried if one == name)) for name in ("case", "detail")]
    said = "so a calm answer says nothing there: Eyelid or eye; Lip or mouth; Genitals or anus; Palm; Fingernail;"
    for path, fields in (("/table", carried), ("/open", opened)):
        assert said in text_of(post(client, f"{URL}{path}", *fields).text)
    sealed_cases = [value for name, value in carried if name == "case"][:3]
    with client.application.test_request_context("/en/"):
        apart = [
            Item(number, dataclasses.replace(cases.unseal(sealed), features=features), None)
            for number, sealed, features in zip(range(3), sealed_cases, np.eye(3, dtype=np.float16), strict=True)
        ]
        assert said in person_lesions.page(apart).places_without_calm
    for path, fields in (("/export/pdf", carried), ("/lesion.pdf", opened)):
        assert said in " ".join(pdf_text(post(client, f"{URL}{path}", *fields).data).split())
    fhir = post(client, f"{URL}/export/fhir", *carried).text
    assert "where this says nothing: eyelid, lip, genitals, palm, fingernail, sole, toenail." in fhir


def test_every_answer_names_its_model_for_people_and_for_programs(tiny_client, photos):
    client = tiny_client
    carried = series(client, photos)
    pair = [(name, value) for name, value in carried if name in ("case", "detail")][:2]
    marked = [("marked", number) for number in "123"]
    bundle = client.application.extensions["classifier"].bundle
    model = f"{bundle.name} {bundle.version} · {bundle.id[:12]}"
    pages = {
        "table": send_files(client, photos).text,
        "opened": post(client, f"{URL}/open", *dict(carried).items()).text,
        "person": post(client, f"{URL}/person", *carried, *marked).text,
    }
    for name, page in pages.items():
        assert f'<meta name="ai-generated" content="estimate, not a diagnosis; model {model}">' in page, name
        assert f'data-ai-generated="true" data-model="{model}"' in page, name
        assert f'<p class="version">{model}</p>' in page, name
    row = send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, f"{URL}/photo", number="1").text
    again = post(client, f"{URL}/row", ("number", "1"), *pair).text
    for name, fragment in {"by script": row, "again": again}.items():
        assert f'<tr role="row" id="photo-1" data-ai-generated="true" data-model="{model}"' in fragment, name
    assert '<meta name="ai-generated"' not in client.get(URL).text


def test_the_isic_table_has_the_official_columns_and_calibrated_probabilities(tiny_client, photos):
    file = post(tiny_client, f"{URL}/export/csv", *series(tiny_client, {**photos, "=cmd().jpg": photos["ISIC_0.jpg"]}))
    assert 'attachment; filename="skin-check.csv"' in file.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert list(rows[0]) == ["image", *CODES, "UNK"]
    assert [row["image"] for row in rows] == ["ISIC_0", "ISIC_1", "ISIC_2", "ISIC_3", "_cmd()"]
    for row in rows:
        assert sum(float(row[code]) for code in (*CODES, "UNK")) == pytest.approx(1, abs=1e-6)


def test_photos_of_one_name_keep_apart_by_their_row_s_number_in_whatever_order(tiny_client, photos):
    files = {"a/x.jpg": photos["ISIC_0.jpg"], "y.jpg": photos["ISIC_1.jpg"], "b/x.jpg": photos["ISIC_2.jpg"]}
    carried = series(tiny_client, files)
    fields = [(name, value) for name in ("number", "case") for n, value in carried[:6] if n == name]
    turned = [*reversed(fields[:3]), *reversed(fields[3:])]
    tables_of = [
        csv.DictReader(io.StringIO(post(tiny_client, f"{URL}/export/csv", *sent).text)) for sent in (fields, turned)
    ]
    told, told_turned = ({row["image"]: row["MEL"] for row in table} for table in tables_of)
    assert list(told) == ["x (1)", "y", "x (3)"]
    assert told == told_turned


def test_every_file_and_the_opened_photo_give_the_photo_s_number_beside_its_name(make_client, photos):
    client = make_client()
    carried = series(client, {"a/image.jpg": photos["ISIC_0.jpg"], "b/image.jpg": photos["ISIC_1.jpg"]})
    second = [("number", "2"), *[[one for one in carried if one[0] == name][1] for name in ("case", "detail")]]
    told = json.loads(post(client, f"{URL}/export/json", *carried).text)["photos"]
    assert [(photo["number"], photo["name"]) for photo in told] == [(1, "image.jpg"), (2, "image.jpg")]
    content = json.loads(post(client, f"{URL}/export/fhir", *second).text)
    device, *others = [entry["resource"] for entry in content["entry"]]
    said = [one.get("conclusion") or one["note"][0]["text"] for one in others]
    assert len(said) == 3
    assert all("Photo 2: image.jpg." in text for text in said)
    page = post(client, f"{URL}/open", *second).text
    assert re.findall(r"<(?:h1|title)>([^<]+)</", page)[-1] == "2. image.jpg"
    assert 'name="number" value="2"' in page
    assert "2. image.jpg" in pdf_text(post(client, f"{URL}/lesion.pdf", *second).data)
    row = send_files(client, {"a.jpg": photos["ISIC_0.jpg"]}, f"{URL}/photo", number="7").text
    assert 'name="number" value="7"' in re.search(r'<form class="open".*?</form>', row, re.DOTALL).group()


@pytest.mark.parametrize(
    ("sent", "listed"),
    [
        (["x.jpg", "x.png", "x (2).jpg"], ["x (1)", "x (2) (2)", "x (2)"]),
        (["x (2).jpg", "x.jpg", "x.png"], ["x (2)", "x (2) (2)", "x (3)"]),
        (["=1+1.jpg", "+1.jpg", "-1.jpg", "@a.jpg", " =1.jpg"], ["_1+1", "_1 (2)", "_1 (3)", "_a", "_1 (5)"]),
        (["\uff1d1.jpg", "\t=1.jpg", "\u200b=1.jpg", "\u202egpj.jpg"], ["_1 (1)", "_1 (2)", "_1 (3)", "gpj"]),
        (['a,"b"\n.jpg', "меланома қол.jpg", "皮肤.jpg", ".jpg"], ['a,"b"', "меланома қол", "皮肤", ".jpg"]),
        (["a/", " .jpg"], ["a", "photo"]),
    ],
)
def test_a_name_in_the_table_is_no_formula_and_no_other_photo_s(make_client, photos, sent, listed):
    client = make_client()
    (sealed,) = [value for name, value in series(client, {"a.jpg": photos["ISIC_0.jpg"]}) if name == "case"]
    with client.application.test_request_context("/en/"):
        case = cases.unseal(sealed)
        items = [Item(k, dataclasses.replace(case, name=cases.tidy(name)), None) for k, name in enumerate(sent, 1)]
        rows = list(csv.DictReader(io.StringIO(tables.isic_csv(items))))
        assert [row["image"] for row in rows] == listed
        # A letter that the font lacks is no reason to give no file.
        assert pdf.summary_pdf(items, [(cases.tidy(name), "a reason") for name in sent]).startswith(b"%PDF")


def test_the_json_holds_everything_and_the_failures(make_client, photos):
    client = make_client()
    page = send_files(client, {"a.jpg": photos["ISIC_0.jpg"], "b.txt": b"text"}).text
    carried = [("case", fields_of(page, "case")[0]), ("failed", "unsupported_format b.txt")]
    content = json.loads(post(client, f"{URL}/export/json", *carried).text)
    (photo,) = content["photos"]
    assert photo["ranking"][0] == "MEL"
    assert sum(photo["probabilities"].values()) == pytest.approx(1)
    assert {point["name"]: point["reached"] for point in photo["operating_points"]}["urgent"]
    assert content["failures"] == [{"name": "b.txt", "code": "unsupported_format"}]
    assert content["notice"].startswith("AI estimate, not a diagnosis")
    assert content["model"]["name"] == "tiny"


def test_the_fhir_file_passes_the_published_schema_and_says_preliminary_and_by_machine(make_client, photos):
    client = make_client()
    text = post(client, f"{URL}/export/fhir", *series(client, photos, source="dermoscopy")).text
    assert FhirR4Bundle(json.loads(text), strict=True).as_json() == json.loads(text)  # R4 itself, version 4.0.1
    bundle = FhirBundle.model_validate_json(text)  # a little later, and stricter about the forms of dates and codes
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
    assert (kinds.count("Device"), kinds.count("Observation"), kinds.count("DiagnosticReport")) == (1, 8, 4)
    urls = {entry.fullUrl for entry in bundle.entry}
    for entry in json.loads(text)["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Device":
            continue
        assert resource["status"] == "preliminary"
        assert resource["meta"]["security"][0]["code"] == "AIAST"
        references = [one["reference"] for one in resource.get("result", [])] + [
            resource.get("device", {}).get("reference")
        ]
        assert {reference for reference in references if reference} <= urls
        if resource["resourceType"] == "DiagnosticReport":
            assert "not a diagnosis" in resource["conclusion"]
            advised = "Advice: urgent. A doctor should see the spot within 14 days. Remarks: none."
            assert advised in resource["conclusion"]


@pytest.mark.parametrize("answering", [URGENT, WATCH, logits(NV=6, MEL=4)], ids=["urgent", "calm", "not sure"])
def test_a_diagnosis_that_is_only_not_excluded_stands_in_no_record_as_found(make_client, photos, answering):
    client = make_client(answering=answering)
    carried = series(client, {"a.jpg": photos["ISIC_0.jpg"]})
    (told,) = json.loads(post(client, f"{URL}/export/json", *carried).text)["photos"]
    content = json.loads(post(client, f"{URL}/export/fhir", *carried).text)
    assert FhirR4Bundle(content, strict=True).as_json() == content
    _device, ranked, _malignancy, report = [entry["resource"] for entry in content["entry"]]
    assert "conclusionCode" not in report
    remarked = [one["code"]["coding"][0]["code"] for one in ranked["component"] if "interpretation" in one]
    icd_10 = {one.code: one.icd10.removesuffix(".-") for one in CLASSES}
    assert remarked == [icd_10[code] for code in told["ranking"] if code in told["prediction_set"]] != []
    remarks = {one["interpretation"][0]["text"] for one in ranked["component"] if "interpretation" in one}
    assert remarks == {"In the prediction set at 95% coverage: not excluded, not found"}


def pdf_text(data: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


@pytest.mark.parametrize(
    ("answering", "file", "cannot"),
    [
        (STRANGE, None, True), (STRANGE_URGENT, None, True), (WATCH, None, False),
        (URGENT, encode(Image.new("RGB", (400, 300))), True),
    ],
    ids=["strange", "strange and urgent", "good", "dark and urgent"],
)  # fmt: skip
def test_the_clinician_is_told_of_the_same_photos_as_the_patient_that_they_cannot_be_judged(
    make_client, photos, answering, file, cannot
):
    client, told = make_client(answering=answering), "This photo cannot be judged."
    content = file or photos["ISIC_0.jpg"]
    assert (told in send(client, content).text) is cannot
    carried = series(client, {"a.jpg": content})
    pair = [(name, value) for name, value in carried if name in ("case", "detail")]
    pages = [
        post(client, f"{URL}/table", *carried).text,
        post(client, f"{URL}/open", *pair).text,
        *(
            " ".join(pdf_text(post(client, f"{URL}/{path}", *sent).data).split())
            for path, sent in (("export/pdf", carried), ("lesion.pdf", pair))
        ),
    ]
    dated = str(wording.IF_A_SPOT[Level.URGENT].heading)
    assert {told in page for page in pages} == {cannot}
    assert {dated in page for page in pages} == {answering == STRANGE_URGENT}
    (told_to_programs,) = json.loads(post(client, f"{URL}/export/json", *carried).text)["photos"]
    assert told_to_programs["cannot_be_judged"] is cannot
    content = json.loads(post(client, f"{URL}/export/fhir", *carried).text)
    assert FhirR4Bundle(content, strict=True).as_json() == content
    (report,) = [e["resource"] for e in content["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert (told in report["conclusion"]) is cannot
    assert ("a doctor should see the spot within 14 days" in report["conclusion"]) is (answering == STRANGE_URGENT)


def test_a_photo_that_the_model_is_not_sure_of_calms_no_clinician_either(make_client, photos):
    unsure = logits(BKL=6, NV=6)
    client, remark = make_client(answering=unsure), str(wording.ISSUES["unsure"].what)
    carried = series(client, {"a.jpg": photos["ISIC_0.jpg"]})
    page = post(client, f"{URL}/table", *carried).text
    assert remark in page
    assert "This photo cannot be judged." in page
    assert str(wording.LEVELS[Level.WATCH].word) not in page
    assert remark in pdf_text(post(client, f"{URL}/export/pdf", *carried).data)
    assert '<details class="no-answer">' in page
    (photo,) = json.loads(post(client, f"{URL}/export/json", *carried).text)["photos"]
    assert photo["cannot_be_judged"]
    told = photo["advice"]
    assert told == {"level": "cannot_judge", "reasons": ["unsure"], "if_a_spot": None}
    content = json.loads(post(client, f"{URL}/export/fhir", *carried).text)
    assert FhirR4Bundle(content, strict=True).as_json() == content
    (report,) = [e["resource"] for e in content["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert "Advice: cannot_judge. This photo cannot be judged" in report["conclusion"]
    assert "Remarks: unsure source_unsure." in report["conclusion"]
    assert "Prediction set" not in report["conclusion"]
    assert all("component" not in entry["resource"] for entry in content["entry"])
    hidden = post(client, f"{URL}/table", *carried, ("own_first", "1")).text
    assert remark not in hidden  # it would tell that no threshold is reached


def test_the_numbers_of_a_photo_that_cannot_be_judged_are_folded_away_and_compared_with_nothing(make_client, photos):
    client = make_client(answering=STRANGE_URGENT)
    carried = series(client, {"a.jpg": photos["ISIC_0.jpg"]})
    table = post(client, f"{URL}/table", *carried, ("own", "NV")).text
    opened = post(client, f"{URL}/open", *carried).text
    for page in (table, opened):
        before, numbers = page.split('<details class="no-answer">')
        numbers, after = numbers.rsplit("</details>", 1)
        assert "not to be read as an answer" in text_of(numbers)
        for shown in (text_of(before[before.index("<h1") :]), text_of(after)):
            assert not re.search(r"\d%|ICD-10|not reached|Prediction set: MEL|Where the model looked", shown), shown
        assert "ICD-10" in numbers
        assert "If it shows a spot on skin" in before
    assert 'data-told="cannot_judge NV -"' in table
    assert "Your diagnosis: Mole" in text_of(table)
    assert "the model's first" not in text_of(table)
    assert 'data-flags="urgent soon remarks"' in table
    assert "Photos that cannot be judged: 1. They are left out" in text_of(table)
    said = text_of(post(client, f"{URL}/summary", ("told", "cannot_judge NV NV"), ("told", "NV NV NV")).text)
    assert "Photos that cannot be judged: 1." in said
    assert "Your diagnosis and the model's first are the same: 1 of 1." in said
    assert "The actual diagnosis and yours are the same: 2 of 2." in said
    drawn = post(client, f"{URL}/open", *carried, ("class", "NV"), ("draw", "1")).text
    assert '<details class="no-answer" open>' in drawn


def test_a_probability_beyond_its_digits_is_neither_none_nor_certain_in_a_record(make_client, photos):
    client = make_client(answering=logits(MEL=25))
    content = json.loads(post(client, f"{URL}/export/fhir", *series(client, {"a.jpg": photos["ISIC_0.jpg"]})).text)
    ranked = content["entry"][1]["resource"]["component"]
    assert ranked[0]["valueQuantity"].items() >= {"value": 99.99, "comparator": ">"}.items()
    for one in ranked[1:]:
        assert one["valueQuantity"] == {
            "value": 0.01, "comparator": "<", "unit": "%", "system": "http://unitsofmeasure.org", "code": "%",
        }  # fmt: skip


@pytest.mark.parametrize(("answering", "judged"), [(STRANGE_URGENT, False), (URGENT, True)])
def test_on_paper_a_photo_that_cannot_be_judged_has_reasons_and_no_diagnosis(make_client, photos, answering, judged):
    client = make_client(answering=answering)
    carried = series(client, {"wall.jpg": photos["ISIC_0.jpg"]})
    for path in ("export/pdf", "lesion.pdf"):
        told = " ".join(pdf_text(post(client, f"{URL}/{path}", *carried).data).split())
        words = ("%", "MEL", "Melanoma", "Malignancy", "Prediction set", "reached")
        assert {word for word in words if word.lower() in told.lower()} == (set(words) if judged else set()), path
        assert ("The photo is unlike the spots that the model has learned from." in told) is not judged
        assert ("If it shows a spot on skin, show the spot to a doctor within 2 weeks." in told) is not judged
        assert "1. wall.jpg" in told


def test_beside_the_isic_table_s_button_stands_what_it_cannot_say(client):
    page = client.get(URL).text
    assert "photos that cannot be judged" in page[page.index('class="exports"') :]
    assert "marks them as cannot_be_judged" in page[page.index('class="exports"') :]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdfs_are_readable_in_each_language(make_client, photos, language):
    client = make_client(answering=SOON)
    carried = series(client, {**photos, "notes.txt": b"text"})
    summary = PdfReader(
        io.BytesIO(post(client, f"/{language}/clinician/export/pdf", *carried, ("failed", "damaged_image z.jpg")).data)
    )
    text = "".join(page.extract_text() for page in summary.pages)
    assert all(name in text for name in (*photos, "z.jpg"))
    pair = [next(one for one in carried if one[0] == name) for name in ("case", "detail")]
    single = PdfReader(io.BytesIO(post(client, f"/{language}/clinician/lesion.pdf", *pair).data))
    assert len(single.pages) == 1
    text = single.pages[0].extract_text()
    assert all(code in text for code in CODES)
    assert {"en": "Report on one photo", "ru": "Отчёт модели", "kk": "Бір фото бойынша"}[language] in text


@pytest.mark.parametrize(
    ("page", "templates"),
    [
        (clinician.SeriesPage, ["series", "_wide"]), (opened_photo.PhotoPage, ["photo"]),
        (person_lesions.PersonPage, ["person"]), (points_at_prevalence.PointsPage, ["points"]),
    ],
)  # fmt: skip
def test_a_page_s_data_are_what_its_template_uses(page, templates):
    sources = "".join((ROOT / "templates" / "clinician" / f"{name}.html").read_text("utf-8") for name in templates)
    used = set(re.findall(r"\bpage\.(\w+)", sources))
    assert used == {field.name for field in dataclasses.fields(page)}
