"""The pictures that the documents show are the real pages; `make screenshots` takes them again."""

import io

import pytest
from PIL import Image

from tests.browser.pages import follow

NAMES = ("upload", "result", "ranking", "kazakh", "clinicians")


def take(page, path, **options) -> None:
    """Take what the window shows, which unlike a picture of the whole page is what a phone shows, and keep it small."""
    picture = Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def scroll_to(page, selector: str) -> None:
    page.locator(selector).evaluate("node => scrollTo(0, node.getBoundingClientRect().top + scrollY - 16)")


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    return request.config.getoption("screenshots", None) or tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def site(request, start_site, tiny_bundle):
    """The shipped model for the documents; the tiny one is enough to see that pictures can be taken."""
    for_documents = request.config.getoption("screenshots", None)
    return start_site(**({} if for_documents else {"SKIN_BUNDLE": str(tiny_bundle)}))


@pytest.fixture(scope="module")
def turned(photo_file, tmp_path_factory) -> list:
    """The photo three times, turned, as a clinician's series."""
    paths = [tmp_path_factory.mktemp("series") / f"lesion-{number}.jpg" for number in (1, 2, 3)]
    for path, turn in zip(paths, (0, 90, 180), strict=True):
        Image.open(photo_file).convert("RGB").rotate(turn, expand=True).save(path, quality=95)
    return paths


def test_the_pictures_show_the_pages_on_a_phone_and_on_a_desk(visit, send_photo, turned, folder):
    phone = visit()
    phone.open()
    assert phone.page.locator(".pick-camera").is_visible()
    take(phone.page, folder / "upload.png")
    send_photo(phone)
    take(phone.page, folder / "result.png")
    scroll_to(phone.page, ".ranking")
    take(phone.page, folder / "ranking.png")
    follow(phone.page, phone.page.locator(".languages").get_by_role("button", name="Қазақша"))
    phone.page.locator('html[lang="kk"] article.answer').wait_for()
    take(phone.page, folder / "kazakh.png")

    desk = visit(width=1000, touch=False)
    desk.open("/en/clinician")
    desk.page.locator('#photos input[type="file"]').set_input_files(turned)
    desk.page.locator('#photos button[type="submit"]').click()
    desk.page.locator("#rows tr").nth(2).wait_for()
    desk.page.locator("#summary").get_by_text("Photos: 3.").wait_for()
    scroll_to(desk.page, "#results")
    photos = desk.page.locator("#rows img")  # of a person, so not for the documents
    take(desk.page, folder / "clinicians.png", mask=[photos], mask_color="#d8d2c8")

    for name in NAMES:
        darkest, lightest = Image.open(folder / f"{name}.png").convert("L").getextrema()
        assert lightest - darkest > 150  # dark text on a light page, not an empty window
        assert (folder / f"{name}.png").stat().st_size < 150_000
