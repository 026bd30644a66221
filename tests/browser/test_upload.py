"""A person with a phone sends a photo and reads what to do."""

import pytest

WITH_AND_WITHOUT_JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])


@WITH_AND_WITHOUT_JAVASCRIPT
def test_a_photo_is_answered_with_what_to_do_first(visit, send_photo, javascript, tmp_path):
    phone = visit(javascript=javascript)
    send_photo(phone)
    page = phone.page
    assert "doctor" in page.locator("h1").inner_text()
    first_line_px = page.locator("h1").bounding_box()["y"]
    assert first_line_px < 740  # read without scrolling
    page.wait_for_function("document.activeElement.tagName == 'H1'")  # a screen reader begins there
    assert page.locator(".row-percent").count() == 8
    page.screenshot(path=tmp_path / "result.png", full_page=True)


@pytest.mark.parametrize("remarks", [(), (".remarks",)], ids=["no remark", "a remark"])
def test_on_a_desk_nothing_comes_before_what_the_answer_is_not(visit, send_photo, remarks):
    desk = visit(width=1280)
    send_photo(desk)
    for remark in remarks:
        section = f"<section class='{remark[1:]}'><h2>A remark</h2></section>"
        desk.page.locator(".advice").evaluate("(node, html) => node.insertAdjacentHTML('afterend', html)", section)
    parts = (".advice", *remarks, ".ai-notice", ".go-anyway", ".seen", ".next", ".limits")
    tops = [desk.page.locator(f".answer > {part}").bounding_box()["y"] for part in parts]
    assert tops == sorted(tops)
    assert tops[2 + len(remarks)] == pytest.approx(desk.page.locator(".ranking").bounding_box()["y"], abs=12)


@WITH_AND_WITHOUT_JAVASCRIPT
def test_where_the_model_looked_lies_over_the_photo_once_it_is_asked_for(visit, send_photo, javascript):
    phone = visit(javascript=javascript)
    send_photo(phone)
    overlay = phone.page.locator(".seen .overlay")
    assert not overlay.is_visible()
    phone.page.locator(".seen summary").press("Enter")
    photo = phone.page.locator(".seen img").first.bounding_box()
    assert overlay.bounding_box() == pytest.approx(photo, abs=1)
    assert phone.overflow_px() == 0


@WITH_AND_WITHOUT_JAVASCRIPT
def test_a_file_that_is_no_photo_is_explained(visit, javascript, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear doctor")
    phone = visit(javascript=javascript)
    phone.open()
    phone.page.locator('input[type="file"]').last.set_input_files(letter)
    if not javascript:  # the script says it before anything is sent
        phone.page.locator('button[type="submit"]').click()
    phone.page.get_by_text("not a photo").first.wait_for()


def test_a_file_that_is_refused_while_it_is_still_sent_is_explained_all_the_same(visit, tmp_path):
    video = tmp_path / "video.mp4"
    video.write_bytes(bytes(60_000_000))
    phone = visit(javascript=False)
    phone.open()
    phone.page.locator('input[type="file"]').last.set_input_files(video)
    phone.page.locator('button[type="submit"]').click()
    phone.page.get_by_text("The file is too large").first.wait_for()


@WITH_AND_WITHOUT_JAVASCRIPT
def test_the_form_sent_without_a_photo_says_what_is_missing(visit, javascript):
    phone = visit(javascript=javascript)
    phone.open()
    phone.page.locator('button[type="submit"]').click()
    phone.page.get_by_text("hoose a photo").last.wait_for()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_button_for_a_photo_is_seen_without_scrolling(visit, language):
    phone = visit()
    phone.open(f"/{language}/")
    box = phone.page.locator(".pick-camera").bounding_box()
    assert box["y"] + box["height"] <= phone.page.viewport_size["height"]


@pytest.mark.parametrize("path", ["/", "/en/conditions", "/en/conditions/melanoma", "/en/signs", "/en/about",
                                  "/en/privacy", "/en/terms", "/en/no-such-page"])  # fmt: skip
def test_no_page_scrolls_sideways_on_the_narrowest_phone(visit, path):
    phone = visit(width=320)
    phone.open(path)
    assert phone.overflow_px() == 0


def test_the_answer_does_not_scroll_sideways_on_the_narrowest_phone(visit, send_photo):
    phone = visit(width=320)
    send_photo(phone)
    assert phone.overflow_px() == 0


def test_nothing_of_the_answer_is_left_in_the_browser_but_a_session_cookie(visit, send_photo):
    phone = visit()
    send_photo(phone)
    assert [(cookie["name"], cookie["expires"]) for cookie in phone.page.context.cookies()] == [("session", -1)]
    assert phone.page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_everything_can_be_reached_and_sent_with_the_keyboard_alone(visit, photo_file):
    phone = visit(javascript=False)
    phone.open()
    reached = []
    for _ in range(20):
        phone.page.keyboard.press("Tab")
        reached.append(phone.page.evaluate("document.activeElement.name || document.activeElement.type || ''"))
        if reached[-1] == "submit":
            break
    assert {"photo", "submit"} <= set(reached)
    phone.page.locator('input[type="file"]').last.set_input_files(photo_file)
    phone.page.keyboard.press("Enter")
    phone.page.locator("article.answer").wait_for()
