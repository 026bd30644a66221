"""One answer leaves the site by many channels: none says more, less, or anything calmer than another."""

import dataclasses
import datetime
import re

import numpy as np
import pytest

from app import answers, case_rows, cases, letter, results, wording
from app.advice import UNSURE, Level
from app.answers import Answer
from app.case_rows import Item
from app.exports import fhir
from app.reading import Reading, read
from app.sites import SITES
from model_store.classes import CODES
from model_store.prediction import RISKS, SOURCES, Evidence, OutOfDistribution
from model_store.quality import FINDING_CODES
from tests.app.conftest import URGENT
from tests.app.test_patient import answer_of

# How far beside a threshold a risk lies: on it, and where rounding to whole percents would carry it over.
BESIDE = (0.0, 1e-7, -1e-7, 0.004, -0.004)


def evidence(calibration, probabilities: np.ndarray, **of_photo) -> Evidence:
    """What this calibration turns into these probabilities, which are above 0 and sum to 1."""
    logits = (np.log(probabilities) - np.array(calibration.bias)) * calibration.temperature
    return Evidence(tuple(map(float, logits)), **{"ood_score": -9.0, "source": "dermoscopy", **of_photo})


def with_risk(rng, codes, risk: float) -> np.ndarray:
    """Probabilities, drawn, of which those of the codes sum to the risk."""
    drawn = rng.dirichlet(np.full(len(CODES), 0.4)) + 1e-9
    inside = np.isin(CODES, codes)
    return np.where(inside, drawn / drawn[inside].sum() * risk, drawn / drawn[~inside].sum() * (1 - risk))


def drawn_answers(calibrations, count: int) -> list[Answer]:
    """Photos of all kinds, most of them just beside a threshold."""
    rng, made = np.random.default_rng(0), []
    findings, scores = sorted(FINDING_CODES), [one.out_of_distribution.threshold for one in calibrations.values()]
    for _ in range(count):
        calibration = calibrations[rng.choice(SOURCES)]
        point = rng.choice(calibration.operating_points)
        codes, at = RISKS[point.risk], point.threshold
        if kind := rng.integers(3):
            codes, at = (["NV"], 0.98) if kind == 1 else ([rng.choice(CODES)], rng.choice([0.4, 0.6, 0.85]))
        photo = {
            "ood_score": float(rng.choice([-9.0, -9.0, *scores, 0.5, 0.5, max(scores) + 1e-9, np.nan])),
            "source": str(rng.choice(SOURCES)),
            "source_is_sure": bool(rng.integers(2)),
        }
        made.append(
            answer_of(
                (0.0,) * 8,
                evidence=evidence(calibration, with_risk(rng, codes, at + rng.choice(BESIDE)), **photo),
                severe=("too_dark",) * int(rng.random() < 0.1),
                mild=tuple(map(str, rng.choice(findings, rng.integers(3) if rng.random() < 0.4 else 0, replace=False))),
                source=[None, *SOURCES][rng.integers(3)],
                site=str(rng.choice(["", "", *SITES])),
            )
        )
    return made


def judge_by(app, calibrations) -> None:
    """Let the site judge by these calibrations."""
    classifier = app.extensions["classifier"]
    bundle = dataclasses.replace(classifier.bundle, calibrations=calibrations)
    app.extensions["classifier"] = dataclasses.replace(classifier, bundle=bundle)


@pytest.fixture
def english_page(app):
    with app.test_request_context("/en/"):
        yield


@pytest.fixture
def unlike(app, calibrations):
    """Calibrations by which some photos are strange for one source alone, as by those of the shipped bundle."""
    phone = dataclasses.replace(calibrations["phone"], out_of_distribution=OutOfDistribution("probes", 1.0))
    made = {**calibrations, "phone": phone}
    judge_by(app, made)
    return made


def case_of(answer: Answer) -> cases.Case:
    """The same photo in a clinician's series."""
    features = np.zeros(4, np.float16)
    return cases.Case("a.jpg", answer.evidence, answer.source or "", answer.severe, answer.mild, features, "")


def days_to_a_doctor(level: Level, text: wording.LevelText) -> int | None:
    return None if level is Level.WATCH else text.within_days


def calmness(reading: Reading) -> tuple:
    """Larger is calmer: a later date with the doctor, then none; last a photo that is only to be watched."""
    days = days_to_a_doctor(reading.advice.level, reading.text)
    return reading.advice.level is Level.WATCH, days is None, days or 0


def test_no_channel_is_calmer_than_another(english_page, unlike):
    for answer in drawn_answers(unlike, 400):
        for anyway in (False, True):
            reading = read(answer, anyway)
            page, code = results.result_page(reading, anyway), letter._code(reading).splitlines()
            days = days_to_a_doctor(reading.advice.level, reading.text)
            assert page.level == code[3].split()[1] == reading.advice.level.value
            assert [line.split()[-2] for line in code if "within" in line] == ([] if days is None else [str(days)])
            assert days is None or f"within {days // 7} weeks" in str(page.text.heading)
            assert bool(page.rows) == reading.has_diagnoses
        if not answer.site:
            case = case_of(answer)
            read_so = [case, *([case.otherwise] if case.otherwise else [])]
            dates = [days_to_a_doctor(one.advice.level, wording.of_advice(one.advice)) for one in read_so]
            first = read(answer, anyway=False)
            assert min(filter(None, dates), default=None) == days_to_a_doctor(first.advice.level, first.text)


def test_an_answer_shown_again_after_midnight_names_the_date_that_it_named_before(english_page):
    answer = answer_of(URGENT, day=datetime.date(2026, 12, 24))
    for _ in range(2):  # each page seals it once more
        answer = answers.unseal(answers.seal(answer))
    assert "By January 7, 2027 at the latest" in results.result_page(read(answer, anyway=False), anyway=False).where
    written = letter.write(answer, anyway=False, with_photo=False, sealed="")
    assert written.date == "December 24, 2026"
    assert "2026-12-24" in written.code.splitlines()


def test_neither_a_worse_photo_nor_silence_nor_a_hardly_seen_place_calms(english_page, unlike):
    for answer in drawn_answers(unlike, 400):
        for anyway in (False, True):
            told = read(answer, anyway)
            if told.advice.level is Level.WATCH and answer.mild:
                assert read(dataclasses.replace(answer, mild=()), anyway).advice.level is Level.WATCH
            if answer.source is None and not answer.evidence.source_is_sure:
                for source in SOURCES:
                    said = read(dataclasses.replace(answer, source=source), anyway)
                    assert calmness(told) <= calmness(said)
                    if told.advice.level is Level.WATCH:
                        assert UNSURE in told.advice.reasons or UNSURE not in said.advice.reasons
            if answer.site and SITES[answer.site].hardly_seen:
                somewhere = read(dataclasses.replace(answer, site=""), anyway)
                assert calmness(told) <= calmness(somewhere)
                assert days_to_a_doctor(told.advice.level, told.text)


@pytest.mark.parametrize("threshold", [0.3, 0.0912])
def test_a_clinician_sees_a_risk_on_the_side_of_the_threshold_that_its_words_say(
    app, english_page, calibration, threshold
):
    """Whole percents would show 30 % beside "not reached", where the point is set on 30 %."""
    points = tuple(dataclasses.replace(point, threshold=threshold) for point in calibration.operating_points)
    changed = dataclasses.replace(calibration, operating_points=points)
    judge_by(app, dict.fromkeys(SOURCES, changed))
    rng = np.random.default_rng(0)
    for name, codes in RISKS.items():
        for beside in (1e-7, -1e-7, 0.0049, -0.0049):
            near = evidence(changed, with_risk(rng, codes, threshold + beside))
            case = case_of(answer_of((0.0,) * 8, evidence=near, source="dermoscopy"))
            row = case_rows.row(Item(1, case, None), own_first=False)
            shown = {"malignancy": row.malignancy, "urgent": row.urgent}[name]
            assert (float(shown.rstrip("%")) / 100 >= threshold) == (beside > 0), (name, beside, shown)


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.5999, "low: 59.9%"), (0.6 - 1e-12, "low: 59.9%"), (0.6 + 1e-12, "moderate: 60%"),
     (0.849, "moderate: 84.9%"), (0.397, "very low: 39.7%"), (0.602, "moderate: 60%"), (0.55, "low: 55%")],
)  # fmt: skip
def test_a_confidence_is_not_rounded_to_the_percentage_at_which_another_word_begins(
    english_page, calibration, probability, said
):
    probabilities = np.where(np.array(CODES) == "NV", probability, (1 - probability) / 7)
    answer = answer_of((0.0,) * 8, evidence=evidence(calibration, probabilities), source="dermoscopy")
    page = results.result_page(read(answer, anyway=True), anyway=True)
    assert page.confidence == f"The model's confidence in this is {said}."


def test_no_channel_calls_a_diagnosis_certain_or_impossible(english_page, calibration):
    probabilities = np.where(np.array(CODES) == "NV", 1 - 7e-9, 1e-9)
    answer = answer_of((0.0,) * 8, evidence=evidence(calibration, probabilities), source="dermoscopy")
    code = letter._code(read(answer, anyway=False))
    assert "NV D22.- >0.999" in code
    assert "MEL C43.- <0.001" in code
    record = fhir._share(1 - 7e-9), fhir._share(1e-9)
    assert [(one["value"], one["comparator"]) for one in record] == [(99.99, ">"), (0.01, "<")]
    assert not re.search(r"\b[01]\.000\b", code)
