"""From what the model says of a photo to what its sender should do. Rules only; the texts are in `wording`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from model_store.prediction import Calibration, Prediction

OUT_OF_DISTRIBUTION, UNSURE = "out_of_distribution", "unsure"


class Level(Enum):
    """What to do, most pressing first; CANNOT_JUDGE stands apart."""

    URGENT = "urgent"
    SOON = "soon"
    WATCH = "watch"
    CANNOT_JUDGE = "cannot_judge"


@dataclass(frozen=True)
class Advice:
    """What to do, and what speaks against relying on it.

    Attributes:
        level: one of the four.
        reasons: codes of what is wrong with the photo, worst first, and last `UNSURE`; on a level other than
            CANNOT_JUDGE they are remarks, and none is severe.
        may_show_anyway: every reason is mild, so the visitor may ask for the answer all the same.
    """

    level: Level
    reasons: tuple[str, ...] = ()
    may_show_anyway: bool = False


def for_prediction(
    prediction: Prediction, severe: Sequence[str], mild: Sequence[str], calibration: Calibration, anyway: bool = False
) -> Advice:
    """Choose the advice level from the summed, calibrated risks, never from the most likely diagnosis.

    Args:
        prediction: of the model whose `calibration` this is.
        severe: codes of quality issues that make the photo useless.
        mild: codes of quality issues that only make the answer less sure.
        calibration: its operating points "urgent" and "soon" are the thresholds.
        anyway: the visitor saw the reasons and asked for the answer.

    Returns:
        CANNOT_JUDGE if the photo is useless; else URGENT or SOON by the first threshold that is reached. Below both
        WATCH, but not on the strength of a poor photo or a guess: CANNOT_JUDGE if it is out of distribution, and if
        it has mild issues or the model is unsure, unless asked for `anyway`. A poor or strange photo may wrongly
        alarm, which a doctor can mend; it may not wrongly calm.
    """
    strange = (OUT_OF_DISTRIBUTION,) if prediction.out_of_distribution else ()
    reasons = (*severe, *strange, *mild)
    if severe:
        return Advice(Level.CANNOT_JUDGE, reasons)
    for name, level in (("urgent", Level.URGENT), ("soon", Level.SOON)):
        point = calibration.operating_point(name)
        if {"urgent": prediction.urgent_risk, "malignancy": prediction.malignancy}[point.risk] >= point.threshold:
            return Advice(level, reasons)
    doubts = (*mild, *((UNSURE,) if prediction.unsure else ()))
    if strange or (doubts and not anyway):
        return Advice(Level.CANNOT_JUDGE, (*strange, *doubts), may_show_anyway=not strange)
    return Advice(Level.WATCH, doubts)
