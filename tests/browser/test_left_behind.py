"""What a browser writes to its own disk while a photo is answered, read after it was closed."""

import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.conftest import QUIET
from tests.browser.pages import follow, opened_by

FILE_NAME = "marked-name-4711.jpg"


@pytest.fixture
def profile(tmp_path) -> Path:
    return tmp_path / "profile"


@pytest.fixture
def keeping_browser(browser, profile):
    """A function that gives a page of a browser which keeps its history and session in `profile` once it is closed."""

    @contextmanager
    def open_one():
        context = browser.browser_type.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=QUIET
        )
        yield context.pages[0]
        context.pages[0].wait_for_timeout(3000)  # it writes its session every 2.5 seconds
        context.close()

    return open_one


def files_with(profile: Path, text: str) -> list[str]:
    session = [path for path in profile.rglob("Session_*") if path.stat().st_size > 1000]
    assert session, "the browser kept no session, so nothing can be read from it"
    wanted = (text.encode(), text.encode("utf-16-le"))
    files = [path for path in profile.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in wanted)]


def titles(profile: Path) -> list[str]:
    with sqlite3.connect(profile / "Default" / "History") as history:
        return [title for (title,) in history.execute("SELECT title FROM urls")]


def middle(text: str) -> str:
    return text[len(text) // 2 :][:100]


def test_neither_the_advice_nor_the_sealed_answer_stays_on_the_device(keeping_browser, profile, site, photo_file):
    with keeping_browser() as page:
        page.goto(site.url + "/en/")
        page.locator('input[type="file"]').last.set_input_files(photo_file)
        page.locator("canvas").wait_for()
        page.locator('button[type="submit"]').click()
        page.locator("article.answer").wait_for()
        advice = page.locator("article.answer h1").inner_text()
        sealed = page.locator('input[name="answer"]').first.input_value()
        letter = opened_by(page, page.locator("form.to-letter .main-button"))
        letter.locator("article.letter").wait_for()
        follow(letter, letter.locator('.languages [lang="ru"]'))
        letter.locator('html[lang="ru"] article.letter').wait_for()
        follow(letter, letter.locator('.letter-tools [formaction$="/answer"]'))
        letter.locator("article.answer").wait_for()
    assert files_with(profile, middle(sealed)) == []
    assert [title for title in titles(profile) if advice in title] == []


def test_a_closed_letter_that_is_opened_again_says_that_it_is_gone(visit, send_photo, open_letter):
    window = visit()
    send_photo(window)
    open_letter(window)
    window.page.reload()
    assert window.page.get_by_role("status").first.inner_text().startswith("The answer that was here is gone")


def test_neither_a_name_nor_a_picture_of_a_clinicians_table_stays_on_the_device(
    keeping_browser, profile, site, photo_file
):
    with keeping_browser() as page:
        page.goto(site.url + "/en/clinician")
        photo = {"name": FILE_NAME, "mimeType": "image/jpeg", "buffer": photo_file.read_bytes()}
        page.locator('#photos input[type="file"]').set_input_files([photo] * 3)
        page.locator("#photos .main-button").click()
        page.locator("#rows tr").nth(2).wait_for()
        case, detail = (
            page.locator(f'form.open input[name="{name}"]').first.input_value() for name in ("case", "detail")
        )
        photo = opened_by(page, page.locator("form.open button").first)
        photo.locator("#drawn").wait_for()
        photo.locator('button[name="draw"]').click()
        follow(page, page.locator('.languages [lang="ru"]'))
        page.locator('html[lang="ru"] #rows tr').nth(2).wait_for()
    for kept in (FILE_NAME, middle(case), middle(detail)):
        assert files_with(profile, kept) == []
