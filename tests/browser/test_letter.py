"""From the photo to the letter for the doctor, on paper and as a file, on a phone and on a desk."""

import io

import pypdf
import pytest

from app.i18n import LANGUAGES
from tests.browser.pages import WITH_AND_WITHOUT_JAVASCRIPT, follow

WIDTHS = [360, 1280]


@WITH_AND_WITHOUT_JAVASCRIPT
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_photo_becomes_a_letter_of_one_page(visit, photo_file, open_letter, language, width, javascript):
    window = visit(width=width, javascript=javascript)
    page = window.page
    window.open(f"/{language}/")
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    if javascript:
        page.locator("canvas").wait_for()
    page.locator('input[name="source"][value="phone"]').check()
    page.locator("#site").select_option("sole")
    follow(page, page.locator('form#upload button[type="submit"]'))
    page.locator(f'html[lang="{language}"] article.answer').wait_for()
    assert page.locator(".advice strong").count() == 1  # the model hardly knows soles
    assert window.overflow_px() == 0

    answer = page
    open_letter(window)
    page = window.page
    assert page.locator("html").get_attribute("lang") == language
    assert window.overflow_px() == 0
    assert page.locator("article.letter .row-percent").count() == 8
    assert page.locator("article.letter img").count() == 2  # the code and the photo
    if not javascript:
        assert not page.locator("#print").is_visible()  # it needs a script; the browser's own menu does not
    # The longest that the set of possible diagnoses can be.
    names = ", ".join(page.locator("article.letter .row-name").all_inner_texts())
    page.locator("article.letter dd").last.evaluate("(node, names) => { node.textContent = names; }", names)
    printed = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=False)))
    assert len(printed.pages) == 1

    with page.expect_download() as download:
        page.locator(".letter-tools .quiet").first.click()
    file = pypdf.PdfReader(download.value.path())
    assert len(file.pages) == 1
    assert file.root_object["/Lang"] == language

    follow(page, page.locator('.letter-tools [formaction$="/answer"]'))
    page.locator("article.answer").wait_for()
    assert answer.locator("article.answer").is_visible()  # whoever closes the letter still has it
