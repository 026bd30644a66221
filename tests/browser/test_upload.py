"""A person with a phone sends a photo and reads what to do."""

import json
import shutil

import pytest

from tests.browser.pages import WITH_AND_WITHOUT_JAVASCRIPT, follow, opened_by


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


@pytest.mark.parametrize("status", [429, 503])
def test_a_photo_that_was_not_looked_at_stays_in_the_form_to_be_sent_again(visit, photo_file, status):
    phone = visit()
    page = phone.page
    phone.open()
    problem = page.request.get(phone.origin + "/en/no-such-page").text()
    answer_with(page, status, problem)
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    page.locator("canvas").wait_for()
    page.locator('[data-crop="smaller"]').click()
    square = page.evaluate("square")
    page.locator("#site").select_option("sole")
    page.locator('button[type="submit"]').click()
    page.locator('form#upload[aria-busy="false"]').wait_for()
    heading, happened, *_ = page.locator("#state").inner_text().split("\n")
    assert f">{heading}</h1>" in problem
    assert f">{happened}</p>" in problem
    assert page.locator("#state a").count() == 0  # the way on would lead away from the photo
    assert page.locator("#state").bounding_box()["y"] >= 0
    assert page.evaluate("document.activeElement.type") == "submit"
    assert page.evaluate("square") == square
    assert page.locator("#site").input_value() == "sole"

    page.unroute("**/result")
    page.locator('button[type="submit"]').click()
    page.locator("article.answer").wait_for()
    phone.complaints.clear()  # the browser's own line about a status of 5xx


def test_a_page_that_was_open_too_long_sends_the_photo_all_the_same(visit, photo_file):
    phone = visit()
    page = phone.page
    phone.open()
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    page.locator("canvas").wait_for()
    page.context.clear_cookies()  # as when the browser was closed meanwhile; an old token is refused in the same way
    page.locator('button[type="submit"]').click()
    page.locator("article.answer").wait_for()


def test_where_the_browser_keeps_no_cookie_the_photo_stays_and_the_reason_is_told(visit, photo_file):
    phone = visit()
    page = phone.page
    phone.open()
    sent = []
    page.on("request", lambda request: sent.append(request.method) if request.url.endswith("/result") else None)
    answer_with(page, 400, page.request.post(phone.origin + "/en/result").text())
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    page.locator("canvas").wait_for()
    page.locator('button[type="submit"]').click()
    page.get_by_text("a browser that keeps this site's cookie").wait_for()
    assert page.locator("canvas").is_visible()
    assert sent == ["POST", "POST"]


def test_a_page_of_a_proxy_does_not_take_the_place_of_the_photo_either(visit, photo_file):
    phone = visit()
    page = phone.page
    phone.open()
    answer_with(page, 502, "<h1>502 Bad Gateway</h1>")
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    page.locator("canvas").wait_for()
    page.locator('button[type="submit"]').click()
    page.get_by_text(page.locator("form#upload").get_attribute("data-text-broken"), exact=True).wait_for()
    assert page.locator("canvas").is_visible()
    phone.complaints.clear()  # the browser's own line about a status of 5xx


def answer_with(page, status: int, problem: str) -> None:
    page.route("**/result", lambda route: route.fulfill(status=status, content_type="text/html", body=problem))


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


@WITH_AND_WITHOUT_JAVASCRIPT
def test_reading_about_a_diagnosis_does_not_cost_the_answer(visit, send_photo, javascript):
    phone = visit(javascript=javascript)
    send_photo(phone)
    assert "/en/conditions/" in opened_by(phone.page, phone.page.locator(".top-name a")).url
    assert phone.page.locator("article.answer").is_visible()


@WITH_AND_WITHOUT_JAVASCRIPT
def test_how_the_photo_was_taken_can_be_corrected_and_left_to_the_model_again(visit, send_photo, javascript):
    phone = visit(javascript=javascript)
    send_photo(phone)
    page = phone.page
    source = page.locator(".seen .hint", has_text="How the photo was taken")
    by_the_model = source.inner_text()
    assert "as the model judged" in by_the_model
    page.locator(".seen .tools button").click()
    page.locator(".seen .tools button >> nth=1").wait_for()
    assert "as the model judged" not in source.inner_text()
    page.get_by_role("button", name="Let the model decide").click()
    page.get_by_text(by_the_model).wait_for()


def test_another_language_and_back_do_not_cost_the_answer(visit, send_photo):
    phone = visit(width=320)
    send_photo(phone)
    page = phone.page
    page.locator("#keep").wait_for()
    page.locator(".languages").get_by_role("button", name="Русский").click()
    page.locator('html[lang="ru"] article.answer').wait_for()
    assert page.url.endswith("/ru/answer")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.locator("#keep-date").input_value() == page.evaluate("spots.day(new Date())")
    asked = []

    def stay(dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", stay)
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => history.back())")
    page.wait_for_timeout(500)  # what a reload would need to begin
    assert asked == [page.locator("article.answer").get_attribute("data-text-leave")]
    assert page.locator('html[lang="ru"] article.answer').is_visible()
    page.wait_for_url("**/ru/answer")


def test_where_the_connection_breaks_on_the_way_to_another_language_the_answer_stays(visit, send_photo):
    phone = visit()
    send_photo(phone)
    page = phone.page
    page.locator("#keep").wait_for()
    page.context.set_offline(True)
    told = []

    def read(dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", read)
    with page.expect_event("dialog"):
        page.locator(".languages").get_by_role("button", name="Қазақша").click()
    assert told == [page.locator("article.answer").get_attribute("data-text-failed")]
    assert page.locator('html[lang="en"] article.answer').is_visible()
    phone.complaints.clear()  # the browser's own line about the failed request


def test_on_a_slow_line_the_language_that_was_chosen_last_counts(visit, send_photo):
    phone = visit()
    send_photo(phone)
    page = phone.page
    page.locator("#keep").wait_for()
    held = []
    page.route("**/kk/answer", lambda route: held.append(route))
    page.locator(".languages").get_by_role("button", name="Қазақша").click()
    page.locator(".languages").get_by_role("button", name="Русский").click()
    page.locator('html[lang="ru"] article.answer').wait_for()
    with page.expect_response("**/kk/answer") as late:
        held[0].continue_()
    late.value.finished()
    page.wait_for_timeout(300)
    assert page.locator("html").get_attribute("lang") == "ru"


def test_paper_has_no_button_of_the_answer(visit, send_photo):
    phone = visit()
    send_photo(phone)
    phone.page.emulate_media(media="print")
    assert phone.page.locator("button:visible").all_inner_texts() == []


def test_a_phone_does_not_reload_an_answer_that_is_pulled_down(visit, send_photo):
    phone = visit()
    send_photo(phone)
    assert phone.page.evaluate("getComputedStyle(document.documentElement).overscrollBehaviorY") == "contain"


def test_nothing_of_the_answer_is_left_in_the_browser_but_a_session_cookie(visit, send_photo):
    phone = visit()
    send_photo(phone)
    assert [(cookie["name"], cookie["expires"]) for cookie in phone.page.context.cookies()] == [("session", -1)]
    assert phone.page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_what_happens_after_sending_is_told_and_moves_only_for_who_likes_it(visit, photo_file, motion):
    phone = visit()
    page = phone.page
    page.emulate_media(reduced_motion=motion)
    phone.open()
    page.locator('input[type="file"]').last.set_input_files(photo_file)
    page.locator("canvas").wait_for()
    page.evaluate(
        """() => {
            const [state, progress] = ["state", "progress"].map((id) => document.getElementById(id));
            window.seen = [];
            new MutationObserver(() => window.seen.push({
                said: state.textContent,
                sent: progress.hidden ? "" : progress.getAttribute("value") || "unknown",
                focused: document.activeElement.id,
                moving: document.getAnimations().length,
            })).observe(document.getElementById("upload"), {subtree: true, childList: true, attributes: true});
        }"""
    )
    page.locator('button[type="submit"]').click()
    page.locator("article.answer").wait_for()
    seen = page.evaluate("window.seen")
    sending = [one for one in seen if one["said"] == "Sending the photo."]
    looking = [one for one in seen if one["said"].startswith("The model is looking")]
    assert "1" in [one["sent"] for one in sending]
    assert {one["sent"] for one in looking} == {"unknown"}
    assert {one["focused"] for one in looking} == {"state"}  # not lost with the button that is disabled meanwhile
    assert {one["moving"] for one in looking} == {0 if motion == "reduce" else 1}


@pytest.fixture(scope="module")
def calm_site(start_site, tiny_bundle, tmp_path_factory):
    """The address of a site whose model finds nothing urgent, nothing for soon and nothing strange."""
    bundle = tmp_path_factory.mktemp("calm") / "1.0.0"
    shutil.copytree(tiny_bundle, bundle)
    document = json.loads((bundle / "bundle.json").read_text())
    for calibration in document["calibration"].values():
        calibration["out_of_distribution"]["threshold"] = 1e6
        for point in calibration["operating_points"]:
            point["threshold"] = 1.0
    (bundle / "bundle.json").write_text(json.dumps(document))
    return start_site(SKIN_BUNDLE=str(bundle), SKIN_RATE_LIMIT="").url


@WITH_AND_WITHOUT_JAVASCRIPT
def test_a_poor_photo_is_taken_again_or_answered_all_the_same(visit, calm_site, draw_photo, tmp_path, javascript):
    small = tmp_path / "small.jpg"
    draw_photo(size=(240, 180)).save(small, quality=95)
    phone = visit(javascript=javascript)
    phone.origin = calm_site
    page = phone.page

    def send_small() -> None:
        page.locator('input[type="file"]').last.set_input_files(small)
        if javascript:
            page.locator("canvas").wait_for()
        follow(page, page.locator('button[type="submit"]'))
        page.locator('article[data-level="cannot_judge"]').wait_for()

    phone.open()
    send_small()
    assert page.locator(".row-percent").count() == 0
    follow(page, page.get_by_role("link", name="Take a new photo"))
    send_small()
    assert page.locator(".limits").get_by_role("link", name="How often the model is right").is_visible()
    follow(page, page.get_by_role("button", name="Show the answer anyway"))
    page.locator('article[data-level="watch"]').wait_for()
    assert page.locator(".row-percent").count() == 8
    assert page.locator(".remarks li").count() >= 1
    assert phone.overflow_px() == 0


def test_a_desk_s_keyboard_alone_goes_from_the_photo_to_the_letter(visit, photo_file):
    desk = visit(width=1280, touch=False)
    page = desk.page
    # Listened to from the start: the browser is told of it on its way, and a key could come first.
    page.on("filechooser", lambda chooser: chooser.set_files(photo_file))
    desk.open()

    def tab_to(found: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("found => document.activeElement.matches(found)", found):
                return
        pytest.fail(f"the Tab key does not reach {found}")

    tab_to('input[type="file"]')
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.tagName == 'CANVAS'")
    page.keyboard.press("-")
    tab_to('input[name="source"]')
    page.keyboard.press("ArrowRight")
    assert page.locator('input[name="source"]:checked').get_attribute("value") != ""
    tab_to("#site")
    tab_to('button[type="submit"]')
    page.keyboard.press("Enter")
    page.locator("article.answer").wait_for()
    page.wait_for_function("() => document.activeElement.tagName == 'H1'")
    tab_to(".seen summary")
    page.keyboard.press("Enter")
    assert page.locator(".seen .overlay").is_visible()
    tab_to(".to-letter .main-button")
    with page.context.expect_page() as letter:
        page.keyboard.press("Enter")
    letter.value.locator("article.letter").wait_for()


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
