"""Photos of one spot over time: they stay in the browser, stand side by side, leave as a file, and can be deleted."""

import json

import pytest
from playwright.sync_api import expect

from app.i18n import LANGUAGES


def keep(page, path, spot: str, date: str) -> None:
    page.locator("#picture").set_input_files(path)
    page.locator("#name").fill(spot)
    page.locator("#date").fill(date)
    page.locator("#compare-state").evaluate("node => { node.textContent = ''; }")
    page.locator("#add button").click()
    said(page, "kept")


def said(page, text: str) -> None:
    page.locator("#compare-state").get_by_text(
        page.locator("#compare").get_attribute(f"data-text-{text}"), exact=True
    ).wait_for()


def save(page, path) -> None:
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(path)


@pytest.fixture
def window(visit):
    opened = visit()
    opened.sent = []
    opened.page.on("request", lambda request: opened.sent.append(request.method))
    opened.open("/en/compare")
    return opened


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_two_photos_stand_side_by_side_and_stay_when_the_page_is_opened_again(visit, photo_file, language, width):
    window = visit(width=width)
    page = window.page
    window.open(f"/{language}/compare")
    assert page.locator("#pair").is_hidden()
    keep(page, photo_file, "left forearm", "2026-10-21")
    assert page.locator("#only-one").is_visible()
    assert not page.locator("#after-photo").is_visible()  # beside itself it would read as a spot that does not change
    keep(page, photo_file, "left forearm", "2026-09-20")
    window.open(f"/{language}/compare")
    page.locator("#pair").wait_for()
    before, after = (page.locator(f"#{side}").locator("option:checked").inner_text() for side in ("before", "after"))
    assert "20" in before  # the earlier day, in the language's own form
    assert "21" in after
    boxes = [page.locator(f"#{side}-photo").bounding_box() for side in ("before", "after")]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert window.overflow_px() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_year_of_a_photo_is_seen_on_the_narrowest_phone(visit, photo_file, language):
    window = visit(width=320)
    window.open(f"/{language}/compare")
    keep(window.page, photo_file, "back", "2026-09-28")
    keep(window.page, photo_file, "back", "2026-10-28")
    for side in ("before", "after"):
        needed, there = window.page.locator(f"#{side}").evaluate(
            """select => {
                const style = getComputedStyle(select);
                const pen = document.createElement("canvas").getContext("2d");
                pen.font = style.font;
                const arrow = 20, around = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
                return [pen.measureText(select.selectedOptions[0].text).width, select.clientWidth - around - arrow];
            }"""
        )
        assert needed <= there


def test_the_day_of_a_photo_is_the_one_that_stood_there_when_it_was_added(window, photo_file):
    page = window.page
    page.evaluate(
        """() => {
            const redraw = spots.redraw;
            spots.redraw = (source) => new Promise((done) => { window.goOn = done; }).then(() => redraw(source));
        }"""
    )
    page.locator("#picture").set_input_files(photo_file)
    page.locator("#name").fill("back")
    page.locator("#date").fill("2025-09-20")
    page.locator("#add button").click()
    page.wait_for_function("() => window.goOn !== undefined")
    page.locator("#date").fill("2026-01-31")  # already for the next photo
    page.evaluate("window.goOn()")
    said(page, "kept")
    assert page.evaluate("spots.all().then(all => all.map(({date}) => date))") == ["2025-09-20"]


def test_nothing_is_sent_and_what_the_camera_wrote_is_not_kept(window, photo_file):
    keep(window.page, photo_file, "back", "2026-09-20")
    assert set(window.sent) <= {"GET"}
    kept = window.page.evaluate(
        "spots.all().then(all => all.map(({spot, date, picture}) => [spot, date, picture.type]))"
    )
    assert kept == [["back", "2026-09-20", "image/jpeg"]]


def test_photos_leave_as_a_file_and_come_back_from_it(window, photo_file, tmp_path):
    page = window.page
    keep(page, photo_file, "back", "2026-09-20")
    keep(page, photo_file, "leg", "2026-09-21")
    save(page, tmp_path / "photos.json")
    saved = json.loads((tmp_path / "photos.json").read_text())["photos"]
    assert [row["spot"] for row in saved] == ["back", "leg"]

    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#delete-all").click()
    said(page, "deleted")
    assert page.evaluate("spots.all().then(all => all.length)") == 0
    assert page.locator("#pair").is_hidden()

    for told in ("loaded", "nothing-new"):  # added again, none is there twice as a spot that does not change
        page.locator("#load").set_input_files(tmp_path / "photos.json")
        said(page, told)
        assert page.evaluate("spots.all().then(all => all.length)") == 2
    save(page, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["photos"] == saved  # to the byte: no detail was lost


def test_of_a_file_that_the_device_has_no_room_for_nothing_is_left_half(window, photo_file, tmp_path):
    page = window.page
    keep(page, photo_file, "back", "2026-09-20")
    keep(page, photo_file, "leg", "2026-09-21")
    save(page, tmp_path / "photos.json")
    page.evaluate("spots.removeAll()")
    page.evaluate(
        """() => {
            const add = IDBObjectStore.prototype.add;
            let room = 1;
            IDBObjectStore.prototype.add = function (row) {
                if (room-- === 0) this.transaction.abort();
                return add.call(this, row);
            };
        }"""
    )
    page.locator("#load").set_input_files(tmp_path / "photos.json")
    said(page, "not-kept")
    assert page.evaluate("spots.all().then(all => all.length)") == 0


@pytest.mark.parametrize("name", ["", "   "])
def test_a_spot_needs_a_name_but_a_file_from_when_it_did_not_still_opens(window, photo_file, tmp_path, name):
    page = window.page
    keep(page, photo_file, "back", "2026-09-20")
    page.locator("#name").fill(name)
    assert page.locator("#name").evaluate("input => input.checkValidity()") is False
    save(page, tmp_path / "photos.json")
    content = json.loads((tmp_path / "photos.json").read_text())
    content["photos"].append({**content["photos"][0], "spot": name.strip()})
    (tmp_path / "photos.json").write_text(json.dumps(content))
    page.locator("#load").set_input_files(tmp_path / "photos.json")
    said(page, "loaded")
    assert page.evaluate("spots.all().then(all => all.map(({spot}) => spot))") == ["back", ""]


def test_the_browser_is_asked_to_keep_the_photos_for_good(window, photo_file):
    page = window.page
    page.evaluate("() => { StorageManager.prototype.persist = async () => { window.asked = true; }; }")
    keep(page, photo_file, "back", "2026-09-20")
    assert page.evaluate("window.asked") is True


def test_one_photo_is_deleted_only_after_a_question(window, photo_file):
    page = window.page
    keep(page, photo_file, "back", "2026-09-20")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator('[data-delete="before"]').click()
    assert page.evaluate("spots.all().then(all => all.length)") == 1
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator('[data-delete="before"]').click()
    said(page, "deleted")
    assert page.evaluate("spots.all().then(all => all.length)") == 0


def test_on_a_phone_what_a_button_did_is_seen_where_the_page_is(window, photo_file, tmp_path):
    page = window.page
    (tmp_path / "spot.jpg").write_text("no photo")
    for day, path, text in (
        ("20", photo_file, "kept"),
        ("21", photo_file, "kept"),
        ("22", tmp_path / "spot.jpg", "not-a-photo"),
    ):
        page.locator("#picture").set_input_files(path)
        page.locator("#name").fill("back")
        page.locator("#date").fill(f"2026-09-{day}")
        page.locator("#add button").tap()
        said(page, text)
        expect(page.locator("#compare-state")).to_be_in_viewport(ratio=1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#delete-all").click()
    said(page, "deleted")
    expect(page.locator("#compare-state")).to_be_in_viewport(ratio=1)
    expect(page.locator("#compare-state")).to_be_focused()  # the button that had the focus is disabled now


def test_only_what_has_the_focus_is_marked(window, photo_file):
    page = window.page
    keep(page, photo_file, "back", "2026-09-20")
    page.locator("#save").focus()
    for marked in ("label[for=load]", "#delete-all"):
        page.keyboard.press("Tab")
        outlined = page.locator(".own .quiet").evaluate_all(
            "nodes => nodes.filter(node => getComputedStyle(node).outlineStyle != 'none').map(node => node.textContent)"
        )
        assert outlined == [page.locator(marked).inner_text()]


def test_where_the_browser_keeps_nothing_no_empty_file_is_saved(visit):
    window = visit()
    window.page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined });")
    window.open("/en/compare")
    said(window.page, "not-kept")
    assert window.page.locator("#save").is_disabled()
    assert window.page.locator("#delete-all").is_disabled()


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        '{"format": "another"}',
        '{"format": "skin-check photos 1", "photos": [{"spot": "x", "date": "2026-01-01", "picture": "data:,x"}]}',
        '{"format": "skin-check photos 1", "photos": [{"spot": "x", "date": "today", "picture": ""}]}',
    ],
)
def test_a_file_of_somebody_else_is_refused(window, tmp_path, content):
    (tmp_path / "photos.json").write_text(content)
    window.page.locator("#load").set_input_files(tmp_path / "photos.json")
    said(window.page, "not-ours")
    assert window.page.evaluate("spots.all().then(all => all.length)") == 0


def test_a_file_that_is_no_photo_is_refused(window, tmp_path):
    (tmp_path / "spot.jpg").write_text("no photo")
    page = window.page
    page.locator("#picture").set_input_files(tmp_path / "spot.jpg")
    page.locator("#name").fill("back")
    page.locator("#add button").click()
    said(page, "not-a-photo")


def test_the_photo_of_an_answer_is_kept_only_when_asked_for(visit, send_photo):
    window = visit()
    send_photo(window)
    page = window.page
    page.locator("#keep").wait_for()  # the answer's scripts come after the answer
    assert page.evaluate("spots.all().then(all => all.length)") == 0
    today = page.evaluate("spots.day(new Date())")
    assert page.locator("#keep-date").input_value() == page.locator("#keep-date").get_attribute("max") == today
    page.locator("#keep-name").fill("   ")
    assert page.locator("#keep-form").evaluate("form => form.checkValidity()") is False
    page.locator("#keep-name").fill("left forearm")
    page.locator("#keep-date").fill("2025-11-20")
    page.locator("#keep-form button").click()
    page.locator("#keep-state").get_by_text("The photo is kept in this browser.").wait_for()
    page.wait_for_function("() => document.activeElement.id == 'keep-state'")  # not lost with the form that is hidden
    window.open("/en/compare")
    page.locator("#pair").wait_for()
    assert page.locator("#spot").input_value() == "left forearm"
    assert page.evaluate("spots.all().then(all => all.map(({date}) => date))") == ["2025-11-20"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_script_the_page_explains_what_to_do_instead(visit, language):
    window = visit(javascript=False)
    window.open(f"/{language}/compare")
    assert window.page.locator(".without-script h2").is_visible()
    assert window.page.locator("#compare").is_hidden()
    assert window.page.locator("#how").is_visible()
    assert window.overflow_px() == 0
