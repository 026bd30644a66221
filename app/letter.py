"""The letter for the doctor: one A4 page, to be printed or as a PDF."""

import base64
import io
from dataclasses import dataclass

import segno
from flask import request
from flask_babel import format_date, format_decimal, format_percent, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from PIL import Image

from app import evaluation, sites, wording
from app.advice import Level
from app.answers import Answer
from app.conditions import CONDITIONS
from app.figures import tenths_apart
from app.i18n import current_language
from app.pdf import SOFT_INK, Document
from app.ranking import Diagnosis, diagnoses
from app.reading import Reading, read
from model_store.classes import CLASSES

# What no photo tells; the patient writes the answers on the printed page.
QUESTIONS = (
    _l("Since when has the spot been there?"),
    _l("Has it changed, bled, itched or hurt?"),
    _l("Melanoma in you or close relatives, weakened immune system?"),
)
PHOTO_SIDE_MM = 48
CODE_SIDE_MM, CODE_SCALE = 26, 8  # of the QR code: its side, and pixels for each of its points


@dataclass(frozen=True)
class Letter:
    """All that the printed page and the PDF may say.

    `date` is the day of the answer, from which its weeks count. `facts` and `figures` are pairs of a label and its
    value. `photo_jpeg` is empty where the letter goes without it. A photo that cannot be judged has no `rows` and no
    `figures`. `code` is what a doctor's device reads: the answer in lines of codes and numbers, the same in every
    language, without the photo.
    """

    date: str
    introduction: str
    level: str
    word: LazyString
    heading: LazyString
    site_remark: str
    facts: tuple[tuple[str, str], ...]
    issues: tuple[str, ...]
    rows: tuple[Diagnosis, ...]
    figures: tuple[tuple[str, str], ...]
    questions: tuple[LazyString, ...]
    photo_jpeg: bytes
    code: str
    model: str
    sealed_answer: str
    anyway: bool

    @property
    def photo_url(self) -> str:
        """The photo as a data: URL; empty without one."""
        if not self.photo_jpeg:
            return ""
        return "data:image/jpeg;base64," + base64.b64encode(self.photo_jpeg).decode("ascii")

    @property
    def code_url(self) -> str:
        """`code` as a QR code, a data: URL."""
        return _qr(self.code).png_data_uri(scale=CODE_SCALE)


def write(answer: Answer, anyway: bool, with_photo: bool, sealed: str) -> Letter:
    """Write the letter about an answer, in the current language.

    Args:
        answer: what it is about.
        anyway: as in `advice.for_prediction`.
        with_photo: whether the photo as the model saw it goes into the letter.
        sealed: the answer as the browser keeps it.
    """
    reading = read(answer, anyway)
    return Letter(
        date=format_date(answer.day, "long"),
        introduction=_introduction(),
        level=reading.advice.level.value,
        word=reading.text.word,
        heading=reading.text.heading,
        site_remark=_site_remark(answer.site),
        facts=_facts(reading),
        issues=tuple(str(issue.what) for issue in reading.issues),
        rows=diagnoses(reading.prediction) if reading.has_diagnoses else (),
        figures=_figures(reading) if reading.has_diagnoses else (),
        questions=QUESTIONS,
        photo_jpeg=answer.photo_jpeg if with_photo else b"",
        code=_code(reading),
        model=reading.bundle.label,
        sealed_answer=sealed,
        anyway=anyway,
    )


def to_pdf(letter: Letter) -> bytes:
    """The letter as a PDF file of one page, in the current language."""
    document = Document(gettext("Letter for the doctor"), current_language(), _model_line(letter))
    top, left = document.get_y(), document.w - document.r_margin - CODE_SIDE_MM
    buffer = io.BytesIO()
    _qr(letter.code).save(buffer, kind="png", scale=CODE_SCALE)
    alt = gettext("QR code with the estimate of this page, without the photo")
    document.photo(Image.open(buffer), alt, left=left, top=top, side=CODE_SIDE_MM)
    text_width = left - document.l_margin - 3
    document.heading(gettext("Letter for the doctor"), size=16)
    document.paragraph(letter.introduction, size=8.5, colour=SOFT_INK, width=text_width)
    document.set_y(max(document.get_y(), top + CODE_SIDE_MM + 1))
    document.box(
        [(f"{letter.word}: {letter.heading}", 12, True), *((letter.site_remark, 9, False),) * bool(letter.site_remark)]
    )
    top, text_width = document.get_y(), 0
    if letter.photo_jpeg:
        left = document.w - document.r_margin - PHOTO_SIDE_MM
        photo = Image.open(io.BytesIO(letter.photo_jpeg))
        document.photo(photo, gettext("The photo as the model saw it"), left=left, top=top, side=PHOTO_SIDE_MM)
        text_width = left - document.l_margin - 5
    document.pairs(((gettext("Date"), letter.date), *letter.facts), width=text_width)
    if letter.issues:
        document.pairs([(gettext("Remarks on the photo"), " ".join(letter.issues))], width=text_width)
    if letter.photo_jpeg:
        document.set_y(max(document.get_y(), top + PHOTO_SIDE_MM + 3))
    if letter.rows:
        document.ln(1.5)
        document.heading(gettext("What the model thinks it is"))
        document.ranking(
            [
                (
                    row.name,
                    " · ".join(filter(None, (row.medical_name, row.icd10, row.tag))),
                    row.percent,
                    row.bar,
                    bool(row.tag),
                )
                for row in letter.rows
            ]
        )
        document.ln(2)
        document.pairs(letter.figures)
    document.ln(2)
    document.heading(gettext("To be filled in by the patient"))
    document.blank_lines([str(question) for question in letter.questions])
    return document.to_bytes()


def _site_remark(site: str) -> str:
    if not sites.hardly_seen(site):
        return ""
    return gettext("The model has hardly ever seen a spot at this place of the body.")


def _introduction() -> str:
    what = gettext(
        "A patient sent one photo of a spot to %(site)s. This page says what the model there made of it. It is no "
        "finding and no referral, and it has not been reviewed by a doctor.",
        site=request.host,
    )
    code = gettext("The code on this page holds the same estimate for your device, without the photo.")
    return f"{what} {code}"


def _code(reading: Reading) -> str:
    prediction, bundle, alarm = reading.prediction, reading.bundle, reading.advice.if_a_spot
    is_for_a_doctor = reading.text.within_days and reading.advice.level is not Level.WATCH
    what = f"if a spot: {alarm.value}" if alarm else "see a doctor"
    lines = [
        "AI estimate, not a diagnosis",
        reading.answer.day.isoformat(),
        f"{bundle.name} {bundle.version} {bundle.id[:12]}",
        " ".join(("advice", reading.advice.level.value, *reading.advice.reasons)),
        *([f"{what} within {reading.text.within_days} days"] if is_for_a_doctor else []),
        f"source {prediction.source}",
    ]
    if reading.has_diagnoses:
        ranked = [(CLASSES[index], prediction.probabilities[index]) for index in prediction.ranking]
        lines += [f"{one.code} {one.icd10} {_in_code(probability)}" for one, probability in ranked]
        lines.append(" ".join(("set", *prediction.prediction_set)))
    return "\n".join(lines)


def _in_code(probability: float) -> str:
    """Three decimals; never 0 or 1, since no model can know that."""
    if probability < 0.001:
        return "<0.001"
    return ">0.999" if probability > 0.999 else f"{probability:.3f}"


def _qr(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m")


def _model_line(letter: Letter) -> str:
    return f"{letter.model} · {letter.date}"


def _facts(reading: Reading) -> tuple[tuple[str, str], ...]:
    site = reading.answer.site
    return (
        (gettext("Where on the body"), str(sites.SITES[site].name) if site in sites.SITES else gettext("not said")),
        (gettext("How the photo was taken"), reading.source),
    )


def _figures(reading: Reading) -> tuple[tuple[str, str], ...]:
    prediction = reading.prediction
    in_set = ", ".join(str(CONDITIONS[code].name) for code in prediction.prediction_set)
    coverage = format_percent(reading.calibration.set_coverage)
    return (
        (
            gettext("Melanoma and squamous cell carcinoma together"),
            _risk(reading, prediction.urgent_risk, "urgent", wording.LEVELS[Level.URGENT]),
        ),
        (
            gettext("Malignancy (melanoma, squamous and basal cell carcinoma, actinic keratosis together)"),
            _risk(reading, prediction.malignancy, "soon", wording.LEVELS[Level.SOON]),
        ),
        (
            gettext("Prediction set, made to hold the diagnosis in %(coverage)s of cases", coverage=coverage),
            in_set or "–",
        ),
    )


def _risk(reading: Reading, probability: float, point_name: str, level: wording.LevelText) -> str:
    """A summed probability, where its advice begins, and what that threshold did on test photos, if it was measured."""
    threshold = reading.calibration.operating_point(point_name).threshold
    begins = gettext(
        "%(risk)s. The advice “%(level)s” begins at %(threshold)s.",
        risk=tenths_apart(probability, threshold),
        level=level.word,
        threshold=tenths_apart(threshold, threshold),
    )
    return f"{begins} {_on_test_photos(reading, point_name)}".strip()


def _on_test_photos(reading: Reading, point_name: str) -> str:
    """What a threshold did, in counts: a percentage would hide on how few photos it rests. Empty if not measured."""
    bundle, source = reading.bundle, reading.prediction.source
    point = next((point for point in evaluation.operating_points(bundle, source) if point.name == point_name), None)
    tested_on = evaluation.test_set(bundle, source)
    if not tested_on or point is None or not (point.sensitivity.images and point.specificity.images):
        return ""
    return gettext(
        "Test photos (%(set)s): of %(n1)s that showed this, %(k1)s reached it; of the %(n2)s others, %(k2)s did not.",
        set=wording.test_set(tested_on),
        n1=format_decimal(point.sensitivity.images),
        k1=format_decimal(point.sensitivity.count),
        n2=format_decimal(point.specificity.images),
        k2=format_decimal(point.specificity.count),
    )
