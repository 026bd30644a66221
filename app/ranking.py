"""The ranked diagnoses as every page, letter and report names them."""

from dataclasses import dataclass

from flask import url_for

from app.conditions import CONDITIONS, GROUPS
from app.figures import percent
from model_store.classes import CLASSES, Group
from model_store.prediction import Prediction


@dataclass(frozen=True)
class Diagnosis:
    """One of the eight, in the current language.

    Attributes:
        code, icd10, icdo3: of `CLASSES`.
        percent, bar: the calibrated probability as a text, and as the length of a bar, 0 to 100.
        tag: what a diagnosis that is not benign is; empty for the others.
        in_set: whether it is in the prediction set.
        url: of its page.
    """

    code: str
    name: str
    medical_name: str
    icd10: str
    icdo3: str
    percent: str
    bar: float
    tag: str
    in_set: bool
    url: str


def diagnoses(prediction: Prediction) -> tuple[Diagnosis, ...]:
    """All eight, the most likely first."""
    return tuple(_diagnosis(index, prediction) for index in prediction.ranking)


def _diagnosis(index: int, prediction: Prediction) -> Diagnosis:
    lesion_class, probability = CLASSES[index], float(prediction.probabilities[index])
    condition = CONDITIONS[lesion_class.code]
    return Diagnosis(
        code=lesion_class.code,
        name=str(condition.name),
        medical_name=str(condition.medical_name),
        icd10=lesion_class.icd10,
        icdo3=lesion_class.icdo3,
        percent=percent(probability),
        bar=round(100 * probability, 1),
        tag="" if lesion_class.group is Group.BENIGN else str(GROUPS[lesion_class.group]),
        in_set=lesion_class.code in prediction.prediction_set,
        url=url_for("patient.condition", slug=condition.slug),
    )
