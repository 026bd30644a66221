"""From what the model says of a photo to what its sender should do. Rules only; the texts are in `wording`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from model_store.prediction import SOURCES, Calibration, Evidence, Prediction, interpret
from model_store.quality import FINDING_CODES

OUT_OF_DISTRIBUTION, UNSURE = "out_of_distribution", "unsure"
HARDLY_SEEN_SITE = "hardly_seen_site"
REASONS = FINDING_CODES | {HARDLY_SEEN_SITE, OUT_OF_DISTRIBUTION, UNSURE}  # all that an `Advice` may have


class Level(Enum):
    """What to do, most pressing first; CANNOT_JUDGE stands apart."""

    URGENT = "urgent"
    SOON = "soon"
    WATCH = "watch"
    CANNOT_JUDGE = "cannot_judge"


_MOST_PRESSING_FIRST = (Level.URGENT, Level.SOON, Level.CANNOT_JUDGE, Level.WATCH)


@dataclass(frozen=True)
class Advice:
    """What to do, and what speaks against relying on it.

    Attributes:
        level: one of the four.
        reasons: first `HARDLY_SEEN_SITE`, which no photo can mend; then codes of what is wrong with the photo, worst
            first, and last `UNSURE`. On a level other than CANNOT_JUDGE they are remarks on it, and none is severe.
        may_show_anyway: every reason is mild, so the visitor may ask for the answer all the same.
        if_a_spot: URGENT or SOON where a photo that cannot be judged would alarm if it does show a spot on skin.
    """

    level: Level
    reasons: tuple[str, ...] = ()
    may_show_anyway: bool = False
    if_a_spot: Level | None = None

    def as_json(self) -> dict:
        """The codes alone, as the API and the clinicians' files have them."""
        return {
            "level": self.level.value,
            "reasons": list(self.reasons),
            "if_a_spot": self.if_a_spot.value if self.if_a_spot else None,
        }


def for_prediction(
    prediction: Prediction,
    severe: Sequence[str],
    mild: Sequence[str],
    calibration: Calibration,
    anyway: bool = False,
    hardly_seen: bool = False,
) -> Advice:
    """Choose the advice level from the summed, calibrated risks, never from the most likely diagnosis.

    Args:
        prediction: of the model whose `calibration` this is.
        severe: codes of quality issues that make the photo useless.
        mild: codes of quality issues that only make the answer less sure.
        calibration: its operating points "urgent" and "soon" are the thresholds.
        anyway: the visitor saw the reasons and asked for the answer.
        hardly_seen: the spot is said to be where the model has hardly ever seen one, as from `sites.hardly_seen`.

    Returns:
        CANNOT_JUDGE if the photo is useless or out of distribution; else URGENT or SOON by the first threshold that is
        reached. Below both WATCH, but not on the strength of a poor photo or a guess: CANNOT_JUDGE if it has mild
        issues or the model is unsure, unless asked for `anyway`. A poor photo may wrongly alarm, which a doctor can
        mend; it may not wrongly calm. A strange one does neither: what is no lesion gets no diagnosis, but what may
        be one still gets its date with the doctor, in `if_a_spot`. And at a place where the model has hardly ever seen
        a spot it may alarm, but everything else is CANNOT_JUDGE, with a date that hangs on no "if" unless it is nearer.
    """
    alarm = _alarm(prediction, calibration)
    strange = (OUT_OF_DISTRIBUTION,) if prediction.out_of_distribution else ()
    unsure = (UNSURE,) if prediction.unsure and alarm is None else ()
    # Below "urgent" the place alone sends to a doctor as soon, and asks of no strange photo whether it shows a spot.
    calmer_than_the_place = severe or alarm is None or (strange and alarm is Level.SOON)
    if hardly_seen and calmer_than_the_place:
        return Advice(Level.CANNOT_JUDGE, (HARDLY_SEEN_SITE, *severe, *strange, *mild, *unsure))
    if severe:
        return Advice(Level.CANNOT_JUDGE, (*severe, *strange, *mild))
    if strange:
        return Advice(Level.CANNOT_JUDGE, (*strange, *mild, *unsure), if_a_spot=alarm)
    if alarm:
        return Advice(alarm, tuple(mild))
    doubts = (*mild, *unsure)
    if doubts and not anyway:
        return Advice(Level.CANNOT_JUDGE, doubts, may_show_anyway=True)
    return Advice(Level.WATCH, doubts)


def cautious_source(
    evidence: Evidence, severe: Sequence[str], mild: Sequence[str], calibrations: Mapping[str, Calibration]
) -> str:
    """The source to judge a patient's photo by where nobody said it.

    The one that the probe is sure of, else that of the more pressing advice: the probe takes some phone photos for
    dermoscopic ones, and read so a melanoma may be calmed. Of two alike it is the probe's. A photo that cannot be
    judged is more pressing than one to watch, but no alarm. Of two that cannot be, it is the one that is not shown
    `anyway` either, or a blurred photo could be calmed where a sharp one cannot; then the one that is a guess. Of two
    alarms of one level, it is the one that holds whatever the photo shows.

    Args:
        evidence: of the model whose `calibrations` these are, one for each of `SOURCES`.
        severe, mild: as for `for_prediction`.
    """
    if evidence.source_is_sure:
        return evidence.source

    def pressure(source: str) -> tuple[int, bool, bool, bool]:
        given = for_prediction(interpret(evidence, calibrations, source), severe, mild, calibrations[source])
        level = _MOST_PRESSING_FIRST.index(given.if_a_spot or given.level)
        return level, given.if_a_spot is not None, given.may_show_anyway, UNSURE not in given.reasons

    probed = evidence.source
    return min((probed, *(source for source in SOURCES if source != probed)), key=pressure)


def _alarm(prediction: Prediction, calibration: Calibration) -> Level | None:
    """The more pressing of the two thresholds that are reached; None below both."""
    for name, level in (("urgent", Level.URGENT), ("soon", Level.SOON)):
        if prediction.reaches(calibration.operating_point(name)):
            return level
    return None
