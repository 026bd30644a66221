"""Debian's Chromium, driven by Playwright, on a phone's screen."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.browser.pages import follow, opened_by

PHONE = {"width": 360, "height": 740}
# Chromium looks for updates and its maker's services at every start; a test may not depend on them.
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--screenshots", type=Path, help="take the pictures of the documents again, into this folder")
    parser.addoption("--photo", type=Path, help="send this photo instead of the drawn one, which a real model refuses")


@dataclass
class Visit:
    """A page of one visitor, and what went on behind it."""

    page: Page
    origin: str
    javascript: bool
    complaints: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.origin + path)

    def note_message(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains of, but not that a page of ours explains an error with a status of 4xx."""
        own_status = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type in ("error", "warning") and not (own_status and "/static/" not in message.location["url"]):
            self.complaints.append(message.text)

    def note_request(self, request: Request) -> None:
        """Keep the address of whatever does not come from the site itself."""
        if not request.url.startswith((self.origin + "/", "data:", "blob:" + self.origin)):
            self.foreign_requests.append(request.url)

    def overflow_px(self) -> int:
        """How far the page is wider than the window; above 0 a phone scrolls sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth") - self.page.viewport_size["width"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here; apt-get install chromium, or `make test` as root, brings it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(start_site, tiny_bundle):
    # All visitors here have one address, and a fast machine would send more from it than one visitor may.
    return start_site(SKIN_BUNDLE=str(tiny_bundle), SKIN_RATE_LIMIT="")


@pytest.fixture
def visit(browser, site) -> Iterator:
    """A function that opens a window as a new visitor: `visit(width=360, javascript=True, touch=True)`."""
    contexts, visits = [], []

    def open_window(width: int = PHONE["width"], javascript: bool = True, touch: bool = True) -> Visit:
        context = browser.new_context(
            viewport={**PHONE, "width": width}, device_scale_factor=2, is_mobile=touch, has_touch=touch,
            java_script_enabled=javascript, locale="en-GB",
        )  # fmt: skip
        contexts.append(context)
        visit = Visit(context.new_page(), site.url, javascript)
        context.on("console", visit.note_message)  # of every tab
        context.on("weberror", lambda error: visit.complaints.append(str(error.error)))
        context.on("request", visit.note_request)
        visits.append(visit)
        return visit

    yield open_window
    for context in contexts:
        context.close()
    # Every test of a page holds these two, whatever else it looks at.
    assert [complaint for visit in visits for complaint in visit.complaints] == []
    assert [url for visit in visits for url in visit.foreign_requests] == []


@pytest.fixture(scope="session")
def photo_file(request, draw_photo, tmp_path_factory) -> Path:
    """A drawn lesion as a phone's JPEG, or the photo that was given."""
    if given := request.config.getoption("photo", None):
        return given
    path = tmp_path_factory.mktemp("photos") / "lesion.jpg"
    draw_photo(size=(1600, 1200)).save(path, quality=90)
    return path


@pytest.fixture(scope="session")
def send_photo(photo_file):
    """A function that opens the start page, sends the drawn photo and waits for the answer."""

    def send(visit: Visit) -> None:
        visit.open()
        visit.page.locator('input[type="file"]').last.set_input_files(photo_file)
        if visit.javascript:
            visit.page.locator("canvas").wait_for()  # the preview, in which the visitor places the square
        follow(visit.page, visit.page.locator('button[type="submit"]'))
        visit.page.locator("article.answer").wait_for()

    return send


@pytest.fixture(scope="session")
def open_letter():
    """A function that opens the letter from the answer, in a tab of its own, in which the visit goes on."""

    def open_it(visit: Visit) -> None:
        visit.page = opened_by(visit.page, visit.page.locator("form.to-letter .main-button"))
        visit.page.locator("article.letter").wait_for()

    return open_it
