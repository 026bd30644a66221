"""The language comes from the address, then from the browser; every catalogue is complete."""

import re
from pathlib import Path

import polib
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from app.i18n import DEFAULT_LANGUAGE, LANGUAGES, best_language

ROOT = Path(__file__).parent.parent.parent
THREE = ("en", "ru", "kk")
TRANSLATED = [language for language in LANGUAGES if language != DEFAULT_LANGUAGE]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("kk", "kk"), ("kk-KZ,kk;q=0.9,ru;q=0.8", "kk"), ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"), ("en-GB", "en"),
        ("de,ru;q=0.5", "ru"), ("de", "en"), ("", "en"), ("ru;q=0.3,kk;q=0.7", "kk"), ("ru;q=0,en", "en"),
    ],
)  # fmt: skip
def test_the_browser_s_wish_counts_in_its_own_order(header, language):
    assert best_language(parse_accept_header(header, LanguageAccept), THREE) == language


@pytest.mark.parametrize("header", [None, "de", "en-GB,en;q=0.9"])
def test_the_start_leads_to_the_language_and_says_on_what_that_depends(client, header):
    response = client.get("/", headers={"Accept-Language": header} if header else {})
    assert (response.status_code, response.location) == (302, "/en/")
    assert "Accept-Language" in response.headers["Vary"]


def test_the_address_is_stronger_than_the_browser(client):
    response = client.get("/en/", headers={"Accept-Language": "kk"})
    assert '<html lang="en">' in response.text


def test_an_address_in_a_language_that_we_do_not_speak_is_unknown(client):
    assert client.get("/de/").status_code == 404


def test_an_unknown_page_answers_in_the_language_of_its_address(client):
    for language in LANGUAGES:
        assert f'<html lang="{language}">' in client.get(f"/{language}/nowhere").text


@pytest.mark.parametrize("path", ["", "conditions/melanoma", "about"])
def test_the_switch_leads_to_the_same_page_in_every_other_language(client, path):
    page = client.get(f"/en/{path}").text
    switch = re.findall(r'<a href="([^"]+)" lang="(\w+)" hreflang', page)
    assert switch == ([(f"/{language}/{path}", language) for language in LANGUAGES] if len(LANGUAGES) > 1 else [])


def extracted() -> set:
    """Every message in our sources, a plural as the pair of its forms."""
    with (ROOT / "app" / "babel.cfg").open() as file:
        method_map, options = parse_mapping_cfg(file)
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "_l": None, "lazy_gettext": None}
    found = extract_from_dir(ROOT, method_map, options, keywords)
    return {message for _, _, message, _, _ in found}


def test_messages_are_found_in_code_and_in_pages():
    messages = extracted()
    assert "Show this spot to a doctor within 2 weeks." in messages
    assert "Send the photo" in messages


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_message_and_no_other_with_the_same_placeholders(language):
    catalogue = polib.pofile(ROOT / "app" / "translations" / language / "LC_MESSAGES" / "messages.po")
    entries = {
        (entry.msgid, entry.msgid_plural) if entry.msgid_plural else entry.msgid: entry
        for entry in catalogue
        if not entry.obsolete
    }
    assert entries.keys() == extracted()
    for message, entry in entries.items():
        assert not entry.fuzzy, message
        for translation in entry.msgstr_plural.values() or [entry.msgstr]:
            assert translation.strip(), message
            assert placeholders(translation) == placeholders(entry.msgid_plural or entry.msgid), message


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]", text))
