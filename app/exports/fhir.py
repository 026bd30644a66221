"""The series as a FHIR R4 Bundle: the model as Device, what it measured as Observations, a preliminary report a photo.

Nothing names a person: whoever imports it puts the subject in.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from app.advice import Advice, Level
from app.case_rows import Item
from app.cases import Case
from app.exports.tables import NOTICE
from app.sites import HARDLY_SEEN
from app.wording import of_advice
from model_store.bundle import Bundle
from model_store.classes import CLASSES, CODES, LesionClass

MEDIA_TYPE = "application/fhir+json"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_O_3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
UCUM = "http://unitsofmeasure.org"
# Whoever reads a resource by machine learns that no person asserted it.
_BY_MACHINE = {
    "security": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
            "code": "AIAST",
            "display": "Artificial Intelligence asserted",
        }
    ]
}
_TAKEN = {"phone": "taken with a phone or camera", "dermoscopy": "taken through a dermatoscope"}
_NAMES = {
    "MEL": "Melanoma",
    "NV": "Melanocytic naevus",
    "BCC": "Basal cell carcinoma",
    "AK": "Actinic keratosis",
    "BKL": "Benign keratosis",
    "DF": "Dermatofibroma",
    "VASC": "Vascular lesion",
    "SCC": "Squamous cell carcinoma",
}

# A number would stand in a record as if the photo had shown it.
_NO_VALUE = {
    "dataAbsentReason": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}],
        "text": "This photo cannot be judged.",
    }
}


def fhir_text(items: Sequence[Item], bundle: Bundle, now: datetime | None = None) -> str:
    """A `collection` Bundle in FHIR's JSON, version R4 (4.0.1).

    Args:
        items: the photos.
        bundle: that answered.
        now: when the reports are issued; the current time when left out.
    """
    issued = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    device_url = _url()
    entries = [{"fullUrl": device_url, "resource": _device(bundle)}]
    for item in items:
        probabilities_url, malignancy_url = _url(), _url()
        entries += [
            {"fullUrl": probabilities_url, "resource": _probabilities(item, device_url, issued)},
            {"fullUrl": malignancy_url, "resource": _malignancy(item, device_url, issued)},
            {"fullUrl": _url(), "resource": _report(item, [probabilities_url, malignancy_url], issued)},
        ]
    content = {"resourceType": "Bundle", "type": "collection", "timestamp": issued, "entry": entries}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _url() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def _device(bundle: Bundle) -> dict:
    return {
        "resourceType": "Device",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:sha256:{bundle.id}"}],
        "status": "active",
        "deviceName": [{"name": bundle.name, "type": "model-name"}],
        "version": [{"value": bundle.version}],
        "type": {"text": "Image classifier for photos of skin lesions"},
        "note": [{"text": "Not a registered medical device."}],
    }


def _probabilities(item: Item, device_url: str, issued: str) -> dict:
    prediction = item.case.prediction
    components = [
        {"code": _concept(CLASSES[index]), "valueQuantity": _share(prediction.probabilities[index])}
        | _if_in_set(item, CODES[index])
        for index in prediction.ranking
    ]
    value = {"component": components}
    return _observation(item, "Calibrated probabilities of eight diagnoses", value, device_url, issued)


def _if_in_set(item: Item, code: str) -> dict:
    """A remark on a diagnosis's probability. As a coded conclusion, a record would hold what is only not excluded."""
    if code not in item.case.prediction.prediction_set:
        return {}
    coverage = f"{item.case.calibration.set_coverage:.0%}"
    return {"interpretation": [{"text": f"In the prediction set at {coverage} coverage: not excluded, not found"}]}


def _malignancy(item: Item, device_url: str, issued: str) -> dict:
    prediction = item.case.prediction
    points = ", ".join(
        f"{point.name}: {point.risk} at or above {point.threshold:.4f}"
        for point in item.case.calibration.operating_points
    )
    value = {
        "valueQuantity": _share(prediction.malignancy),
        "component": [
            {
                "code": {"text": "Probability of melanoma or squamous cell carcinoma"},
                "valueQuantity": _share(prediction.urgent_risk),
            },
            {
                "code": {"text": "Photo unlike those that the model learnt from"},
                "valueBoolean": prediction.out_of_distribution,
            },
        ],
        "method": {"text": f"Operating points: {points}"},
    }
    return _observation(item, "Probability of melanoma, carcinoma or actinic keratosis", value, device_url, issued)


def _observation(item: Item, code: str, value: dict, device_url: str, issued: str) -> dict:
    return {
        "resourceType": "Observation",
        "meta": _BY_MACHINE,
        "status": "preliminary",
        "code": {"text": code},
        "issued": issued,
        "device": {"reference": device_url},
        "note": [{"text": f"{NOTICE} {_photo(item)} {_remarks(item.case)}"}],
    } | (_NO_VALUE if item.case.cannot_be_judged else value)


def _report(item: Item, results: Sequence[str], issued: str) -> dict:
    """The report in words alone: a coded conclusion would stand in a record as if the photo had shown it."""
    calibration = item.case.calibration
    told = [NOTICE, _photo(item), *_advised(item.case), _remarks(item.case)]
    if not item.case.cannot_be_judged:
        in_set = ", ".join(item.case.prediction.prediction_set) or "empty"
        told.append(f"Prediction set at {calibration.set_coverage:.0%} coverage: {in_set}.")
    return {
        "resourceType": "DiagnosticReport",
        "meta": _BY_MACHINE,
        "status": "preliminary",
        "code": {"text": "Classification of a skin lesion's photo by a model"},
        "issued": issued,
        "result": [{"reference": url} for url in results],
        "conclusion": " ".join(told),
    }


def _photo(item: Item) -> str:
    """Which photo it is. The number tells apart what a phone calls image.jpg each time."""
    return f"Photo {item.number}: {item.case.name}."


def _advised(case: Case) -> list[str]:
    """What to do; and what if the photo was taken the other way, where nobody knows how and it would be another thing.

    A record that holds the calm advice alone would lose the alarm.
    """
    told = [f"Advice: {_in_words(case.advice)}"]
    if other := case.otherwise:
        told.append(f"Advice if it was {_TAKEN[other.said_source]}: {_in_words(other.advice)}")
    return told


def _in_words(advice: Advice) -> str:
    """The level's code, and a sentence with the date."""
    days = of_advice(advice).within_days
    if advice.if_a_spot:
        alarm = f"If it shows a spot on skin, a doctor should see the spot within {days} days."
        said = f"This photo cannot be judged. {alarm}"
    elif advice.level is Level.CANNOT_JUDGE:
        said = "This photo cannot be judged. It says nothing about the spot, neither good nor bad."
    elif advice.level is Level.WATCH:
        said = (
            f"No urgent signs were found, which is no all-clear. Look at the spot again within {days} days. "
            "Nobody told the model where the spot is; it has hardly ever seen one at these places, where this says "
            f"nothing: {', '.join(HARDLY_SEEN)}."
        )
    else:
        said = f"A doctor should see the spot within {days} days."
    return f"{advice.level.value}. {said}"


def _remarks(case: Case) -> str:
    """The codes of the advice's reasons, and whether it rests on a guess of how the photo was taken."""
    codes = (*case.advice.reasons, *([] if case.source_is_sure else ["source_unsure"]))
    return f"Remarks: {' '.join(codes) or 'none'}."


def _concept(lesion_class: LesionClass) -> dict:
    coding = [{"system": ICD_10, "code": lesion_class.icd10.removesuffix(".-")}]
    if lesion_class.icdo3:
        coding.append({"system": ICD_O_3, "code": lesion_class.icdo3})
    return {"coding": coding, "text": _NAMES[lesion_class.code]}


def _share(probability: float) -> dict:
    """A share in percent, to a hundredth; never 0 or 100, since no model can know that."""
    percent = round(100 * float(probability), 2)
    value = {"value": percent}
    if percent == 0:
        value = {"value": 0.01, "comparator": "<"}
    elif percent == 100:
        value = {"value": 99.99, "comparator": ">"}
    return {**value, "unit": "%", "system": UCUM, "code": "%"}
