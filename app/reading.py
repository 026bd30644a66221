"""An answer as the served bundle reads it, for the pages, the letter, the API and the counters alike."""

from dataclasses import dataclass

from flask import current_app
from flask_babel import gettext

from app import advice, sites, wording
from app.advice import Advice, Level
from app.answers import Answer
from model_store.bundle import Bundle
from model_store.prediction import Calibration, Prediction


@dataclass(frozen=True)
class Reading:
    """What an answer says: all of it by one source's calibration."""

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


def read(answer: Answer, anyway: bool) -> Reading:
    """Read an answer; `anyway` as in `advice.for_prediction`."""
    classifier = current_app.extensions["classifier"]
    calibrations = classifier.bundle.calibrations
    source = answer.source or advice.cautious_source(answer.evidence, answer.severe, answer.mild, calibrations)
    prediction, calibration = classifier.interpret(answer.evidence, source), calibrations[source]
    given = advice.for_prediction(
        prediction, answer.severe, answer.mild, calibration, anyway, hardly_seen=sites.hardly_seen(answer.site)
    )
    return Reading(answer, prediction, given, calibration, classifier.bundle)
