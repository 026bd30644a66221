"""The same journey in each language, on the narrowest phone."""

import pytest

from app.i18n import LANGUAGES
from tests.browser.pages import BROKEN_WORDS, WITH_AND_WITHOUT_JAVASCRIPT, follow

PAGES = ["", "conditions", "conditions/seborrhoeic-keratosis", "conditions/basal-cell-carcinoma", "signs", "about",
         "privacy", "terms", "compare", "model", "no-such-page"]  # fmt: skip
STICKING_OUT = """nodes => nodes
    .filter(node => !node.closest(".scroll")) // tables scroll inside their own box
    .filter(node => getComputedStyle(node).display != "inline" && node.scrollWidth > node.clientWidth + 1)
    .map(node => node.textContent.trim())"""
WIDEST_PERCENT = "nodes => nodes.forEach(node => { node.textContent = '> 99\\u00a0%'; })"


def assert_reads_well(phone, language: str) -> None:
    """The page is in this language; no long word makes it wider than the screen, leaves its box or is broken in two."""
    assert phone.page.locator("html").get_attribute("lang") == language
    assert phone.page.locator('.languages [aria-current="true"]').get_attribute("lang") == language
    assert phone.overflow_px() == 0
    assert phone.page.locator("body *:not(svg *)").evaluate_all(STICKING_OUT) == []
    assert phone.page.locator("main").evaluate_all(BROKEN_WORDS) == []


def with_large_letters(route) -> None:
    """The style sheet as it acts where its reader has set letters to 200 percent."""
    sheet = route.fetch().text()
    assert "font-size: 112.5%" in sheet
    route.fulfill(body=sheet.replace("font-size: 112.5%", "font-size: 225%"), content_type="text/css")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_too_wide_for_its_words(visit, language):
    phone = visit(width=320, javascript=False)
    for path in PAGES:
        phone.open(f"/{language}/{path}")
        for width in (320, 640):  # the narrowest phone; a desk's window at 200 percent
            phone.page.set_viewport_size({"width": width, "height": 400})
            assert_reads_well(phone, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_twice_as_large_make_no_page_wider_than_the_phone(visit, send_photo, language):
    phone = visit()
    phone.page.route("**/site.css*", with_large_letters)
    for path in PAGES:
        phone.open(f"/{language}/{path}")
        assert phone.overflow_px() == 0, path
    send_photo(phone)
    follow(phone.page, phone.page.locator(".languages").get_by_role("button", name=LANGUAGES[language]))
    phone.page.locator(f'html[lang="{language}"] article.answer').wait_for()
    assert phone.overflow_px() == 0


@WITH_AND_WITHOUT_JAVASCRIPT
def test_the_answer_is_read_in_each_language_without_sending_the_photo_again(visit, send_photo, javascript):
    phone = visit(width=320, javascript=javascript)
    send_photo(phone)
    headings = set()
    for language, name in LANGUAGES.items():
        follow(phone.page, phone.page.locator(".languages").get_by_role("button", name=name))
        phone.page.locator(f'html[lang="{language}"] article.answer').wait_for()
        for diagnosis in phone.page.locator(".row-name a").all_inner_texts():  # each could be the most likely
            phone.page.locator(".top-name a").evaluate("(link, name) => { link.textContent = name; }", diagnosis)
            assert_reads_well(phone, language)
        headings.add(phone.page.locator("h1").inner_text())
    assert len(headings) == len(LANGUAGES)


def test_the_letter_reads_well_in_each_language_on_the_narrowest_phone(visit, send_photo, open_letter):
    phone = visit(width=320, javascript=False)
    send_photo(phone)
    open_letter(phone)
    for language, name in LANGUAGES.items():
        follow(phone.page, phone.page.locator(".languages").get_by_role("button", name=name))
        phone.page.locator(f'html[lang="{language}"] article.letter').wait_for()
        phone.page.locator(".row-percent").evaluate_all(WIDEST_PERCENT)
        assert_reads_well(phone, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_script_says_is_in_the_language_of_the_page(visit, photo_file, language):
    phone = visit()
    phone.open(f"/{language}/")
    said = phone.page.locator("form#upload").get_attribute("data-text-no-photo")
    phone.page.locator('form#upload button[type="submit"]').click()
    phone.page.get_by_text(said, exact=True).wait_for()
    phone.page.locator('input[type="file"]').last.set_input_files(photo_file)
    phone.page.get_by_text(phone.page.locator("form#upload").get_attribute("data-text-ready"), exact=True).wait_for()
    phone.page.locator('form#upload button[type="submit"]').click()
    phone.page.locator(f'html[lang="{language}"] article.answer').wait_for()
