"""What an answer says to the person who sent the photo: the data of the result page."""

import datetime
from dataclasses import dataclass

import numpy as np
from flask import current_app
from flask_babel import format_date, format_decimal, gettext

from app import advice, answers, evaluation, overlay, sites, wording
from app.evaluation import MIN_PHOTOS, Count, DiagnosisCount
from app.figures import percent_apart
from app.i18n import current_language
from app.ranking import Diagnosis, diagnoses
from app.reading import Reading
from model_store.bundle import Bundle
from model_store.classes import CODES
from model_store.prediction import ADVICE_POINTS, SOURCES, Prediction, malignancy_score

# The browser scales it up smoothly; a larger one would only cost time.
OVERLAY_SIDE_PX = 76


@dataclass(frozen=True)
class Score:
    """The malignancy score, 1 to 10.

    Attributes:
        value: of this photo.
        begin: the lowest one with which a doctor can be advised, by either threshold of the advice.
        frequency: what test photos with the same score were; empty where none of them was cancer.
    """

    value: int
    begin: int
    frequency: str


@dataclass(frozen=True)
class Correction:
    """A button that has the photo judged by another source: its code, empty to let the model decide, and its words."""

    source: str
    words: str


@dataclass(frozen=True)
class ResultPage:
    """All that templates/patient/result.html may see.

    `reasons` say why a photo cannot be judged, and are empty where no other photo would help; `remarks` say what is
    wrong with one that is judged all the same. Where the photo cannot be judged there are no `rows` and no `score`, and
    `confidence`, `malignancy` and `frequency` are empty. `frequency` is empty too where test photos with this advice
    were counted and none of them was cancer; where too few had it, it says so. There is no `score` where too few had it
    either: ten bands of few photos, most of them cancer, make a high risk look middling. Then `fewest` says how many
    photos are enough. `trust` says how far the percentages held on test photos; empty where there were none.
    `site_remark` is for a place on the body that the model hardly knows. `overlay_url` shows where the model looked;
    empty where no place spoke for the first diagnosis. `corrections` are the buttons of who knows better how the photo
    was taken, or said it by mistake.
    """

    level: str
    text: wording.LevelText
    where: str
    where_to_turn: str
    site_remark: str
    reasons: tuple
    may_show_anyway: bool
    remarks: tuple
    go_anyway: tuple
    rows: tuple[Diagnosis, ...]
    confidence: str
    frequency: tuple[str, ...]
    trust: str
    malignancy: str
    score: Score | None
    fewest: str
    source: str
    corrections: tuple[Correction, ...]
    photo_url: str
    overlay_url: str
    sealed_answer: str
    anyway: bool
    model_name: str
    model_version: str
    model_id: str


def result_page(reading: Reading, anyway: bool) -> ResultPage:
    """Everything that the result page shows, in the current language; `anyway` is what the answer was read with."""
    answer, diagnosed = reading.answer, reading.has_diagnoses
    return ResultPage(
        level=reading.advice.level.value,
        text=reading.text,
        where=where_with_date(reading.text, answer.day),
        where_to_turn=current_app.extensions["config"].where_to_turn_in(current_language()),
        site_remark=site_remark(answer.site),
        reasons=() if diagnosed or advice.HARDLY_SEEN_SITE in reading.advice.reasons else reading.issues,
        may_show_anyway=reading.advice.may_show_anyway,
        remarks=reading.issues if diagnosed else (),
        go_anyway=wording.GO_ANYWAY,
        rows=diagnoses(reading.prediction) if diagnosed else (),
        confidence=_confidence(reading.prediction) if diagnosed else "",
        frequency=_frequency(reading) if diagnosed else (),
        trust=_trust(reading) if diagnosed else "",
        malignancy=_malignancy(reading) if diagnosed else "",
        score=_score(reading) if diagnosed else None,
        fewest=format_decimal(MIN_PHOTOS),
        source=str(wording.SOURCES[answer.source]) if answer.source else reading.source,  # who said it knows that
        corrections=_corrections(reading),
        photo_url=answer.photo_url,
        overlay_url=_overlay(reading) if diagnosed else "",
        sealed_answer=answers.seal(answer),
        anyway=anyway,
        model_name=reading.bundle.name,
        model_version=reading.bundle.version,
        model_id=reading.bundle.id[:12],
    )


def where_with_date(text: wording.LevelText, day: datetime.date) -> str:
    """Where to turn, with the last day where the level has one, counted from the day of the answer."""
    if text.within_days is None:
        return str(text.where)
    last_day = day + datetime.timedelta(days=text.within_days)
    return str(text.where) % {"date": format_date(last_day, "long")}


def site_remark(site: str) -> str:
    """What to say of a spot where the training photos hardly have any; empty for every other place."""
    if not sites.hardly_seen(site):
        return ""
    return gettext(
        "You said where the spot is: %(site)s. The model has hardly ever seen a spot there. Show it to a doctor, "
        "whatever this page says.",
        site=sites.SITES[site].name,
    )


def _corrections(reading: Reading) -> tuple[Correction, ...]:
    """The other source, and where one was said, also to leave it to the model: a slip of the finger could calm."""
    other = next(source for source in SOURCES if source != reading.prediction.source)
    corrected = Correction(other, str(wording.SOURCE_IS_WRONG[other]))
    return (corrected, Correction("", gettext("Let the model decide"))) if reading.answer.source else (corrected,)


def _overlay(reading: Reading) -> str:
    saliency = np.array(reading.answer.maps[reading.prediction.ranking[0]], np.uint8)
    return overlay.picture(saliency, OVERLAY_SIDE_PX) if saliency.any() else ""


def _confidence(prediction: Prediction) -> str:
    probability = float(prediction.probabilities[prediction.ranking[0]])
    bounds = [bound for bound, _ in wording.CONFIDENCE]
    return str(wording.confidence(probability)) % {"percent": percent_apart(probability, bounds)}


def _malignancy(reading: Reading) -> str:
    return percent_apart(reading.prediction.malignancy, [reading.calibration.operating_point("soon").threshold])


def _frequency(reading: Reading) -> tuple[str, ...]:
    """What test photos with the same advice and first diagnosis were, from the bundle's evaluation, as counts.

    Never that none was cancer: a count of zero says no more than that there were few photos. Where there were too few
    with this advice, that.
    """
    bundle, source = reading.bundle, reading.prediction.source
    advised = evaluation.with_advice(bundle, source, reading.advice)
    diagnosed = evaluation.with_diagnosis(bundle, source, CODES[reading.prediction.ranking[0]])
    found = (*_of_same_advice(advised), *_of_same_diagnosis(diagnosed))
    few = () if advised or not _advice_was_counted(bundle, source) else (_few_of_same_advice(),)
    if not found:
        return few
    mix = gettext(
        "The model had never seen these photos (%(set)s). They show another mix of people and spots than yours, so "
        "for you the share can be different.",
        set=wording.test_set(evaluation.test_set(bundle, source)),
    )
    return (*few, *found, mix)


def _advice_was_counted(bundle: Bundle, source: str) -> bool:
    """Also where there were no test photos at all, which is few too; not in the report of a bundle before 2.1.1."""
    return bool(evaluation.by_advice(bundle, source)) or not evaluation.answers(bundle, source)


def _few_of_same_advice() -> str:
    return gettext(
        "Fewer than %(number)s test photos taken this way led to this advice: too few to say how often it is wrong.",
        number=format_decimal(MIN_PHOTOS),
    )


def _of_same_advice(advised: Count | None) -> tuple[str, ...]:
    if not advised or not advised.malignant:
        return ()
    return (
        gettext(
            "Of %(n)s test photos that led to this advice, %(cancer)s were skin cancer or could become it.",
            n=format_decimal(advised.photos),
            cancer=format_decimal(advised.malignant),
        ),
    )


def _of_same_diagnosis(diagnosed: DiagnosisCount | None) -> tuple[str, ...]:
    if not diagnosed or not diagnosed.right:
        return ()
    shown = {"n": format_decimal(diagnosed.photos), "right": format_decimal(diagnosed.right)}
    if diagnosed.malignant:
        return (
            gettext(
                "Of %(n)s test photos for which this was the most likely diagnosis, with whatever percentage, "
                "%(right)s really were this, and %(cancer)s were skin cancer or could become it.",
                cancer=format_decimal(diagnosed.malignant),
                **shown,
            ),
        )
    return (
        gettext(
            "Of %(n)s test photos for which this was the most likely diagnosis, with whatever percentage, %(right)s "
            "really were this.",
            **shown,
        ),
    )


def _trust(reading: Reading) -> str:
    error = evaluation.calibration_error(reading.bundle, reading.prediction.source)
    if error is None:
        return ""
    return gettext(
        "How far to trust the percentages: on %(n)s test photos, the stated percentage of the most likely diagnosis "
        "and the share that came true differed by %(difference)s percentage points on average. With this many photos, "
        "all we know is that it lies between %(low)s and %(high)s.",
        n=format_decimal(error.images),
        difference=_points(error.value),
        low=_points(error.low),
        high=_points(error.high),
    )


def _points(share: float) -> str:
    return format_decimal(round(100 * share))


def _score(reading: Reading) -> Score | None:
    """The score with its predictive value as a count, which is left out where it is 0."""
    said = reading.prediction, reading.calibration, reading.bundle
    value, on_test = evaluation.score(*said), evaluation.score_on_test(*said)
    if value is None:
        return None
    lowest = min(reading.calibration.operating_point(name).threshold for name in ADVICE_POINTS)
    frequency = ""
    if on_test:
        frequency = gettext(
            "Of %(n)s test photos with this score, %(cancer)s were skin cancer or could become it.",
            n=format_decimal(on_test.photos),
            cancer=format_decimal(on_test.malignant),
        )
    return Score(value, malignancy_score(lowest, reading.calibration), frequency)
