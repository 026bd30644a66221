"""The square around the spot, before a photo is sent: by finger, key and button; and what leaves the browser."""

import base64
import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from model_store.images import LIMIT_PX
from tests.browser.pages import opened_by

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """A wide photo, its left half red and its right half blue, so that what is sent tells where the square was."""
    image = Image.new("RGB", (6000, 2400), RED)
    image.paste(BLUE, (3000, 0, 6000, 2400))
    exif = Image.Exif()
    exif[0x0110] = "Marked-Camera-4711"
    path = tmp_path_factory.mktemp("photos") / "halves.jpg"
    image.save(path, exif=exif, quality=95)
    return path


@pytest.fixture
def phone(visit):
    """A window with the start page."""
    opened = visit()
    opened.open()
    return opened


@pytest.fixture
def page(phone, halves):
    """A page on which the photo was chosen; the square is in the middle, as large as it can be."""
    choose(phone.page, halves)
    return phone.page


def choose(page, path):
    page.locator('input[type="file"]').last.set_input_files(path)
    page.locator("canvas").wait_for()


def send(page) -> tuple[Image.Image, str]:
    """Send the photo; give the picture that left the browser, and the name that went with it."""
    page.evaluate(
        """() => {
            const send = XMLHttpRequest.prototype.send;
            const reader = new FileReader();
            window.sent = new Promise((done) => {
                XMLHttpRequest.prototype.send = function (body) {
                    const photo = body.get("photo");
                    reader.onload = () => done([photo.name, reader.result]);
                    reader.readAsDataURL(photo);
                    send.call(this, body);
                };
            });
        }"""
    )
    page.locator('button[type="submit"]').click()
    name, url = page.evaluate("window.sent")
    page.locator("article.answer").wait_for()
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))), name


def red_share(image: Image.Image) -> float:
    pixels = np.asarray(image.convert("RGB"), dtype=int)
    return float((pixels[..., 0] > pixels[..., 2]).mean())


def test_the_square_comes_onto_the_screen_and_under_the_keys_by_itself(page):
    page.wait_for_function("document.activeElement.tagName == 'CANVAS'")
    box = page.locator("canvas").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= page.viewport_size["height"]


def test_what_is_sent_is_the_square_scaled_down_without_metadata(page):
    image, name = send(page)
    assert image.size == (2048, 2048)
    assert red_share(image) == pytest.approx(0.5, abs=0.01)
    assert len(image.getexif()) == 0
    assert name == "photo"


def test_what_is_sent_before_the_photo_is_opened_is_the_square_without_metadata_too(phone, halves):
    page = phone.page
    page.evaluate(
        """() => {
            const decode = window.createImageBitmap;
            window.createImageBitmap = async (...given) => {
                await new Promise((done) => document.addEventListener("submit", () => setTimeout(done, 200)));
                return decode(...given);
            };
        }"""
    )
    page.locator('input[type="file"]').last.set_input_files(halves)
    image, _ = send(page)
    assert image.size == (2048, 2048)
    assert len(image.getexif()) == 0


def test_the_arrow_keys_move_the_square(page):
    page.locator("canvas").focus()
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    assert red_share(send(page)[0]) == 1.0


@pytest.mark.parametrize("key", ["-", None], ids=["key", "button"])
def test_the_square_can_be_made_smaller(page, key):
    for _ in range(4):
        if key:
            page.locator("canvas").press(key)
        else:
            page.get_by_role("button", name="Smaller square").click()
    image, _ = send(page)
    assert 1000 < image.width < 2048
    assert red_share(image) == pytest.approx(0.5, abs=0.02)


def test_a_tap_brings_the_square_there(page):
    box = page.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    assert red_share(send(page)[0]) == 0.0


def test_a_finger_drags_the_square_and_its_corner(page):
    box = page.locator("canvas").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"], middle, steps=5)
    page.mouse.up()
    # The square now fills the left; its lower right corner is pulled half the way to the upper left one.
    side = box["height"]
    page.mouse.move(box["x"] + side - 2, box["y"] + side - 2)
    page.mouse.down()
    page.mouse.move(box["x"] + side / 2, box["y"] + side / 2, steps=5)
    page.mouse.up()
    image, _ = send(page)
    assert image.width == pytest.approx(1200, abs=60)
    assert red_share(image) == 1.0


@pytest.mark.parametrize("link", [".bottom a", ".languages a"])
def test_a_chosen_photo_is_not_lost_without_a_question(page, link):
    asked = []

    def stay(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.locator(link).first.click()
    page.wait_for_timeout(300)  # what another page would need to begin
    assert asked == ["beforeunload"]
    assert page.locator("canvas").is_visible()


def test_what_the_form_refers_to_is_read_beside_it(page):
    links = page.locator("form#upload a")
    assert links.count() == 2
    for link in links.all():
        assert opened_by(page, link).locator("h1").is_visible()
    assert page.locator("canvas").is_visible()


def test_a_circle_shows_how_large_the_spot_should_look(page):
    # One row of pixels through the upper quarter of the square meets no side of it, but both sides of the circle.
    found = page.evaluate(
        """() => {
            const scale = canvas.width / picture.width;
            const [x, y, side] = [square.x, square.y, square.side].map((length) => Math.round(length * scale));
            const top = Math.round(y + side / 4) - 3; // the circle's highest place
            const row = canvas.getContext("2d").getImageData(x + side / 4, top, side / 2, 8);
            let white = 0;
            for (let i = 0; i < row.data.length; i += 4) white += Math.min(...row.data.slice(i, i + 3)) > 200;
            return white;
        }"""
    )
    assert found > 10  # the photo itself is red and blue


def test_another_photo_can_be_chosen_instead(page, photo_file):
    page.get_by_role("button", name="Another photo").click()
    assert page.locator("canvas").is_hidden()
    choose(page, photo_file)
    assert send(page)[0].size == (1200, 1200)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_can_be_dropped_or_pasted(phone, photo_file, way):
    phone.page.evaluate(
        """([way, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "spot.jpg", { type: "image/jpeg" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.querySelector("main").dispatchEvent(event);
        }""",
        [way, base64.b64encode(photo_file.read_bytes()).decode()],
    )
    phone.page.locator("canvas").wait_for()
    assert send(phone.page)[0].size == (1200, 1200)


def test_back_from_the_answer_leads_to_an_empty_form(page):
    send(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.go_back()
    page.locator("form#upload").wait_for()
    assert page.url.endswith("/en/")
    assert page.locator("canvas").is_hidden()


def test_back_leads_to_the_form_even_before_the_answers_own_script_is_there(page):
    page.route("**/result.js*", lambda route: None)  # never answered: the connection is slow
    send(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.go_back(wait_until="commit")
    page.locator("form#upload").wait_for()


def test_a_place_in_the_answer_can_be_gone_to_without_losing_the_answer(page):
    send(page)
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/result#content")
    page.wait_for_timeout(300)  # what a reload would need to begin
    assert page.locator("article.answer").is_visible()


def test_a_broken_connection_is_told_and_the_photo_can_be_sent_again_in_fewer_bytes(page, phone):
    page.route("**/result", lambda route: route.abort())
    page.locator('button[type="submit"]').click()
    page.get_by_text("The connection broke").wait_for()
    page.unroute("**/result")
    phone.complaints.clear()  # the browser's own line about the failed request
    assert send(page)[0].size == (768, 768)


def test_what_the_browser_cannot_show_is_sent_as_it_is(phone, draw_photo, tmp_path):
    pillow_heif.from_pillow(draw_photo(size=(800, 600))).save(tmp_path / "spot.heic")
    phone.page.locator('input[type="file"]').last.set_input_files(tmp_path / "spot.heic")
    phone.page.get_by_text("sent as it is").wait_for()
    phone.page.locator('button[type="submit"]').click()
    phone.page.locator("article.answer").wait_for()


def test_a_dicom_file_is_sent_as_it_is(phone):
    start = bytes(128) + b"DICM"
    chosen = {"name": "spot.dcm", "mimeType": "application/dicom", "buffer": start}
    phone.page.locator('input[type="file"]').last.set_input_files(chosen)
    phone.page.get_by_text("sent as it is").wait_for()


def test_no_square_can_be_made_smaller_than_the_server_takes(phone, draw_photo, tmp_path):
    draw_photo(size=(480, 360)).save(tmp_path / "small.jpg")
    choose(phone.page, tmp_path / "small.jpg")
    phone.page.locator("canvas").evaluate(
        """(canvas) => {
            for (let i = 0; i < 40; i++) canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "-" }));
        }"""
    )
    image, _ = send(phone.page)
    assert image.size == (LIMIT_PX, LIMIT_PX)


def test_of_two_photos_chosen_in_a_hurry_the_second_is_sent(phone, halves, photo_file):
    phone.page.evaluate(
        """() => {
            const original = window.createImageBitmap;
            let calls = 0, over;
            window.firstIsOver = new Promise((done) => { over = done; });
            window.createImageBitmap = async (...given) => {
                if (calls++ > 0) return original(...given);
                await new Promise((done) => { window.releaseFirst = done; });
                return original(...given).finally(over);
            };
        }"""
    )
    phone.page.locator('input[type="file"]').last.set_input_files(halves)
    choose(phone.page, photo_file)
    phone.page.evaluate("window.releaseFirst()")
    phone.page.evaluate("window.firstIsOver.then(() => true)")
    assert send(phone.page)[0].size == (1200, 1200)


def test_a_browser_that_cannot_encode_a_picture_sends_the_photo_itself(page):
    page.evaluate("() => { HTMLCanvasElement.prototype.toBlob = function (done) { done(null); }; }")
    image, _ = send(page)
    assert image.size == (6000, 2400)
