"""A clinician sends many photos, reads the table, opens one, compares a person's lesions and takes the files away."""

import csv
import hashlib
import json
import shutil
import zipfile

import pytest

from app.i18n import LANGUAGES
from tests.browser.pages import BROKEN_WORDS, WITH_AND_WITHOUT_JAVASCRIPT, follow, opened_by, violations


@pytest.fixture(scope="session")
def site(start_site, tiny_bundle):
    """Without a limit by address: one machine here is many clinicians."""
    return start_site(SKIN_BUNDLE=str(tiny_bundle), SKIN_RATE_LIMIT="", SKIN_ENGINE="tensorflow")


@pytest.fixture(scope="session")
def files(draw_photo, tmp_path_factory) -> list:
    """Four drawn lesions and a letter that is no photo."""
    folder = tmp_path_factory.mktemp("series")
    paths = []
    for seed in range(4):
        paths.append(folder / f"ISIC_{seed}_downsampled_for_the_archive.jpg")  # a long word on a small screen
        draw_photo(seed=seed, size=(500, 400)).save(paths[-1], quality=90)
    paths.append(folder / "letter.txt")
    paths[-1].write_text("Dear colleague")
    return paths


def press_send(window) -> None:
    """Send the chosen files: a script goes on in the page; without it, the next page comes."""
    button = window.page.locator('#photos button[type="submit"]')
    if window.javascript:
        button.click()
    else:
        follow(window.page, button)


@pytest.fixture
def send_series(files):
    """A function that opens the clinicians' page, sends the files and waits for all four rows."""

    def send(visit, language: str = "en", own_first: bool = False, sent=None, source: str = "") -> None:
        visit.open(f"/{language}/clinician")
        visit.page.locator('select[name="source"]').select_option(source)
        visit.page.locator('#photos input[type="file"]').set_input_files(sent or files)
        if own_first:
            visit.page.locator('input[name="own_first"]').check()
        press_send(visit)
        visit.page.locator("#rows tr").nth(3).wait_for()
        visit.page.locator("#failures li").first.wait_for()

    return send


@WITH_AND_WITHOUT_JAVASCRIPT
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_journey(visit, send_series, files, language, width, javascript):
    window = visit(width=width, javascript=javascript)
    send_series(window, language)
    page = window.page
    assert page.locator("#rows tr").count() == 4
    assert page.locator("#failures li").count() == 1
    assert "letter.txt" in page.locator("#failures").inner_text()
    assert page.locator(".ranked, .medical").evaluate_all(BROKEN_WORDS) == []
    assert page.locator(".points .reached").count() + page.locator(".points .below").count() > 0
    assert page.locator(".points .below:visible").count() == (
        page.locator(".points .below").count() if width > 800 else 0
    )
    assert window.overflow_px() == 0

    opened = opened_by(page, page.locator(".open button").first)
    assert opened.locator(".rows li").count() == 8
    assert opened.locator("html").get_attribute("lang") == language
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.close()

    for index in range(3):
        page.locator('input[name="marked"]').nth(index).check()
    person = opened_by(page, page.locator("#compare"))
    assert person.locator(".lesions > li").count() == 3
    assert person.locator(".lesions img").count() == 3
    assert person.locator(".lesions .medical").evaluate_all(BROKEN_WORDS) == []
    assert person.evaluate("document.documentElement.scrollWidth") <= width
    person.close()

    with page.expect_download() as download:
        page.locator('button[formaction$="/export/csv"]').click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [row["image"] for row in rows] == [file.stem for file in files[:4]]


@pytest.mark.parametrize(("language", "colours"), [("en", "light"), ("kk", "dark"), ("ru", "light")])
def test_every_page_of_it_is_accessible(visit, send_series, language, colours):
    window = visit()
    window.page.emulate_media(color_scheme=colours)
    send_series(window, language)
    assert violations(window.page) == []
    for index in range(3):
        window.page.locator('input[name="marked"]').nth(index).check()
    for button in (window.page.locator(".open button").first, window.page.locator("#compare")):
        tab = opened_by(window.page, button)
        tab.emulate_media(color_scheme=colours)
        assert violations(tab) == []
        tab.close()
    window.open(f"/{language}/clinician/operating-points")
    assert violations(window.page) == []


def test_each_file_of_a_series_says_how_far_it_is(visit, send_series):
    window = visit()
    window.page.add_init_script(
        """window.seen = [];
        document.addEventListener("DOMContentLoaded", () => {
            const queue = document.getElementById("queue");
            new MutationObserver(() => window.seen.push(...[...queue.children].map((place) => [
                place.firstChild.textContent.slice(0, 6), place.lastChild.textContent,
                place.querySelector("progress").getAttribute("value"),
            ]))).observe(queue, {subtree: true, childList: true, attributes: true});
        });"""
    )
    send_series(window)
    seen = window.page.evaluate("window.seen")
    assert ["ISIC_3", "waiting", "0"] in seen
    for name in ("ISIC_0", "ISIC_3"):
        steps = [step for step in seen if step[0] == name]
        assert [name, "sending", "1"] in steps
        assert steps[-1] == [name, "the model is looking", None]  # from here on nobody knows how long
    assert window.page.locator("#queue li").count() == 0
    window.page.get_by_text("Answered: 4. Still to come: 0.").wait_for()


@WITH_AND_WITHOUT_JAVASCRIPT
def test_an_archive_is_opened_in_the_browser_or_on_the_server(visit, send_series, files, tmp_path, javascript):
    archive = tmp_path / "visit.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in files:
            packed.write(path, f"visit/{path.name}")
    window = visit(javascript=javascript)
    send_series(window, sent=[archive])
    names = window.page.locator(".file-name").all_inner_texts()
    assert names == [f"{number + 1}. {files[number].name}" for number in range(4)]
    assert "letter.txt" in window.page.locator("#failures").inner_text()


def zipped(path, entries: dict, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return path


@WITH_AND_WITHOUT_JAVASCRIPT
def test_every_file_of_every_archive_ends_as_a_row_or_among_the_failures(visit, files, tmp_path, javascript):
    photos = [path.read_bytes() for path in files[:4]]
    inner = zipped(tmp_path / "inner.zip", {f"{number}.jpg": photos[number] for number in range(3)})
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes(), "beside.jpg": photos[0]})
    nameless = zipped(tmp_path / "from the messenger", {"a.jpg": photos[1]})
    with zipfile.ZipFile(zipped(tmp_path / "mixed.zip", {"good.jpg": photos[2]}), "a", zipfile.ZIP_LZMA) as mixed:
        mixed.writestr("lzma.jpg", photos[3])
    broken = zipped(tmp_path / "broken.zip", {"whole.jpg": photos[3], "broken.jpg": photos[0]}, zipfile.ZIP_DEFLATED)
    data = bytearray(broken.read_bytes())
    at = data.index(b"broken.jpg") + len("broken.jpg")
    data[at : at + 50] = b"\xff" * 50
    broken.write_bytes(data)
    sent = [outer, nameless, mixed.filename, broken, zipped(tmp_path / "empty.zip", {}),
            zipped(tmp_path / "folders.zip", {"visit/": b""})]  # fmt: skip
    window = visit(javascript=javascript)
    window.open("/en/clinician")
    window.page.locator('#photos input[type="file"]').set_input_files(sent)
    press_send(window)
    window.page.locator("#rows tr").nth(3).wait_for()
    window.page.locator("#failures li").nth(4).wait_for()
    assert [name.partition(". ")[2] for name in window.page.locator(".file-name").all_inner_texts()] == [
        "beside.jpg", "a.jpg", "good.jpg", "whole.jpg",
    ]  # fmt: skip
    told = dict(line.strip().split(": ", 1) for line in window.page.locator("#failures li").all_inner_texts())
    assert {name: reason.lower() for name, reason in told.items()} == {
        "inner.zip": "this file is not a photo we can read",
        "lzma.jpg": "the file cannot be unpacked from its archive",
        "broken.jpg": "the photo is damaged",
        "empty.zip": "the archive holds no photo",
        "folders.zip": "the archive holds no photo",
    }


@WITH_AND_WITHOUT_JAVASCRIPT
def test_an_archive_has_the_same_limits_in_the_browser_and_on_the_server(visit, files, tmp_path, javascript):
    photo = files[0].read_bytes()
    sent = [
        zipped(tmp_path / "bomb.zip", {"bomb.jpg": bytes(1_000_000), "beside.jpg": photo}),
        zipped(tmp_path / "many.zip", {f"{number}.jpg": b"" for number in range(500)}),
    ]
    window = visit(javascript=javascript)
    window.open("/en/clinician")
    window.page.locator('#photos input[type="file"]').set_input_files(sent)
    press_send(window)
    window.page.locator("#rows tr").wait_for()
    window.page.locator("#failures li").nth(1).wait_for()
    told = dict(line.strip().split(": ", 1) for line in window.page.locator("#failures li").all_inner_texts())
    assert {name: reason.lower() for name, reason in told.items()} == {
        "bomb.jpg": "the archive holds too much",
        "many.zip": "the archive holds too much",
    }


def test_once_the_table_is_full_nothing_more_is_unpacked(visit, tmp_path):
    archive = zipped(tmp_path / "visit.zip", {f"{number}.jpg": b"no photo" for number in range(60)})
    window = visit()
    window.open("/en/clinician")
    window.page.evaluate(
        "() => { const Real = DecompressionStream; window.unpacked = 0;"
        " window.DecompressionStream = function (kind) { window.unpacked += 1; return new Real(kind); }; }"
    )
    window.page.locator('#photos input[type="file"]').set_input_files(archive)
    press_send(window)
    window.page.locator("#failures li").nth(9).wait_for()
    assert window.page.evaluate("window.unpacked") == 50 + 1  # and whether the browser can
    assert "more than 50 photos" in window.page.locator("#failures").inner_text()


@WITH_AND_WITHOUT_JAVASCRIPT
def test_names_in_an_archive_of_windows_are_read_in_its_code_page(visit, send_series, files, tmp_path, javascript):
    name = "рак кожи.jpg".encode("cp866")
    entry = zipfile.ZipInfo("x" * len(name))
    entry.create_system = 0
    archive = tmp_path / "visit.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(entry, files[0].read_bytes())
    archive.write_bytes(archive.read_bytes().replace(entry.filename.encode(), name))
    window = visit(javascript=javascript)
    send_series(window, sent=[archive, *files[1:]])
    assert window.page.locator(".file-name").first.inner_text() == "1. рак кожи.jpg"


@WITH_AND_WITHOUT_JAVASCRIPT
def test_the_model_waits_for_the_reader_s_own_diagnosis(visit, send_series, javascript):
    window = visit(width=1280, javascript=javascript)
    send_series(window, own_first=True)
    page = window.page
    assert page.locator(".ranked").count() == 0
    page.locator("select.own").first.select_option("NV")
    if javascript:
        page.locator(".asked button").first.click()
    else:
        follow(page, page.locator("button.update"))
    page.locator("#rows tr").first.locator(".ranked").first.wait_for()
    assert page.locator("select.own").count() == 3
    page.locator("#summary").get_by_text("Your diagnosis and the model's first are the same").wait_for()


@WITH_AND_WITHOUT_JAVASCRIPT
@pytest.mark.parametrize(("width", "at_least"), [(360, 280), (1280, 380)])
def test_who_is_asked_for_a_diagnosis_sees_the_photo_as_large_as_it_is(visit, send_series, width, at_least, javascript):
    window = visit(width=width, javascript=javascript)
    send_series(window, own_first=True)
    seen = window.page.locator("#rows img")
    assert seen.count() == 4
    box = seen.first.bounding_box()
    assert at_least <= box["width"] <= 382  # its border beside
    assert box["height"] == pytest.approx(box["width"], abs=1)
    assert window.overflow_px() == 0


def test_a_key_that_passes_a_diagnosis_on_the_way_to_another_shows_nothing_of_the_model(visit, send_series):
    window = visit(width=1280)
    send_series(window, own_first=True)
    page = window.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    row = page.locator("#rows tr").first
    assert row.get_by_role("button").is_disabled()
    row.locator("select.own").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("Mole")
    assert row.locator("select.own").input_value() == "NV"
    page.keyboard.press("Tab")
    assert asked == []
    page.keyboard.press("Enter")
    row.get_by_text("Your diagnosis: Mole").wait_for()
    assert page.evaluate("document.activeElement.closest('tr').dataset.number") == "1"


@WITH_AND_WITHOUT_JAVASCRIPT
def test_rows_are_sorted_by_malignancy_and_filtered(visit, send_series, javascript):
    window = visit(javascript=javascript)
    send_series(window)
    page = window.page

    def choose(name: str, value: str) -> None:
        page.locator(f'select[name="{name}"]').select_option(value)
        if not javascript:
            follow(page, page.locator("button.update"))

    choose("order", "malignancy")
    risks = [float(row.get_attribute("data-malignancy")) for row in page.locator("#rows tr").all()]
    assert risks == sorted(risks, reverse=True)
    choose("show", "disagree")
    assert page.locator("#rows tr:visible").count() == 0
    choose("show", "all")
    assert page.locator("#rows tr:visible").count() == 4


@WITH_AND_WITHOUT_JAVASCRIPT
def test_an_opened_photo_is_drawn_for_another_diagnosis(visit, send_series, javascript):
    window = visit(javascript=javascript)
    send_series(window)
    tab = opened_by(window.page, window.page.locator(".open button").first)
    before = tab.locator("#overlay").get_attribute("href")
    chosen = tab.locator('select[name="class"]')
    another = chosen.locator("option").nth(2).get_attribute("value")
    if javascript:
        tab.locator('input[name="opacity"]').fill("20")
        assert tab.locator("#overlay").get_attribute("opacity") == "0.2"
        chosen.focus()
        chosen.select_option(another)
        tab.wait_for_function("before => document.getElementById('overlay').getAttribute('href') != before", arg=before)
        assert tab.locator("#overlay").get_attribute("opacity") == "0.2"
        assert chosen.evaluate("list => list == document.activeElement")  # a keyboard can go on from here
    else:
        chosen.select_option(another)
        follow(tab, tab.locator("#saliency button"))
    assert tab.locator('select[name="class"]').input_value() == another
    assert tab.locator("#overlay").get_attribute("href") != before


def test_a_photo_that_the_busy_site_refused_is_sent_again_when_it_says(visit, send_series):
    window = visit()
    refused = []

    def refuse_once(route):
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        return route.fulfill(
            status=503, headers={"Retry-After": "1"}, content_type="application/problem+json", body="{}"
        )

    window.page.route("**/clinician/photo", refuse_once)
    send_series(window)
    assert len(refused) == 1
    assert window.page.locator("#rows tr").count() == 4
    window.complaints[:] = [text for text in window.complaints if "503" not in text]  # the browser tells of it


@WITH_AND_WITHOUT_JAVASCRIPT
def test_the_table_is_read_in_another_language_without_sending_the_photos_again(visit, send_series, javascript):
    window = visit(javascript=javascript)
    send_series(window, own_first=True, source="phone")
    role = "link" if javascript else "button"
    follow(window.page, window.page.locator(".languages").get_by_role(role, name="Қазақша"))
    window.page.locator('html[lang="kk"] #rows tr').nth(3).wait_for()
    assert window.page.locator("select.own").count() == 4
    assert window.page.locator("#rows img").count() == 4
    assert "letter.txt: Бұл файл" in window.page.locator("#failures").inner_text()
    follow(window.page, window.page.locator(".languages").get_by_role("button", name="Русский"))
    window.page.locator('html[lang="ru"] #rows tr').nth(3).wait_for()
    assert window.page.locator("#rows img").count() == 4
    assert window.page.locator('select[name="source"]').input_value() == "phone"  # also of the photos to come


def test_files_without_an_answer_are_read_in_another_language_where_nothing_else_is(visit, files):
    window = visit()
    window.open("/en/clinician")
    window.page.locator('#photos input[type="file"]').set_input_files(files[-1:])
    press_send(window)
    window.page.locator("#failures li").wait_for()
    follow(window.page, window.page.locator(".languages").get_by_role("link", name="Қазақша"))
    window.page.locator('html[lang="kk"] #failures').get_by_text("letter.txt").wait_for()


@pytest.mark.parametrize("empties_the_box", [False, True])
def test_another_language_shows_no_answer_before_its_reader_s_diagnosis(visit, send_series, empties_the_box):
    window = visit(width=1280)
    send_series(window, own_first=True)
    page = window.page
    page.locator("select.own").first.select_option("BKL")  # chosen, and not confirmed
    if empties_the_box:
        page.locator('input[name="own_first"]').uncheck()
    follow(page, page.locator(".languages").get_by_role("link", name="Қазақша"))
    page.locator('html[lang="kk"] #rows tr').nth(3).wait_for()
    assert page.locator("#rows tr[data-hidden]").count() == 4
    assert page.locator(".ranked").count() == 0
    assert [select.input_value() for select in page.locator("select.own").all()] == [""] * 4


def test_a_later_photo_gets_a_number_and_a_place_of_its_own_whatever_failed_before(visit, send_series, files):
    window = visit()
    send_series(window, sent=files[::-1])  # the letter comes first
    page = window.page
    # As an older page numbered the rows: the failed file left a gap, which the next language keeps.
    page.locator("#rows tr").last.locator('input[name="number"][form="cases"]').evaluate(
        "field => { field.value = 5; }"
    )
    follow(page, page.locator(".languages").get_by_role("link", name="Қазақша"))
    page.locator('html[lang="kk"] #rows tr').nth(3).wait_for()
    page.locator("#photos").evaluate("form => { form.dataset.limit = 5; }")
    for sent in (files[4], files[0]):  # the letter fails again, and its place is free again
        page.locator('#photos input[type="file"]').set_input_files(sent)
        page.locator('#photos button[type="submit"]').click()
    page.locator("#rows tr").nth(4).wait_for()
    numbers = [row.get_attribute("data-number") for row in page.locator("#rows tr").all()]
    assert numbers == ["1", "2", "3", "5", "6"]
    page.locator('#photos input[type="file"]').set_input_files(files[1])
    page.locator('#photos button[type="submit"]').click()
    page.locator("#failures li").nth(2).wait_for()
    assert page.locator("#rows tr").count() == 5


def test_a_row_that_comes_or_moves_leaves_the_focus_where_it_belongs(visit, send_series, files, tmp_path):
    window = visit(width=1280)
    send_series(window, own_first=True)
    page = window.page
    page.locator('select[name="order"]').select_option("malignancy")  # rows without an answer come last
    page.locator("select.own").last.select_option("NV")
    page.locator(".asked button").last.click()
    page.locator('#rows tr[data-number="4"] .ranked').first.wait_for()
    assert page.evaluate("document.activeElement.closest('tr')?.dataset.number") == "4"
    assert page.locator("#rows tr").first.get_attribute("data-number") == "4"

    page.locator('select[name="order"]').select_option("name")
    first = tmp_path / "A.jpg"
    shutil.copy(files[0], first)
    page.locator('#photos input[type="file"]').set_input_files(first)
    page.locator('#photos button[type="submit"]').click()
    page.locator("select.own").first.focus()
    page.locator("#rows tr").nth(4).wait_for()
    assert page.locator("#rows tr").first.get_attribute("data-name") == "a.jpg"
    assert page.evaluate("document.activeElement.className") == "own"


def test_no_single_click_throws_the_table_away(visit, send_series):
    window = visit()
    window.open("/en/clinician")
    warned = []

    def stay(dialog):
        warned.append(dialog.type)
        dialog.dismiss()

    window.page.on("dialog", stay)
    window.page.locator("h1").click()  # a page that nobody has touched asks nothing in any case
    with window.page.expect_navigation():
        window.page.evaluate("setTimeout(() => location.reload())")  # nothing would be lost
    send_series(window)
    assert warned == []
    window.page.get_by_text("Still to come: 0.").wait_for()
    with window.page.expect_event("dialog"):
        window.page.evaluate("setTimeout(() => location.reload())")
    with window.page.expect_event("dialog"):
        window.page.locator("footer a").first.click(no_wait_after=True)
    assert warned == ["beforeunload"] * 2
    tab = opened_by(window.page, window.page.get_by_role("link", name="Operating points at your prevalence"))
    tab.close()
    assert window.page.locator("#rows tr").count() == 4
    follow(window.page, window.page.locator(".languages").get_by_role("link", name="Қазақша"))  # the rows go along
    window.page.locator('html[lang="kk"] #rows tr').nth(3).wait_for()
    assert warned == ["beforeunload"] * 2


@pytest.mark.parametrize("kind", ["csv", "json", "fhir", "pdf"])
def test_a_file_that_cannot_be_had_leaves_the_table_and_says_why(visit, send_series, kind):
    window = visit()
    send_series(window)
    page, button = window.page, window.page.locator(f'button[formaction$="/export/{kind}"]')
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename.startswith("skin-check.")
    page.context.clear_cookies()
    button.click()
    page.locator("#export-state").get_by_text("The page was open too long").wait_for()
    page.context.set_offline(True)
    button.click()
    page.locator("#export-state").get_by_text("the connection broke").wait_for()
    assert page.locator("#rows tr").count() == 4
    window.complaints[:] = [text for text in window.complaints if "INTERNET_DISCONNECTED" not in text]


def test_nothing_is_left_in_the_browser_but_a_session_cookie(visit, send_series):
    window = visit()
    send_series(window)
    assert [cookie["name"] for cookie in window.page.context.cookies()] == ["session"]
    assert window.page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_the_figures_follow_the_slider_s_form(visit):
    window = visit()
    window.open("/en/clinician/operating-points?source=phone")
    window.page.locator('input[name="prevalence"]').fill("3")
    window.page.locator("#chosen").get_by_text("no photos of this kind").wait_for()


@pytest.fixture(scope="session")
def measured_site(start_site, tiny_bundle, tmp_path_factory):
    """The address of a site whose evaluation of phone photos has a curve of thresholds."""
    points = [{"name": "soon", "risk": "malignancy", "threshold": 0.304, "sensitivity": 0.7, "specificity": 0.3}]
    curve = [{"threshold": k / 100, "sensitivity": 1 - k / 100, "specificity": k / 100} for k in range(1, 100)]
    bundle = tmp_path_factory.mktemp("measured") / "1.0.0"
    shutil.copytree(tiny_bundle, bundle)
    report = json.dumps(
        {"sets": {"phone": {"images": 100, "malignant": 50, "operating_points": points, "curve": curve}}}
    )
    (bundle / "report.json").write_text(report)
    document = json.loads((bundle / "bundle.json").read_text())
    document["files"]["report.json"] = hashlib.sha256(report.encode()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(document))
    return start_site(SKIN_BUNDLE=str(bundle), SKIN_RATE_LIMIT="", SKIN_ENGINE="tensorflow").url


@WITH_AND_WITHOUT_JAVASCRIPT
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_threshold_is_set_by_keyboard_and_another_language_keeps_it(visit, measured_site, language, javascript):
    window = visit(width=320, javascript=javascript)
    window.origin = measured_site
    window.open(f"/{language}/clinician/operating-points?source=phone&prevalence=50")
    page = window.page
    assert page.locator('input[name="threshold"]').input_value() == "30"
    page.locator('input[name="threshold"]').press("ArrowRight")
    page.locator('input[name="threshold"]').press("ArrowRight")
    if not javascript:
        follow(page, page.locator('#points button[type="submit"]'))
    page.locator("#chosen h2").filter(has_text="32").wait_for()
    assert page.locator("#chosen dd").nth(1).inner_text().replace(",", ".").startswith("68.0")
    assert page.locator(".curve-at").get_attribute("d") == "M32 0V100"
    assert window.overflow_px() == 0
    if javascript:
        assert violations(page) == []
        assert page.evaluate("document.activeElement.name") == "threshold"
    other = "ru" if language == "kk" else "kk"
    follow(page, page.locator(f'.languages a[lang="{other}"]'))
    page.locator(f'html[lang="{other}"] #chosen h2').filter(has_text="32").wait_for()


def test_a_prevalence_that_is_no_number_takes_the_figures_away_until_it_is_one(visit, measured_site):
    window = visit()
    window.origin = measured_site
    window.open("/en/clinician/operating-points?source=phone")
    page = window.page
    page.get_by_label("Prevalence of malignancy").fill("abc")
    page.locator("#stated").get_by_text("Enter a number from 0 to 100.").wait_for()
    assert page.locator("#chosen dd").nth(3).inner_text() == "–"
    page.get_by_label("Prevalence of malignancy").fill("5 %")
    page.locator("#stated").get_by_text("At a prevalence of malignancy of 5 percent").wait_for()
    assert page.locator("#chosen dd").nth(3).inner_text() != "–"
    assert window.overflow_px() == 0


def test_the_slider_changes_with_the_source(visit, measured_site):
    window = visit()
    window.origin = measured_site
    window.open("/en/clinician/operating-points?source=dermoscopy")
    assert window.page.locator('input[type="range"]').count() == 0
    window.page.locator('select[name="source"]').select_option("phone")
    window.page.locator('input[name="threshold"]').wait_for()
    window.page.locator(".curve").wait_for()


def test_in_forced_colours_every_bar_has_the_reader_s_own(visit, send_series):
    window = visit(width=1280)
    send_series(window)
    opened = opened_by(window.page, window.page.locator(".open button").first)
    opened.emulate_media(forced_colors="active")
    fills = opened.locator(".bar-part").evaluate_all("bars => bars.map(bar => getComputedStyle(bar).fill)")
    assert len(fills) == 8
    assert len({*fills}) == 1
