"""One wide photo: its lesions are marked by finger, mouse and key, cut out at full resolution, and are one person's."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.browser.pages import opened_by, violations

SIZE = (4000, 3000)
SPOTS = [(1000, 750), (2500, 1000), (2000, 2250)]  # the lesions' middles, pixels
SPOT_PX = 480


@pytest.fixture(scope="module")
def back(draw_photo, tmp_path_factory):
    """Plain skin with three drawn lesions; the marked camera's name tells whether it travels."""
    image = Image.new("RGB", SIZE, (222, 178, 156))
    for seed, (x, y) in enumerate(SPOTS):
        image.paste(draw_photo(seed=seed, size=(SPOT_PX, SPOT_PX)), (x - SPOT_PX // 2, y - SPOT_PX // 2))
    exif = Image.Exif()
    exif[0x0110] = "Marked-Camera-4711"
    path = tmp_path_factory.mktemp("photos") / "back.jpg"
    image.save(path, exif=exif, quality=95)
    return path


@pytest.fixture
def open_back(visit, back):
    """A function that opens the clinicians' page and chooses the wide photo: `open_back(width=360)`."""

    def open_page(**options):
        window = visit(**options)
        window.open("/en/clinician")
        window.page.locator('#wide input[type="file"]').set_input_files(back)
        window.page.locator(".wide-photo img").wait_for()
        window.page.evaluate(
            """() => {
                window.sent = [];
                const send = XMLHttpRequest.prototype.send;
                XMLHttpRequest.prototype.send = function (body) {
                    const photo = body.get("photo");
                    const reader = new FileReader();
                    reader.onload = () => window.sent.push([photo.name, body.get("source"), reader.result]);
                    reader.readAsDataURL(photo);
                    send.call(this, body);
                };
            }"""
        )
        return window

    return open_page


def at(page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photo lies in the window."""
    page.locator(".wide-photo img").scroll_into_view_if_needed()
    box = page.locator(".wide-photo img").bounding_box()
    return box["x"] + x * box["width"] / SIZE[0], box["y"] + y * box["height"] / SIZE[1]


def place_of(page, number: int) -> tuple[float, float, float]:
    """Middle and side of a square, pixels of the photo."""
    frame = page.locator(".wide-photo img").bounding_box()
    box = page.get_by_role("button", name=f"Lesion {number}", exact=True).bounding_box()
    scale = SIZE[0] / frame["width"]
    x, y = box["x"] - frame["x"] + box["width"] / 2, box["y"] - frame["y"] + box["height"] / 2
    return x * scale, y * scale, box["width"] * scale


def send(page, count: int) -> dict[str, Image.Image]:
    """Send the marked lesions, wait for their rows, and give what left the browser."""
    page.get_by_role("button", name="Send the marked lesions").click()
    page.locator("#rows tr").nth(count - 1).wait_for()
    sent = page.evaluate("window.sent")
    assert {source for _, source, _ in sent} == {"phone"}
    return {name: Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for name, _, url in sent}


@pytest.mark.parametrize("width", [360, 1280])
def test_tapped_lesions_are_cut_at_full_resolution_and_become_one_persons(open_back, back, width):
    window = open_back(width=width)
    page = window.page
    for x, y in SPOTS:
        page.touchscreen.tap(*at(page, x, y))
    assert page.get_by_text("Lesions marked: 3. Not sent yet: 3.").is_visible()
    places = [place_of(page, number) for number in (1, 2, 3)]
    sent = send(page, 3)
    assert sorted(sent) == ["back-1.jpg", "back-2.jpg", "back-3.jpg"]
    original = np.asarray(Image.open(back), dtype=int)
    for (x, y), (middle_x, middle_y, side), crop in zip(SPOTS, places, sent.values(), strict=True):
        assert (middle_x, middle_y) == pytest.approx((x, y), abs=SIZE[0] / width * 2)
        assert crop.size == pytest.approx((side, side), abs=SIZE[0] / width)
        assert len(crop.getexif()) == 0
        left, top = round(middle_x - crop.width / 2), round(middle_y - crop.width / 2)
        there = original[top : top + crop.width, left : left + crop.width]
        cut = np.asarray(crop, dtype=int)
        assert np.abs(cut - there).mean() < 8
        grain, was = (np.abs(np.diff(pixels, axis=1)).mean() for pixels in (cut, there))
        assert grain == pytest.approx(was, rel=0.2)  # a crop that was scaled on the way would have lost the grain
    assert page.locator('input[name="marked"]:checked').count() == 3
    assert window.overflow_px() == 0
    person = opened_by(page, page.locator("#compare"))
    assert person.locator(".lesions > li").count() == 3
    assert person.locator(".lesions img").count() == 3


def test_a_square_is_drawn_moved_and_resized_with_the_mouse(open_back):
    page = open_back(width=1280).page
    page.mouse.move(*at(page, 800, 500))
    page.mouse.down()
    page.mouse.move(*at(page, 1200, 900), steps=5)
    page.mouse.up()
    assert place_of(page, 1) == pytest.approx((1000, 700, 400), abs=20)
    page.mouse.move(*at(page, 1000, 700))
    page.mouse.down()
    page.mouse.move(*at(page, 2000, 1500), steps=5)
    page.mouse.up()
    assert place_of(page, 1) == pytest.approx((2000, 1500, 400), abs=20)
    page.mouse.move(*at(page, 2195, 1695))
    page.mouse.down()
    page.mouse.move(*at(page, 2600, 2100), steps=5)
    page.mouse.up()
    x, y, side = place_of(page, 1)
    assert (x - side / 2, y - side / 2, side) == pytest.approx((1800, 1300, 800), abs=30)
    page.mouse.click(*at(page, 200, 200))
    assert place_of(page, 2)[2] == pytest.approx(800, abs=30)  # as large as the one before, kept within the photo
    assert page.locator(".lesion-box").count() == 2


def test_the_keyboard_alone_adds_moves_resizes_removes_and_sends(open_back):
    page = open_back().page
    page.get_by_role("button", name="Add a square").press("Enter")
    x, y, side = place_of(page, 1)
    for key in ["ArrowRight"] * 4 + ["ArrowUp"] * 2 + ["+"]:
        page.keyboard.press(key)
    moved = place_of(page, 1)
    assert moved == pytest.approx((x + side / 5, y - side / 10, 1.1 * side), abs=15)
    page.get_by_role("button", name="Add a square").press("Enter")
    page.keyboard.press("Delete")
    assert page.locator(".lesion-box").count() == 1
    page.get_by_role("button", name="Send the marked lesions").press("Enter")
    page.locator("#rows tr").first.wait_for()
    assert page.locator(".file-name").inner_text() == "1. back-1.jpg"


def test_what_was_sent_stays_numbered_and_is_not_sent_again(open_back):
    page = open_back().page
    page.touchscreen.tap(*at(page, *SPOTS[0]))
    send(page, 1)
    page.get_by_role("button", name="Lesion 1", exact=True).press("Delete")
    page.touchscreen.tap(*at(page, *SPOTS[1]))
    assert page.get_by_text("Lesions marked: 2. Not sent yet: 1.").is_visible()
    assert sorted(send(page, 2)) == ["back-1.jpg", "back-2.jpg"]


def test_a_double_click_sends_every_lesion_once(open_back):
    page = open_back().page
    for x, y in SPOTS:
        page.touchscreen.tap(*at(page, x, y))
    page.locator('[data-wide="send"]').evaluate("button => { button.click(); button.click(); }")
    page.locator("#rows tr").nth(2).wait_for()
    page.get_by_text("Still to come: 0.").wait_for()
    assert sorted(name for name, _, _ in page.evaluate("window.sent")) == ["back-1.jpg", "back-2.jpg", "back-3.jpg"]


def test_a_lesion_that_the_full_table_does_not_take_stays_unsent_and_can_be_sent_later(open_back):
    page = open_back().page
    for x, y in SPOTS:
        page.touchscreen.tap(*at(page, x, y))
    page.locator("#photos").evaluate("form => { form.dataset.limit = 2; }")
    page.get_by_role("button", name="Send the marked lesions").click()
    page.get_by_text("Lesions not sent: 1.").wait_for()
    page.locator("#rows tr").nth(1).wait_for()
    assert page.locator("#failures li").all_inner_texts()[0].startswith("back-3.jpg: more than")
    page.locator("#photos").evaluate("form => { form.dataset.limit = 50; }")
    assert sorted(send(page, 3)) == ["back-1.jpg", "back-2.jpg", "back-3.jpg"]


def test_another_wide_photo_drops_unsent_squares_only_when_its_reader_says_so(open_back, back, tmp_path):
    page = open_back().page
    chest = shutil.copy(back, tmp_path / "chest.jpg")
    page.touchscreen.tap(*at(page, *SPOTS[0]))
    chooser = page.locator('#wide input[type="file"]')
    for answer, left in (("dismiss", 1), ("accept", 0)):
        page.once("dialog", lambda dialog, answer=answer: getattr(dialog, answer)())
        with page.expect_event("dialog") as asked:
            chooser.set_input_files(chest)
        assert "will be lost" in asked.value.message
        page.wait_for_function("left => document.querySelectorAll('.lesion-box').length === left", arg=left)


def test_an_enlarged_photo_lets_small_lesions_be_marked(open_back):
    page = open_back().page
    page.locator('[data-wide="zoom"]').fill("6")
    page.get_by_role("button", name="Add a square").click()
    for _ in range(12):
        page.get_by_role("button", name="Smaller square").click()
    assert place_of(page, 1)[2] < 100


def test_a_wide_photo_dropped_on_its_card_does_not_join_the_series(visit, back):
    window = visit(width=1280)
    window.open("/en/clinician")
    window.page.evaluate(
        """(base64) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "back.jpg", { type: "image/jpeg" }));
            document.querySelector("#wide h2").dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(back.read_bytes()).decode(),
    )
    window.page.locator(".wide-photo img").wait_for()
    assert window.page.locator("#queue li").count() == window.page.locator("#rows tr").count() == 0


def test_a_photo_that_the_browser_cannot_show_is_told_and_nothing_is_sent_unmarked(open_back, tmp_path):
    page = open_back().page
    page.get_by_role("button", name="Send the marked lesions").click()
    assert page.get_by_text("Put a square around a lesion first.").is_visible()
    (tmp_path / "no.jpg").write_text("no photo")
    page.locator('#wide input[type="file"]').set_input_files(tmp_path / "no.jpg")
    page.get_by_text("Your browser cannot show this photo.").wait_for()
    assert page.evaluate("window.sent") == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_marking_is_accessible(open_back, colours):
    page = open_back().page
    page.emulate_media(color_scheme=colours)
    for x, y in SPOTS:
        page.touchscreen.tap(*at(page, x, y))
    assert violations(page) == []


def test_without_a_script_the_page_says_what_to_do_instead(visit):
    window = visit(javascript=False)
    window.open("/en/clinician")
    assert window.page.locator("#wide").get_by_text("Marking needs a script in your browser.").is_visible()
    assert window.page.locator('#wide input[type="file"]').is_hidden()
