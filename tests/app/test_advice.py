"""The level follows the summed risks and the photo, never the most likely diagnosis."""

import dataclasses

import numpy as np
import pytest

from app import advice
from app.advice import OUT_OF_DISTRIBUTION, UNSURE, Advice, Level
from model_store.classes import CODES
from model_store.prediction import OutOfDistribution, Prediction, risk
from tests.app.conftest import URGENT, WATCH, WATCH_UNLESS_PHONE, evidence_of, logits


def prediction(strange: bool = False, **of_class: float) -> Prediction:
    """A prediction with these probabilities; what is left goes to NV."""
    probabilities = np.array([of_class.get(code, 0.0) for code in CODES])
    probabilities[CODES.index("NV")] += 1 - probabilities.sum()
    return Prediction(
        probabilities=probabilities,
        ranking=tuple(int(index) for index in np.argsort(-probabilities, kind="stable")),
        prediction_set=(),
        malignancy=float(risk(probabilities, "malignancy")),
        urgent_risk=float(risk(probabilities, "urgent")),
        ood_score=0.0,
        out_of_distribution=strange,
        source="dermoscopy",
    )


# The calibration of tests/conftest.py is urgent from 0.2 of MEL + SCC, soon from 0.3 of all malignant and AK.
@pytest.mark.parametrize(
    ("probabilities", "level"),
    [
        ({"MEL": 0.2}, Level.URGENT),
        ({"MEL": 0.19}, Level.WATCH),
        ({"MEL": 0.125, "SCC": 0.125}, Level.URGENT),  # neither alone, and the mole is far ahead of both
        ({"MEL": 0.15, "BCC": 0.15}, Level.SOON),
        ({"BCC": 0.9}, Level.SOON),
        ({"AK": 0.31}, Level.SOON),
        ({"BCC": 0.29}, Level.WATCH),
        ({"BKL": 0.9}, Level.WATCH),
        ({"VASC": 1.0}, Level.WATCH),
        ({"SCC": 0.2, "BCC": 0.8}, Level.URGENT),  # both thresholds: the more pressing one counts
    ],
)
def test_the_level_is_the_first_threshold_that_a_summed_risk_reaches(calibration, probabilities, level):
    assert advice.for_prediction(prediction(**probabilities), (), (), calibration) == Advice(level)


def test_the_thresholds_are_the_bundle_s(calibration):
    lower = tuple(dataclasses.replace(point, threshold=0.01) for point in calibration.operating_points)
    changed = dataclasses.replace(calibration, operating_points=lower)
    assert advice.for_prediction(prediction(MEL=0.05), (), (), changed).level is Level.URGENT
    assert advice.for_prediction(prediction(MEL=0.05), (), (), calibration).level is Level.WATCH


@pytest.mark.parametrize("probabilities", [{}, {"MEL": 0.9}])
@pytest.mark.parametrize("anyway", [False, True])
def test_a_useless_photo_is_never_judged(calibration, probabilities, anyway):
    useless = advice.for_prediction(prediction(**probabilities), ("too_dark",), ("blurred",), calibration, anyway)
    assert useless == Advice(Level.CANNOT_JUDGE, ("too_dark", "blurred"))
    both = advice.for_prediction(prediction(strange=True, **probabilities), ("too_dark",), (), calibration, anyway)
    assert both == Advice(Level.CANNOT_JUDGE, ("too_dark", OUT_OF_DISTRIBUTION))


@pytest.mark.parametrize("mild", [(), ("blurred",)])
@pytest.mark.parametrize("anyway", [False, True])
def test_a_strange_photo_never_calms_even_when_asked(calibration, mild, anyway):
    given = advice.for_prediction(prediction(strange=True), (), mild, calibration, anyway)
    assert given == Advice(Level.CANNOT_JUDGE, (OUT_OF_DISTRIBUTION, *mild))


@pytest.mark.parametrize("mild", [(), ("blurred",)])
@pytest.mark.parametrize(("probabilities", "level"), [({"MEL": 0.2}, Level.URGENT), ({"BCC": 0.3}, Level.SOON)])
@pytest.mark.parametrize("anyway", [False, True])
def test_a_strange_photo_gets_no_diagnosis_but_what_may_be_a_spot_keeps_its_alarm(
    calibration, probabilities, level, mild, anyway
):
    given = advice.for_prediction(prediction(strange=True, **probabilities), (), mild, calibration, anyway)
    assert given == Advice(Level.CANNOT_JUDGE, (OUT_OF_DISTRIBUTION, *mild), if_a_spot=level)


def test_a_mild_issue_holds_a_calm_answer_back_until_asked_for_and_is_remarked_on_afterwards(calibration):
    asked = advice.for_prediction(prediction(), (), ("blurred",), calibration)
    assert asked == Advice(Level.CANNOT_JUDGE, ("blurred",), may_show_anyway=True)
    shown = advice.for_prediction(prediction(), (), ("blurred",), calibration, anyway=True)
    assert shown == Advice(Level.WATCH, ("blurred",))


@pytest.mark.parametrize(("probabilities", "level"), [({"MEL": 0.9}, Level.URGENT), ({"BCC": 0.9}, Level.SOON)])
def test_a_mild_issue_never_holds_an_alarm_back(calibration, probabilities, level):
    given = advice.for_prediction(prediction(**probabilities), (), ("blurred",), calibration)
    assert given == Advice(level, ("blurred",))


@pytest.mark.parametrize("probed", ["dermoscopy", "phone"])
@pytest.mark.parametrize(("logits", "cautious"), [(URGENT, None), (WATCH, None), (WATCH_UNLESS_PHONE, "phone")])
def test_the_source_that_nobody_said_is_the_one_of_the_more_pressing_advice_and_of_two_alike_the_probes(
    calibrations, probed, logits, cautious
):
    assert advice.cautious_source(evidence_of(logits, probed), (), (), calibrations) == (cautious or probed)


def test_a_source_that_the_probe_is_sure_of_is_not_questioned(calibrations):
    sure = dataclasses.replace(evidence_of(WATCH_UNLESS_PHONE), source_is_sure=True)
    assert advice.cautious_source(sure, (), (), calibrations) == "dermoscopy"


def test_a_photo_that_is_strange_for_one_source_alone_calms_nobody_but_holds_no_alarm_back(calibrations):
    never = dataclasses.replace(calibrations["phone"], out_of_distribution=OutOfDistribution("probes", -1e9))
    changed = {**calibrations, "phone": never}
    assert advice.cautious_source(evidence_of(WATCH), (), (), changed) == "phone"
    alarming = {"dermoscopy": calibrations["phone"], "phone": dataclasses.replace(calibrations["dermoscopy"],
                out_of_distribution=never.out_of_distribution)}  # fmt: skip
    assert advice.cautious_source(evidence_of(WATCH_UNLESS_PHONE, "phone"), (), (), alarming) == "dermoscopy"


def test_a_mild_issue_does_not_calm_what_is_strange_for_the_other_source(calibrations):
    stranger = dataclasses.replace(calibrations["dermoscopy"], out_of_distribution=OutOfDistribution("probes", -1e9))
    changed = {**calibrations, "dermoscopy": stranger}
    for mild in ((), ("blurred",)):
        assert advice.cautious_source(evidence_of(WATCH, "phone"), (), mild, changed) == "dermoscopy"


def test_of_two_sources_that_wait_to_be_asked_it_is_the_one_that_makes_it_a_guess(calibrations):
    guess_if_phone = logits(NV=6, BKL=3)
    for mild in ((), ("blurred",)):
        assert advice.cautious_source(evidence_of(guess_if_phone), (), mild, calibrations) == "phone"


def test_of_two_alarms_alike_it_is_the_one_without_an_if(calibrations):
    stranger = dataclasses.replace(calibrations["dermoscopy"], out_of_distribution=OutOfDistribution("probes", -1e9))
    changed = {**calibrations, "dermoscopy": stranger}
    assert advice.cautious_source(evidence_of(URGENT), (), (), changed) == "phone"


@pytest.mark.parametrize("anyway", [False, True])
def test_where_the_model_has_hardly_seen_a_spot_it_alarms_but_calms_nobody(calibration, anyway):
    def given(severe=(), mild=(), **of_class) -> Advice:
        return advice.for_prediction(prediction(**of_class), severe, mild, calibration, anyway, hardly_seen=True)

    assert given(MEL=0.2) == Advice(Level.URGENT)
    assert given(BCC=0.3, mild=("blurred",)) == Advice(Level.SOON, ("blurred",))
    assert given(strange=True, MEL=0.2).if_a_spot is Level.URGENT
    cannot, site = Level.CANNOT_JUDGE, advice.HARDLY_SEEN_SITE
    assert given() == Advice(cannot, (site,))
    assert given(mild=("blurred",), BKL=0.41) == Advice(cannot, (site, "blurred", UNSURE))
    assert given(strange=True) == Advice(cannot, (site, OUT_OF_DISTRIBUTION))
    assert given(strange=True, BCC=0.3) == Advice(cannot, (site, OUT_OF_DISTRIBUTION))  # 4 weeks too, and no "if"
    assert given(severe=("too_dark",), MEL=0.9) == Advice(cannot, (site, "too_dark"))


GUESS = {"BKL": 0.41}  # what is left, 0.59, goes to NV


def test_a_guess_calms_nobody_unless_asked_for_and_is_remarked_on_afterwards(calibration):
    asked = advice.for_prediction(prediction(**GUESS), (), ("blurred",), calibration)
    assert asked == Advice(Level.CANNOT_JUDGE, ("blurred", UNSURE), may_show_anyway=True)
    shown = advice.for_prediction(prediction(**GUESS), (), (), calibration, anyway=True)
    assert shown == Advice(Level.WATCH, (UNSURE,))
    strange = advice.for_prediction(prediction(strange=True, **GUESS), (), (), calibration, anyway=True)
    assert strange == Advice(Level.CANNOT_JUDGE, (OUT_OF_DISTRIBUTION, UNSURE))
    assert advice.for_prediction(prediction(BKL=0.4), (), (), calibration) == Advice(Level.WATCH)


@pytest.mark.parametrize(
    ("probabilities", "level"), [({"MEL": 0.3, "BKL": 0.3}, Level.URGENT), ({"BCC": 0.4, "BKL": 0.3}, Level.SOON)]
)
def test_a_guess_never_holds_an_alarm_back(calibration, probabilities, level):
    assert advice.for_prediction(prediction(**probabilities), (), (), calibration) == Advice(level)
