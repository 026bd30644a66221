"""The pictures that the documents show are the real pages; `make screenshots` takes them again."""

import pytest
from PIL import Image


def take(page, path, top_px: float = 0) -> None:
    """Take the part of the page that fits beside another picture."""
    page.screenshot(path=path, full_page=True, clip={"x": 0, "y": top_px, "width": 360, "height": 1000})


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
    take(phone.page, folder / "upload.png")
    send_photo(phone)
    take(phone.page, folder / "result.png")
    take(phone.page, folder / "ranking.png", top_px=phone.page.locator(".ranking").bounding_box()["y"] - 24)
    for name in ("upload", "result", "ranking"):
        darkest, lightest = Image.open(folder / f"{name}.png").convert("L").getextrema()
        assert lightest - darkest > 150  # dark text on a light page, not an empty window
