"""The documents' look, their letters, and the mark that a machine made them."""

import io
import logging

import pypdf
import pytest
from PIL import Image

from app.i18n import LANGUAGES
from app.pdf import DIGITAL_SOURCE_TYPE, Document

KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"


@pytest.fixture
def make(app):
    """A function that makes a document in a language, lets `fill` write into it, and reads it back."""

    def read(fill, language: str = "en") -> pypdf.PdfReader:
        with app.test_request_context(f"/{language}/"):
            document = Document("A title & more", language, "tiny 1.0.0 · 0123456789ab")
            fill(document)
            return pypdf.PdfReader(io.BytesIO(document.to_bytes()))

    return read


def test_every_page_says_that_it_is_an_estimate_and_of_which_model(make):
    def two_pages(document):
        document.paragraph("one")
        document.add_page()
        document.paragraph("two")

    pages = make(two_pages).pages
    assert len(pages) == 2
    for page in pages:
        text = " ".join(page.extract_text().split())
        assert "AI estimate, not a diagnosis. A doctor makes the diagnosis." in text
        assert "tiny 1.0.0 · 0123456789ab" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_machine_reads_that_a_machine_made_it(make, language):
    file = make(lambda document: document.paragraph("text"), language)
    assert file.metadata.title == "A title & more"
    assert "ai-generated" in file.metadata["/Keywords"]
    assert file.metadata.creator == "tiny 1.0.0 · 0123456789ab"
    assert DIGITAL_SOURCE_TYPE in file.root_object["/Metadata"].get_data().decode()
    assert file.root_object["/Lang"] == language


def test_kazakh_letters_are_in_the_font(make, caplog):
    logging.getLogger("fpdf").setLevel(logging.WARNING)
    try:
        text = make(lambda document: document.heading(KAZAKH)).pages[0].extract_text()
    finally:
        logging.getLogger("fpdf").setLevel(logging.ERROR)
    assert KAZAKH in text
    assert caplog.records == []


def test_all_parts_stand_on_one_page_below_each_other(make):
    def fill(document):
        document.heading("Heading", size=16)
        document.box([("In a box", 12, True), ("more of it", 9, False)])
        document.pairs([("Label", "value")])
        document.ranking([("Melanoma", "C43.-", "12 %", 12.0, True), ("Mole", "D22.-", "88 %", 88.0, False)])
        document.photo(Image.new("RGB", (38, 38), "red"), "A red square", left=150, top=20, side=40)
        document.blank_lines(["Since when?"])

    (page,) = make(fill).pages
    lines = [line.strip() for line in page.extract_text().splitlines()]
    order = ["Heading", "In a box", "Label", "value", "Melanoma", "Mole", "Since when?"]
    places = [next(at for at, line in enumerate(lines) if line.startswith(word)) for word in order]
    assert places == sorted(places)
    assert len(page.images) == 1


def test_a_letter_that_no_font_has_is_not_logged(make, caplog):
    make(lambda document: document.paragraph("\U0001f4f7 \u4e2d"))
    assert caplog.records == []
