"""Several lesions of one person: which is least like the others, and which cannot be compared."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image
from werkzeug.datastructures import MultiDict
from werkzeug.test import encode_multipart

from app import case_forms, cases, person_lesions, wording
from app.advice import Level
from app.case_rows import Item
from model_store.classifier import Classifier
from tests.app.conftest import STRANGE_URGENT, URGENT, encode, evidence_of, logits, token
from tests.app.series import URL, post, series, serving
from tests.app.test_patient import assert_is_whole, text_of


def test_the_least_alike_of_a_person_s_lesions_comes_first(tiny_client, photos):
    carried = series(tiny_client, photos)
    marked = [("marked", number) for number in ("1", "2", "4")]
    answer = post(tiny_client, f"{URL}/person", *carried, *marked)
    assert_is_whole(answer.text)
    distances = [float(text) for text in re.findall(r'row-percent">([\d.]+)<', answer.text)]
    assert len(distances) == 3
    assert distances == sorted(distances, reverse=True)
    assert "ISIC_2.jpg" not in answer.text
    assert "nobody has measured yet" in text_of(answer.text)


def test_two_lesions_are_too_few_and_the_page_says_how_many_are_needed(tiny_client, photos):
    answer = post(tiny_client, f"{URL}/person", *series(tiny_client, photos), ("marked", "1"), ("marked", "2"))
    assert answer.status_code == 400
    assert "At least 3 lesions" in text_of(answer.text)


def test_photos_that_cannot_be_judged_are_listed_and_not_compared(make_app, photos):
    client = make_app(rate_limit="").test_client()
    carried = series(client, photos)
    wall = encode(Image.new("RGB", (400, 300), (40, 160, 60)))
    carried += [("number", "9"), *[pair for pair in series(client, {"ISIC_0.jpg": wall}) if pair[0] != "number"]]
    marked = [("marked", number) for number in ("1", "2", "3", "9")]
    page = post(client, f"{URL}/person", *carried, *marked).text
    compared, listed = text_of(page).split("Not compared: cannot be judged")
    assert "among 3 lesions" in compared
    assert "Photo 9" not in compared
    assert "Photo 1: ISIC_0.jpg" in compared
    assert "Photo 9: ISIC_0.jpg This photo cannot be judged." in listed
    assert re.findall(r'name="marked" value="(\d+)"', page) == ["1", "2", "3", "9"]  # another language lists it too
    few = post(client, f"{URL}/person", *carried, *marked[1:])
    assert few.status_code == 400
    assert "cannot be judged do not count" in text_of(few.text)


def test_a_photo_that_is_not_compared_keeps_its_alarm(make_client, photos):
    client = make_client()
    carried = series(client, photos)
    with client.application.test_request_context("/en/"):
        seen = [cases.unseal(value) for name, value in carried if name == "case"]
        apart = [dataclasses.replace(case, features=np.eye(8, dtype=np.float16)[k]) for k, case in enumerate(seen)]
        apart[3] = dataclasses.replace(apart[3], evidence=evidence_of(STRANGE_URGENT))
        (listed,) = person_lesions.page([Item(k, case, None) for k, case in enumerate(apart)]).not_compared
    assert listed.level == str(wording.IF_A_SPOT[Level.URGENT].heading)


def test_photos_taken_in_different_ways_are_compared_without_pointing_one_out(tiny_client, photos):
    client = tiny_client
    names = list(photos)
    carried = [
        pair
        for source, sent in (("phone", names[:2]), ("dermoscopy", names[2:]))
        for pair in series(client, {name: photos[name] for name in sent}, source=source)
        if pair[0] != "number"
    ]
    marked = [pair for number in "1234" for pair in (("number", number), ("marked", number))]
    answer = post(client, f"{URL}/person", *carried, *marked)
    page = text_of(answer.text)
    assert all(name in page for name in names)
    assert "so none is pointed out here" in page
    assert "Least like the others" not in page
    assert 'class="odd"' not in answer.text
    alike = text_of(post(client, f"{URL}/person", *series(client, photos, source="phone"), *marked[1::2]).text)
    assert "Least like the others" in alike
    assert "none is pointed out" not in alike


@pytest.mark.parametrize(("answering", "judged"), [(logits(BKL=6, NV=6), False), (URGENT, True)])
def test_a_person_s_lesion_that_cannot_be_judged_is_compared_without_its_probabilities(
    make_app, photos, answering, judged
):
    client = make_app(rate_limit="").test_client()
    carried = series(client, photos, source="dermoscopy")
    with client.application.test_request_context("/"):
        items = [cases.unseal(value) for name, value in carried if name == "case"]
        sealed = [cases.seal(dataclasses.replace(one, evidence=evidence_of(answering)), None).case for one in items]
    marked = [pair for n, one in enumerate(sealed, 1) for pair in (("number", n), ("marked", n), ("case", one))]
    page = text_of(post(client, f"{URL}/person", *marked).text)
    assert "Least like the others, among 4 lesions" in page
    assert page.count("rank by melanoma") == (4 if judged else 0)
    assert page.count("This photo cannot be judged.") == (0 if judged else 4)


def test_who_knows_how_a_person_s_photos_were_taken_says_it_where_the_model_told_them_apart(make_client, photos):
    client = make_client()
    carried = dict(series(client, {"a.jpg": photos["ISIC_0.jpg"]}))
    with client.application.test_request_context("/"):
        case = cases.unseal(carried["case"])
        told_apart = [
            dataclasses.replace(case, evidence=evidence_of(URGENT, source), features=features)
            for source, features in zip(("phone", "phone", "dermoscopy"), np.eye(3, dtype=np.float16), strict=True)
        ]
        sealed = [cases.seal(one, None).case for one in told_apart]
    fields = [
        pair
        for number, one in enumerate(sealed, start=1)
        for pair in (("case", one), ("number", str(number)), ("marked", str(number)))
    ]
    page = post(client, f"{URL}/person", *fields).text
    assert "none is pointed out here" in page
    assert re.findall(r'name="taken" value="(\w+)"', page) == ["dermoscopy", "phone"]
    said = post(client, f"{URL}/person", *fields, ("taken", "phone")).text
    assert "Least like the others" in said
    assert text_of(said).count("With a phone or camera") == 3
    kept = re.findall(r'name="case" value="([^"]+)"', said)
    with client.application.test_request_context("/"):
        assert {cases.unseal(one).said_source for one in kept} == {"phone"}


def test_a_person_s_page_keeps_all_pictures_in_another_language(tiny_client, photos, monkeypatch):
    client, names = tiny_client, list(photos)
    carried = series(client, photos)
    monkeypatch.setattr(cases, "MOST_DETAILS", 0)  # what one body of fields holds; the page sends its fields in parts
    fifty = [
        pair
        for number in range(1, case_forms.LIMIT + 1)
        for pair in [
            ("number", str(number)), ("marked", str(number)),
            *[(name, value) for index in [number % len(names)]
              for name in ("case", "detail") for value in [[v for n, v in carried if n == name][index]]],
        ]
    ]  # fmt: skip
    sent = MultiDict([("csrf_token", token(client)), *fifty])
    for language in ("en", "kk"):
        boundary, body = encode_multipart(sent)
        answer = client.post(
            f"/{language}/clinician/person", data=body, content_type=f"multipart/form-data; boundary={boundary}"
        )
        assert answer.text.count("<img ") == case_forms.LIMIT
        form = re.search(r'<form id="lesions".*?</form>', answer.text, re.DOTALL).group()
        assert 'enctype="multipart/form-data"' in form
        sent = MultiDict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def test_what_was_measured_of_the_odd_one_out_is_shown_with_its_intervals(make_app, classifier, photos):
    measured = {"count": 5, "persons": 20, "melanomas": 7, "by_chance": 0.2}
    measured |= {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("by_distance", "by_melanoma_probability")}
    bundle = dataclasses.replace(classifier.bundle, report={"ugly_duckling": {"lesions": [measured]}})
    client = serving(make_app(rate_limit=""), Classifier(bundle, classifier.engine))
    marked = [("marked", number) for number in ("1", "2", "3")]
    page = text_of(post(client, f"{URL}/person", *series(client, photos), *marked).text)
    assert "melanomas used: 7" in page
    assert "5 50% (40%–60%) 50% (40%–60%) 20%" in page
