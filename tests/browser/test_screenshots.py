"""The pictures that the documents show are the real pages; `make screenshots` takes them again."""

import pytest
from PIL import Image

# The part of a page that fits beside another picture, in pixels of the page.
TOP = {"clip": {"x": 0, "y": 0, "width": 360, "height": 1000}, "full_page": True}


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    return request.config.getoption("screenshots", None) or tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def site(request, start_site, tiny_bundle):
    """The shipped model for the documents; the tiny one is enough to see that pictures can be taken."""
    for_documents = request.config.getoption("screenshots", None)
    return start_site(**({} if for_documents else {"SKIN_BUNDLE": str(tiny_bundle)}))


def test_the_pictures_show_the_start_page_the_advice_and_the_ranked_diagnoses(visit, send_photo, folder):
    phone = visit()
    phone.open()
    phone.page.screenshot(path=folder / "upload.png", **TOP)
    send_photo(phone)
    phone.page.screenshot(path=folder / "result.png", **TOP)
    phone.page.locator(".ranking").screenshot(path=folder / "ranking.png")
    for name in ("upload", "result", "ranking"):
        darkest, lightest = Image.open(folder / f"{name}.png").convert("L").getextrema()
        assert lightest - darkest > 150  # dark text on a light page, not an empty window
