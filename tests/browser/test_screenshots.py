"""The pictures that the documents show are the real pages; `make screenshots` takes them again."""

import pytest
from PIL import Image

PAGES = ("upload", "result")


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    return request.config.getoption("screenshots", None) or tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def site(request, start_site, tiny_bundle):
    """The shipped model for the documents; the tiny one is enough to see that pictures can be taken."""
    for_documents = request.config.getoption("screenshots", None)
    return start_site(**({} if for_documents else {"SKIN_BUNDLE": str(tiny_bundle)}))


@pytest.mark.parametrize("name", PAGES)
def test_a_picture_of_each_page_on_a_phone(visit, send_photo, folder, name):
    phone = visit()
    if name == "upload":
        phone.open()
    else:
        send_photo(phone)
    phone.page.screenshot(path=folder / f"{name}.png", clip={"x": 0, "y": 0, "width": 360, "height": 1100},
                          full_page=True)  # fmt: skip
    picture = Image.open(folder / f"{name}.png").convert("L")
    assert picture.width == 720
    assert picture.getextrema()[1] - picture.getextrema()[0] > 150  # dark text on a light page, not an empty window
