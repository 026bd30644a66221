"""Each of the eight diagnoses has its words and its page."""

import dataclasses
import html

import pytest

from app.conditions import CODE_OF_SLUG, CONDITIONS, GROUPS
from app.i18n import LANGUAGES
from model_store.classes import CLASSES, CODES, Group


def test_every_diagnosis_and_group_has_its_words():
    assert CONDITIONS.keys() == set(CODES) == set(CODE_OF_SLUG.values())
    assert GROUPS.keys() == set(Group)


@pytest.mark.parametrize("lesion_class", CLASSES, ids=CODES)
def test_its_page_says_all_of_it_with_its_codes_and_group(client, english, lesion_class):
    condition = CONDITIONS[lesion_class.code]
    page = html.unescape(client.get(f"/en/conditions/{condition.slug}").text)
    for field in dataclasses.fields(condition)[1:]:  # the first is the slug
        assert english(getattr(condition, field.name)) in page
    assert f"ICD-10 {lesion_class.icd10}" in page
    assert lesion_class.icdo3 in page
    assert english(GROUPS[lesion_class.group]) in page


@pytest.mark.parametrize("lesion_class", CLASSES, ids=CODES)
def test_what_needs_a_doctor_says_by_when(english, lesion_class):
    go = english(CONDITIONS[lesion_class.code].go)
    weeks = {"MEL": "2 weeks", "SCC": "2 weeks", "BCC": "4 weeks", "AK": "4 weeks", "VASC": "4 weeks"}
    assert weeks.get(lesion_class.code, "See a doctor if") in go


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CODES)
def test_a_translated_medical_name_leaves_out_none_of_the_diagnoses_that_it_gathers(app, english, code, language):
    medical_name = CONDITIONS[code].medical_name
    with app.test_request_context(f"/{language}/"):
        assert str(medical_name).count(", ") == english(medical_name).count(", ")
