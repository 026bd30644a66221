"""The series as PDF files: one page for one lesion, and a summary of all."""

import datetime
import io
from collections.abc import Sequence

from flask_babel import format_date, gettext
from PIL import Image

from app import case_rows
from app.case_rows import CaseRow, Item
from app.i18n import current_language
from app.pdf import Document

PHOTO_SIDE_MM = 60
ROW_MM = 44  # one photo of the summary; it stays together


def lesion_pdf(item: Item) -> bytes:
    """One photo on one page, in the current language: the photo, the ranked diagnoses, thresholds and remarks.

    Of a photo that cannot be judged it says no more than that, why, and by when a doctor should see what may be a spot.
    """
    row = case_rows.row(item, own_first=False)
    document = Document(gettext("Report on one photo"), current_language(), case_rows.model_name())
    document.heading(gettext("Report on one photo"), size=16)
    top = document.get_y()
    left = document.w - document.r_margin - PHOTO_SIDE_MM
    photo = Image.open(io.BytesIO(item.detail.photo_jpeg))
    document.photo(photo, gettext("The photo as the model saw it"), left=left, top=top, side=PHOTO_SIDE_MM)
    facts = [
        (gettext("Photo"), f"{row.number}. {row.name}"),
        (gettext("Date"), format_date(datetime.date.today(), "long")),
        (gettext("How the photo was taken"), row.source),
        *([] if row.cannot_judge else _risks(row)),
        (gettext("Remarks on the photo"), " ".join(row.remarks) or gettext("None")),
        *([(gettext("Actual diagnosis"), row.truth_name)] if row.truth else []),
    ]
    document.pairs(facts, width=left - document.l_margin - 5)
    document.set_y(max(document.get_y(), top + PHOTO_SIDE_MM + 3))
    document.box([(row.level, 10, True)])
    document.paragraph(case_rows.places_without_calm())
    if not row.cannot_judge:
        _rank(document, row)
    return document.to_bytes()


def _risks(row: CaseRow) -> list[tuple[str, str]]:
    return [
        (gettext("Malignancy"), _malignancy(row)),
        (gettext("Prediction set"), row.prediction_set or gettext("empty")),
    ]


def _rank(document: Document, row: CaseRow) -> None:
    document.heading(gettext("Ranked diagnoses"))
    document.ranking([(one.medical_name, _codes(one), one.percent, one.bar, bool(one.tag)) for one in row.diagnoses])
    document.heading(gettext("All operating points"))
    document.paragraph("; ".join(_point(point) for point in row.points))


def summary_pdf(items: Sequence[Item], failures: Sequence[tuple[str, str]]) -> bytes:
    """All photos of a series in a few lines each; `failures` are names and what went wrong."""
    rows = [case_rows.row(item, own_first=False) for item in items]
    document = Document(gettext("Summary of a series of photos"), current_language(), case_rows.model_name())
    document.heading(gettext("Summary of a series of photos"), size=16)
    document.paragraph(format_date(datetime.date.today(), "long"))
    summary = case_rows.summary([(row.top, row.own, row.truth) for row in rows], len(failures))
    document.box([(sentence, 9, True) for sentence in summary.sentences])
    document.paragraph(case_rows.places_without_calm())
    for row in rows:
        if document.will_page_break(ROW_MM):
            document.add_page()
        document.heading(f"{row.number}. {row.name}", size=10)
        document.paragraph(_in_short(row), after=3)
    if failures:
        document.heading(gettext("Files without an answer"))
        document.paragraph("; ".join(f"{name}: {reason}" for name, reason in failures))
    return document.to_bytes()


def _in_short(row: CaseRow) -> str:
    lines = [
        row.level,
        *([] if row.cannot_judge else _found(row)),
        f"{gettext('How the photo was taken')}: {row.source}",
        *([f"{gettext('Remarks on the photo')}: {' '.join(row.remarks)}"] if row.remarks else []),
        *([f"{gettext('Your diagnosis')}: {row.own_name}"] if row.own else []),
        *([f"{gettext('Actual diagnosis')}: {row.truth_name}"] if row.truth else []),
    ]
    return "\n".join(lines)


def _found(row: CaseRow) -> list[str]:
    reached = ", ".join(point.name for point in row.points if point.reached) or "–"
    return [
        "; ".join(f"{one.medical_name} ({one.code}, {one.icd10}) {one.percent}" for one in row.diagnoses[:3]),
        f"{gettext('Malignancy')}: {_malignancy(row)}; {gettext('reached')}: {reached}",
        f"{gettext('Prediction set')}: {row.prediction_set or gettext('empty')}",
    ]


def _malignancy(row: CaseRow) -> str:
    return f"{row.malignancy} ({gettext('urgent: %(percent)s', percent=row.urgent)})"


def _codes(one: case_rows.Diagnosis) -> str:
    icdo3 = f" · {gettext('ICD-O-3')} {one.icdo3}" if one.icdo3 else ""
    return f"{one.code} · {gettext('ICD-10')} {one.icd10}{icdo3}"


def _point(point: case_rows.Point) -> str:
    state = gettext("reached") if point.reached else gettext("not reached")  # no text is found inside an f-string
    return f"{point.name}: {state}"
