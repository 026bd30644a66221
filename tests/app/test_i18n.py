"""The language comes from the address, then from the browser; tests/app/test_translations.py looks at the texts."""

import re

import pytest
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from app.i18n import LANGUAGES, best_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("kk", "kk"), ("kk-KZ,ru;q=0.8", "kk"), ("kk-KZ,kk;q=0.9,ru;q=0.8", "kk"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"), ("en-GB", "en"),
        ("de,ru;q=0.5", "ru"), ("de", "en"), ("", "en"), ("ru;q=0.3,kk;q=0.7", "kk"), ("ru;q=0,en", "en"),
    ],
)  # fmt: skip
def test_the_browser_s_wish_counts_in_its_own_order(header, language):
    assert best_language(parse_accept_header(header, LanguageAccept), tuple(LANGUAGES)) == language


@pytest.mark.parametrize(
    ("header", "address"),
    [(None, "/en/"), ("de", "/en/"), ("en-GB,en;q=0.9", "/en/"), ("kk-KZ,ru;q=0.8", "/kk/"), ("ru", "/ru/")],
)
def test_the_start_leads_to_the_language_and_says_on_what_that_depends(client, header, address):
    response = client.get("/", headers={"Accept-Language": header} if header else {})
    assert (response.status_code, response.location) == (302, address)
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize(
    ("address", "led_to"),
    [
        ("/clinician", "/ru/clinician"),
        ("/model", "/ru/model"),
        ("/conditions/melanoma", "/ru/conditions/melanoma"),
        ("/clinician/operating-points?prevalence=3&x=%22%3E", "/ru/clinician/operating-points?prevalence=3&x=%22%3E"),
        ("/about?lang=kk", "/kk/about?lang=kk"),
    ],
)
def test_an_address_that_only_lacks_its_language_leads_to_the_visitors(client, address, led_to):
    response = client.get(address, headers={"Accept-Language": "ru"})
    assert (response.status_code, response.location) == (302, led_to)
    assert "Accept-Language" in response.headers["Vary"]
    assert client.get(led_to).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/clinician", "/en/", "/en/clinician/operating-points", "/en/nowhere", "/api/v1/"]
)
def test_a_query_that_is_no_text_is_as_good_as_any_other(client, path):
    plain, odd = (client.get(path, environ_overrides={"QUERY_STRING": query}) for query in ("x=y", "x=\xff"))
    assert odd.status_code == plain.status_code
    assert (odd.location or "").replace("%FF", "y") == (plain.location or "")


@pytest.mark.parametrize("address", ["/nowhere", "/result.php", "/kk/nowhere", "/static/nothing.js", "/api/v1/nothing"])
def test_an_address_that_is_unknown_in_every_language_leads_nowhere(client, address):
    assert client.get(address).status_code == 404


def test_what_is_sent_to_an_address_without_its_language_is_not_sent_on(client):
    assert client.post("/result").status_code == 404


def test_the_address_is_stronger_than_the_browser(client):
    response = client.get("/en/", headers={"Accept-Language": "kk"})
    assert '<html lang="en">' in response.text


def test_an_address_in_a_language_that_we_do_not_speak_is_unknown(client):
    assert client.get("/de/").status_code == 404


def test_an_unknown_page_answers_in_the_language_of_its_address(client):
    for language in LANGUAGES:
        assert f'<html lang="{language}">' in client.get(f"/{language}/nowhere").text


@pytest.mark.parametrize("path", ["", "conditions/melanoma", "about"])
def test_the_switch_and_the_head_lead_to_the_same_page_in_every_language(client, path):
    page = client.get(f"/en/{path}").text
    switch = re.findall(r'<a href="([^"]+)" lang="(\w+)" hreflang="(\w+)"', page)
    assert switch == [(f"/{language}/{path}", language, language) for language in LANGUAGES]
    head = re.findall(r'<link rel="alternate" hreflang="(\w+)" href="([^"]+)">', page)
    assert head == [(language, f"http://localhost/{language}/{path}") for language in LANGUAGES]


def test_what_a_page_was_asked_goes_along_into_the_other_language(client):
    page = client.get("/en/clinician/operating-points?prevalence=3&source=phone&_external=1&x=%22%3E").text
    links = re.findall(r'<a href="([^"]+)" lang="(\w+)" hreflang', page)
    asked = "prevalence=3&amp;source=phone&amp;_external=1&amp;x=%22%3E"
    assert links == [(f"/{language}/clinician/operating-points?{asked}", language) for language in LANGUAGES]


def test_the_page_about_the_api_is_read_in_the_language_that_the_visitor_came_in_and_can_change_it(client):
    english = {"Accept-Language": "en"}
    address = re.search(r'<a href="([^"]+)">API</a>', client.get("/ru/about", headers=english).text).group(1)
    page = client.get(address, headers=english).text
    assert '<html lang="ru">' in page
    links = re.findall(r'<a href="([^"]+)" lang="(\w+)" hreflang', page)
    assert links == [(f"/api/v1/?lang={language}", language) for language in LANGUAGES]


def test_an_unknown_page_says_in_the_other_languages_too_that_it_is_unknown(client):
    page = client.get("/en/no%22where?x=1").text
    links = re.findall(r'<a href="([^"]+)" lang="(\w+)" hreflang', page)
    assert links == [(f"/{language}/no%22where?x=1", language) for language in LANGUAGES]
    assert re.findall(r'<a href="([^"]+)" lang="ru" hreflang', client.get("/elsewhere//x").text) == ["/ru/"]


def test_a_page_without_an_address_of_its_own_names_no_other_languages_to_search_engines(client):
    assert 'rel="alternate"' not in client.get("/en/nowhere").text
