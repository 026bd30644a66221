"""The model's own page, read by a patient on a phone and by a clinician on a desk."""

import pytest

from app.i18n import LANGUAGES
from tests.browser.pages import WITH_AND_WITHOUT_JAVASCRIPT


@pytest.fixture(scope="module")
def site(start_site):
    """The shipped model, whose report is whole."""
    return start_site()


@WITH_AND_WITHOUT_JAVASCRIPT
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_words_come_first_and_the_whole_card_with_its_figures_below(visit, language, width, javascript):
    window = visit(width=width, javascript=javascript)
    window.open(f"/{language}/model")
    page = window.page
    assert window.overflow_px() == 0
    assert page.locator("#plain").bounding_box()["y"] < page.locator("table").first.bounding_box()["y"]
    page.locator(".whole-card summary").click()
    figures = page.locator(".whole-card img")
    assert figures.count() >= 3
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert window.overflow_px() == 0
