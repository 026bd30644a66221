"""The eight diagnoses of ISIC 2019, in the official order. Imports nothing of ours."""

from dataclasses import dataclass
from enum import Enum


class Group(Enum):
    """What a diagnosis means for the patient."""

    MALIGNANT = "malignant"
    PRECURSOR = "precursor"
    BENIGN = "benign"


@dataclass(frozen=True)
class LesionClass:
    """One diagnosis.

    Attributes:
        code: the official ISIC 2019 column name.
        icd10: WHO ICD-10 code or codes; a trailing ".-" stands for the site that a doctor adds.
        icdo3: ICD-O-3 morphology, empty where the diagnosis is no neoplasm. It tells BCC from SCC, which share C44.
        group: malignant, precursor or benign.
    """

    code: str
    icd10: str
    icdo3: str
    group: Group


CLASSES = (
    LesionClass("MEL", "C43.-", "8720/3", Group.MALIGNANT),
    LesionClass("NV", "D22.-", "8720/0", Group.BENIGN),
    LesionClass("BCC", "C44.-", "8090/3", Group.MALIGNANT),
    LesionClass("AK", "L57.0", "", Group.PRECURSOR),
    LesionClass("BKL", "L82", "", Group.BENIGN),
    LesionClass("DF", "D23.-", "8832/0", Group.BENIGN),
    LesionClass("VASC", "D18.0", "9120/0", Group.BENIGN),
    LesionClass("SCC", "C44.-", "8070/3", Group.MALIGNANT),
)

CODES = tuple(lesion_class.code for lesion_class in CLASSES)

# "Malignancy" everywhere means these four: the precursor counts, since it needs a doctor too.
MALIGNANT_CODES = tuple(c.code for c in CLASSES if c.group is not Group.BENIGN)
