"""axe-core's rules for WCAG 2.2 A and AA find nothing on any page, in light and dark colours."""

import pytest

from app.i18n import DEFAULT_LANGUAGE, LANGUAGES
from tests.browser.pages import follow, violations


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/en/conditions", "/en/conditions/melanoma", "/en/signs", "/en/about",
                                  "/en/privacy", "/en/terms", "/en/compare", "/en/model", "/api/v1/",
                                  "/en/no-such-page"])  # fmt: skip
def test_a_page_is_accessible(visit, path, colours):
    phone = visit()
    phone.page.emulate_media(color_scheme=colours)
    phone.open(path)
    assert violations(phone.page) == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_answer_is_accessible(visit, send_photo, colours):
    phone = visit()
    phone.page.emulate_media(color_scheme=colours)
    send_photo(phone)
    phone.page.locator(".seen summary").click()
    assert violations(phone.page) == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != DEFAULT_LANGUAGE])
def test_the_pages_and_the_answer_are_accessible_in_the_other_languages_too(visit, send_photo, language):
    phone = visit()
    for path in ("", "conditions", "conditions/melanoma", "signs", "about", "privacy", "terms", "compare", "model",
                 "clinician", "clinician/operating-points"):  # fmt: skip
        phone.open(f"/{language}/{path}")
        assert violations(phone.page) == [], path
    send_photo(phone)
    follow(phone.page, phone.page.locator(".languages").get_by_role("button", name=LANGUAGES[language]))
    phone.page.locator(f'html[lang="{language}"] article.answer').wait_for()
    assert violations(phone.page) == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_letter_and_the_photos_side_by_side_are_accessible(visit, send_photo, open_letter, photo_file, colours):
    phone = visit()
    phone.page.emulate_media(color_scheme=colours)
    send_photo(phone)
    open_letter(phone)
    phone.page.emulate_media(color_scheme=colours)
    assert violations(phone.page) == []
    phone.open("/en/compare")
    phone.page.locator("#picture").set_input_files(photo_file)
    phone.page.locator("#name").fill("left forearm")
    phone.page.locator("#add button").click()
    phone.page.locator("#pair").wait_for()
    assert violations(phone.page) == []


@pytest.mark.parametrize("path", ["/en/", "/en/compare", "/en/model"])
def test_forced_colours_and_reduced_motion_leave_nothing_unreadable(visit, path):
    phone = visit()
    phone.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    phone.open(path)
    assert violations(phone.page) == []
    assert phone.page.evaluate("document.getAnimations().length") == 0
