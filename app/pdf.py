"""A4 pages in one look, each marked as made by artificial intelligence, for people and for machines."""

import logging
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from flask_babel import gettext
from fpdf import FPDF
from PIL import Image

FONTS = Path(__file__).parent.parent / "static" / "fonts"
FAMILY = "DejaVu Sans Condensed"
INK, SOFT_INK, LINE, WASH = (27, 42, 50), (77, 91, 99), (216, 210, 200), (227, 240, 240)
BAR_ALL, BAR_PART, BAR_TAGGED = (231, 225, 216), (91, 127, 134), (168, 50, 74)
MARGIN_MM = 15
# The IPTC's word for what a trained model made, https://cv.iptc.org/newscodes/digitalsourcetype/
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
  Iptc4xmpExt:DigitalSourceType="{source}" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{model}</rdf:li></rdf:Seq></dc:creator>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{notice}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>"""

# fpdf2 logs the letters that a font lacks, and they may come from the name of somebody's file.
logging.getLogger("fpdf").setLevel(logging.ERROR)


class Document(FPDF):
    """An A4 document in the current language of the site; lengths are in millimetres, type sizes in points.

    Args:
        title: of the document, for its metadata.
        language: code of the language that it is in.
        model: name, version and fingerprint of the bundle whose answers it holds; stands at the foot of each page.
    """

    def __init__(self, title: str, language: str, model: str) -> None:
        super().__init__(format="A4")
        self._model = model
        self._notice = gettext("AI estimate, not a diagnosis. A doctor makes the diagnosis.")
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=22)
        self.add_font(FAMILY, "", FONTS / "DejaVuSansCondensed.ttf")
        self.add_font(FAMILY, "B", FONTS / "DejaVuSansCondensed-Bold.ttf")
        self.set_lang(language)
        self.set_title(title)
        self.set_subject(self._notice)
        self.set_keywords("ai-generated")
        self.set_creator(model)
        self.set_xmp_metadata(
            _XMP.format(
                source=DIGITAL_SOURCE_TYPE, title=escape(title), model=escape(model), notice=escape(self._notice)
            )
        )
        self.add_page()

    def footer(self) -> None:
        """What fpdf2 writes at the foot of each page."""
        self.set_y(-19)
        self.set_draw_color(*LINE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.set_y(-17.5)
        not_registered = gettext("This site is not a registered medical device.")
        self.paragraph(f"{self._notice} {not_registered}", size=7.5, bold=True, after=0)
        self.paragraph(self._model, size=7.5, colour=SOFT_INK, after=0)

    def heading(self, text: str, size: float = 11) -> None:
        """A heading; the largest of a page at about 16 points."""
        self.paragraph(text, size=size, bold=True, after=1)

    def paragraph(
        self,
        text: str,
        *,
        size: float = 9,
        bold: bool = False,
        colour: tuple[int, int, int] = INK,
        width: float = 0,
        after: float = 1.5,
    ) -> None:
        """Text that breaks into lines, from the current place; `width` 0 reaches to the right margin."""
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)
        left = self.get_x()
        self.multi_cell(width, size * 0.46, text, align="L", new_x="LEFT", new_y="NEXT")
        self.set_xy(left, self.get_y() + after)

    def box(self, lines: Sequence[tuple[str, float, bool]]) -> None:
        """Text on a tinted ground, each line as (text, size in points, bold)."""
        self.set_fill_color(*WASH)
        for text, size, bold in lines:
            self.set_font(FAMILY, "B" if bold else "", size)
            self.set_text_color(*INK)
            self.multi_cell(0, size * 0.46, text, align="L", fill=True, new_x="LMARGIN", new_y="NEXT", padding=(1, 3))
        self.ln(2)

    def pairs(self, rows: Sequence[tuple[str, str]], width: float = 0) -> None:
        """Label and value, one below the other; `width` of both together, 0 to the right margin."""
        width = width or self.w - self.r_margin - self.get_x()
        left = self.get_x()
        for label, value in rows:
            self.paragraph(label, size=7.5, colour=SOFT_INK, width=width, after=0)
            self.paragraph(value, size=9, width=width, after=1.2)
            self.set_x(left)

    def ranking(self, rows: Sequence[tuple[str, str, str, float, bool]]) -> None:
        """Diagnoses with bars, each as (name, what stands below it, percent as text, bar in percent, dangerous)."""
        name_width, bar_width = 112, 40
        for name, below, percent, bar, dangerous in rows:
            top = self.get_y()
            self.paragraph(name, size=9, bold=True, width=name_width, after=0)
            self.paragraph(below, size=7, colour=SOFT_INK, width=name_width, after=0)
            bottom = self.get_y()
            bar_left = self.l_margin + name_width + 3
            self.set_fill_color(*BAR_ALL)
            self.rect(bar_left, top + 1.2, bar_width, 2.4, style="F")
            self.set_fill_color(*(BAR_TAGGED if dangerous else BAR_PART))
            self.rect(bar_left, top + 1.2, bar_width * bar / 100, 2.4, style="F")
            self.set_xy(bar_left + bar_width + 2, top + 0.2)
            self.paragraph(percent, size=9, bold=True, after=0)
            self.set_xy(self.l_margin, bottom + 0.9)

    def photo(self, image: Image.Image, alt: str, *, left: float, top: float, side: float) -> None:
        """A square photo at a place of its own; the current place stays where it is."""
        here = self.get_x(), self.get_y()
        self.image(image, x=left, y=top, w=side, h=side, alt_text=alt)
        self.set_xy(*here)

    def blank_lines(self, questions: Sequence[str]) -> None:
        """Questions with a line behind each to write on."""
        for question in questions:
            self.set_font(FAMILY, "", 8.5)
            self.set_text_color(*INK)
            self.cell(0, 6, question)
            begin = self.l_margin + min(self.get_string_width(question) + 3, self.epw - 40)
            self.set_draw_color(*SOFT_INK)
            self.line(begin, self.get_y() + 5, self.w - self.r_margin, self.get_y() + 5)
            self.ln(6)

    def to_bytes(self) -> bytes:
        """The finished file."""
        return bytes(self.output())
