"""What an answer says to the person who sent the photo: the data of the result page and of the letter."""

import datetime
from dataclasses import dataclass

import numpy as np
from flask import current_app, url_for
from flask_babel import format_date, format_decimal, format_percent, gettext

from app import advice, answers, overlay, sites, wording
from app.advice import Advice, Level
from app.answers import Answer
from app.conditions import CONDITIONS, GROUPS
from app.i18n import current_language
from model_store.bundle import Bundle
from model_store.classes import CLASSES, CODES, MALIGNANT_CODES, Group, LesionClass
from model_store.prediction import ADVICE_POINTS, SOURCES, Calibration, Prediction, malignancy_score

# The browser scales it up smoothly; a larger one would only cost time.
OVERLAY_SIDE_PX = 76
MIN_PHOTOS = 20  # test photos behind a figure: of fewer, what seems a share is chance


@dataclass(frozen=True)
class Judged:
    """An answer as the served bundle reads it: all of it by one source's calibration."""

    answer: Answer
    prediction: Prediction
    advice: Advice
    calibration: Calibration
    bundle: Bundle

    @property
    def has_diagnoses(self) -> bool:
        """Whether the photo could be judged at all."""
        return self.advice.level is not Level.CANNOT_JUDGE

    @property
    def text(self) -> wording.LevelText:
        """The advice in words."""
        return wording.of_advice(self.advice)

    @property
    def issues(self) -> tuple[wording.IssueText, ...]:
        """What in the photo speaks against relying on the answer, worst first."""
        return tuple(wording.ISSUES[code] for code in self.advice.reasons if code in wording.ISSUES)

    @property
    def source(self) -> str:
        """How the photo was taken, in words, and how that is known."""
        source = self.prediction.source
        if not self.answer.source and source != self.answer.evidence.source:
            return str(wording.CAUTIOUS_SOURCES[source])
        by_whom = gettext("as the sender said") if self.answer.source else gettext("as the model judged")
        return f"{wording.SOURCES[source]} ({by_whom})"

    @property
    def model(self) -> str:
        """Name, version and fingerprint of the bundle that answers."""
        return f"{self.bundle.name} {self.bundle.version} · {self.bundle.id[:12]}"


@dataclass(frozen=True)
class DiagnosisRow:
    """One of the eight ranked diagnoses: names, calibrated probability as text and bar length in percent, its page."""

    name: str
    medical_name: str
    icd10: str
    percent: str
    bar: float
    tag: str
    url: str


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
    rows: tuple[DiagnosisRow, ...]
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


def judged(answer: Answer, anyway: bool) -> Judged:
    """Read an answer; `anyway` as in `advice.for_prediction`."""
    classifier = current_app.extensions["classifier"]
    calibrations = classifier.bundle.calibrations
    source = answer.source or advice.cautious_source(answer.evidence, answer.severe, answer.mild, calibrations)
    prediction, calibration = classifier.interpret(answer.evidence, source), calibrations[source]
    given = advice.for_prediction(
        prediction, answer.severe, answer.mild, calibration, anyway, hardly_seen=sites.hardly_seen(answer.site)
    )
    return Judged(answer, prediction, given, calibration, classifier.bundle)


def result_page(answer: Answer, anyway: bool) -> ResultPage:
    """Everything that the result page shows of an answer, in the current language."""
    read = judged(answer, anyway)
    diagnosed = read.has_diagnoses
    return ResultPage(
        level=read.advice.level.value,
        text=read.text,
        where=where_with_date(read.text),
        where_to_turn=current_app.extensions["config"].where_to_turn_in(current_language()),
        site_remark=site_remark(answer.site),
        reasons=() if diagnosed or advice.HARDLY_SEEN_SITE in read.advice.reasons else read.issues,
        may_show_anyway=read.advice.may_show_anyway,
        remarks=read.issues if diagnosed else (),
        go_anyway=wording.GO_ANYWAY,
        rows=rows(read.prediction) if diagnosed else (),
        confidence=_confidence(read.prediction) if diagnosed else "",
        frequency=_frequency(read) if diagnosed else (),
        trust=_trust(read) if diagnosed else "",
        malignancy=percent(read.prediction.malignancy) if diagnosed else "",
        score=_score(read) if diagnosed else None,
        fewest=format_decimal(MIN_PHOTOS),
        source=str(wording.SOURCES[answer.source]) if answer.source else read.source,  # who said it knows that
        corrections=_corrections(read),
        photo_url=answer.photo_url,
        overlay_url=_overlay(read) if diagnosed else "",
        sealed_answer=answers.seal(answer),
        anyway=anyway,
        model_name=read.bundle.name,
        model_version=read.bundle.version,
        model_id=read.bundle.id[:12],
    )


def where_with_date(text: wording.LevelText) -> str:
    """Where to turn, with the last day where the level has one."""
    if text.within_days is None:
        return str(text.where)
    last_day = datetime.date.today() + datetime.timedelta(days=text.within_days)
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


def rows(prediction: Prediction) -> tuple[DiagnosisRow, ...]:
    """All eight diagnoses, the most likely first."""
    return tuple(_row(CLASSES[index], prediction.probabilities[index]) for index in prediction.ranking)


def percent(probability: float) -> str:
    """In whole percent; never 0 % or 100 %, since no model can know that."""
    if probability < 0.01:
        return f"< {format_percent(0.01)}"
    if probability > 0.99:
        return f"> {format_percent(0.99)}"
    return format_percent(round(probability, 2))


def _row(lesion_class: LesionClass, probability: float) -> DiagnosisRow:
    condition = CONDITIONS[lesion_class.code]
    return DiagnosisRow(
        name=str(condition.name),
        medical_name=str(condition.medical_name),
        icd10=lesion_class.icd10,
        percent=percent(probability),
        bar=round(100 * probability, 1),
        tag="" if lesion_class.group is Group.BENIGN else str(GROUPS[lesion_class.group]),
        url=url_for("patient.condition", slug=condition.slug),
    )


def _corrections(read: Judged) -> tuple[Correction, ...]:
    """The other source, and where one was said, also to leave it to the model: a slip of the finger could calm."""
    other = next(source for source in SOURCES if source != read.prediction.source)
    corrected = Correction(other, str(wording.SOURCE_IS_WRONG[other]))
    return (corrected, Correction("", gettext("Let the model decide"))) if read.answer.source else (corrected,)


def _overlay(read: Judged) -> str:
    saliency = np.array(read.answer.maps[read.prediction.ranking[0]], np.uint8)
    return overlay.picture(saliency, OVERLAY_SIDE_PX) if saliency.any() else ""


def _confidence(prediction: Prediction) -> str:
    probability = prediction.probabilities[prediction.ranking[0]]
    return str(wording.confidence(probability)) % {"percent": percent(probability)}


def measured(bundle: Bundle, source: str) -> dict:
    """What the bundle's evaluation counted on test photos of a source; empty where it counted none."""
    return bundle.report.get("answers", {}).get(source, {})


def _frequency(read: Judged) -> tuple[str, ...]:
    """What test photos with the same advice and first diagnosis were, from the bundle's evaluation, as counts.

    Never that none was cancer: a count of zero says no more than that there were few photos. Where there were too few
    with this advice, that.
    """
    counted = measured(read.bundle, read.prediction.source)
    found = (*_of_same_advice(read, counted), *_of_same_diagnosis(read, counted))
    if not found:
        return _too_few(read, counted)
    mix = gettext(
        "The model had never seen these photos (%(set)s). They show another mix of people and spots than yours, so for "
        "you the share can be different.",
        set=wording.test_set(counted["set"]),
    )
    return (*found, mix)


def _too_few(read: Judged, counted: dict) -> tuple[str, ...]:
    if counted and "by_advice" not in counted:  # bundles before 2.1.1 did not count it
        return ()
    if _advised(read, counted).get("n", 0) >= MIN_PHOTOS:
        return ()
    return (
        gettext(
            "Fewer than %(number)s test photos taken this way led to this advice: too few to say how often it is "
            "wrong.",
            number=format_decimal(MIN_PHOTOS),
        ),
    )


def _advised(read: Judged, counted: dict) -> dict:
    """The test photos with the same advice; empty where none were counted."""
    name = advice.UNSURE if advice.UNSURE in read.advice.reasons else read.advice.level.value
    return counted.get("by_advice", {}).get(name, {})


def _of_same_advice(read: Judged, counted: dict) -> tuple[str, ...]:
    advised = _advised(read, counted)
    if not advised or advised["n"] < MIN_PHOTOS or not advised["malignant"]:
        return ()
    return (
        gettext(
            "Of %(n)s test photos that led to this advice, %(cancer)s were skin cancer or could become it.",
            n=format_decimal(advised["n"]),
            cancer=format_decimal(advised["malignant"]),
        ),
    )


def _of_same_diagnosis(read: Judged, counted: dict) -> tuple[str, ...]:
    code = CODES[read.prediction.ranking[0]]
    answered = counted.get("by_top_class", {}).get(code)
    if not answered or answered["n"] < MIN_PHOTOS:
        return ()
    counts, n = answered["counts"], answered["n"]
    right, cancer = counts.get(code, 0), sum(counts.get(other, 0) for other in MALIGNANT_CODES)
    if not right:
        return ()
    shown = {"n": format_decimal(n), "right": format_decimal(right)}
    if cancer:
        return (
            gettext(
                "Of %(n)s test photos for which this was the most likely diagnosis, with whatever percentage, "
                "%(right)s really were this, and %(cancer)s were skin cancer or could become it.",
                cancer=format_decimal(cancer),
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


def _trust(read: Judged) -> str:
    figures = read.bundle.report.get("sets", {}).get(read.prediction.source, {})
    error = figures.get("calibration_error", {})
    if error.get("low") is None:
        return ""
    return gettext(
        "How far to trust the percentages: on %(n)s test photos, the stated percentage of the most likely diagnosis "
        "and the share that came true differed by %(difference)s percentage points on average. On so many photos that "
        "is known no better than to lie between %(low)s and %(high)s.",
        n=format_decimal(figures["images"]),
        difference=_points(error["value"]),
        low=_points(error["low"]),
        high=_points(error["high"]),
    )


def _points(share: float) -> str:
    return format_decimal(round(100 * share))


def shown_score(prediction: Prediction, calibration: Calibration, bundle: Bundle) -> int | None:
    """The malignancy score, 1 to 10, for pages and programs alike.

    None where fewer than `MIN_PHOTOS` test photos of the source had it, so its worth is unknown.
    """
    value = malignancy_score(prediction.malignancy, calibration)
    return value if _scored(bundle, prediction.source, value).get("n", 0) >= MIN_PHOTOS else None


def score_on_test(prediction: Prediction, calibration: Calibration, bundle: Bundle) -> dict | None:
    """What the score is worth, for programs: how many test photos had it, and how many of them were malignant.

    None where `shown_score` has none, and where none of them was: so few photos prove no absence.
    """
    value = shown_score(prediction, calibration, bundle)
    scored = {} if value is None else _scored(bundle, prediction.source, value)
    return {"photos": scored["n"], "malignant": scored["malignant"]} if scored.get("malignant") else None


def _scored(bundle: Bundle, source: str, score: int) -> dict:
    """What the bundle's evaluation counted of a source's test photos with a score; empty where it counted none."""
    return measured(bundle, source).get("by_score", {}).get(str(score), {})


def _score(read: Judged) -> Score | None:
    """The score with its predictive value as a count, which is left out where it is 0; None: `shown_score` has none."""
    value = shown_score(read.prediction, read.calibration, read.bundle)
    if value is None:
        return None
    lowest = min(read.calibration.operating_point(name).threshold for name in ADVICE_POINTS)
    begin = malignancy_score(lowest, read.calibration)
    scored = score_on_test(read.prediction, read.calibration, read.bundle)
    if not scored:  # no more than that there were few photos
        return Score(value, begin, "")
    return Score(
        value,
        begin,
        gettext(
            "Of %(n)s test photos with this score, %(cancer)s were skin cancer or could become it.",
            n=format_decimal(scored["photos"]),
            cancer=format_decimal(scored["malignant"]),
        ),
    )
