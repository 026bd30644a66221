"""The series as the official ISIC table and as JSON."""

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from app import evaluation
from app.case_rows import Item, actual
from model_store.bundle import Bundle
from model_store.classes import CLASSES, CODES

COLUMNS = ("image", *CODES, "UNK")  # ISIC 2019, task 1
NOTICE = "AI estimate, not a diagnosis. A doctor makes the diagnosis."
# A spreadsheet would compute a cell that begins so; some also read the wide forms of these characters.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def isic_csv(items: Sequence[Item]) -> str:
    """The official ISIC 2019 columns, a row a photo: its name without the ending, and the calibrated probabilities.

    UNK is 0, since the model cannot give it. Names are made unique by the row's number, and none is empty or a formula.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item, name in zip(items, _unique_names(items), strict=True):
        writer.writerow([name, *map(float, item.case.prediction.probabilities), 0.0])
    return file.getvalue()


def json_text(items: Sequence[Item], failures: Sequence[tuple[str, str]], bundle: Bundle) -> str:
    """Everything that the table shows, for programs; `failures` are names and error codes."""
    content = {
        "notice": NOTICE,
        "model": {"name": bundle.name, "version": bundle.version, "id": bundle.id},
        "classes": [{"code": c.code, "icd10": c.icd10, "icdo3": c.icdo3, "group": c.group.value} for c in CLASSES],
        "photos": [_photo(item, bundle) for item in items],
        "failures": [{"name": name, "code": code} for name, code in failures],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _photo(item: Item, bundle: Bundle) -> dict:
    case, prediction, other = item.case, item.case.prediction, item.case.otherwise
    on_test = evaluation.score_on_test(prediction, case.calibration, bundle)
    return {
        "number": item.number,
        "name": case.name,
        "source": prediction.source,
        "source_said_by_sender": bool(case.said_source),
        "source_is_sure": case.source_is_sure,
        "ranking": [CODES[index] for index in prediction.ranking],
        "probabilities": dict(zip(CODES, map(float, prediction.probabilities), strict=True)),
        "prediction_set": list(prediction.prediction_set),
        "prediction_set_coverage": case.calibration.set_coverage,
        "risks": prediction.risks,
        "malignancy_score": evaluation.score(prediction, case.calibration, bundle),
        "malignancy_score_on_test": on_test and dataclasses.asdict(on_test),
        "operating_points": [
            {
                "name": point.name,
                "risk": point.risk,
                "threshold": point.threshold,
                "reached": prediction.reaches(point),
            }
            for point in case.calibration.operating_points
        ],
        "out_of_distribution": {"score": prediction.ood_score, "flag": prediction.out_of_distribution},
        "quality": {"severe": list(case.severe), "mild": list(case.mild)},
        "advice": case.advice.as_json(),
        # Where nobody knows how the photo was taken, and the advice would be another one if it was the other way.
        "advice_otherwise": other and {"source": other.said_source, **other.advice.as_json()},
        "cannot_be_judged": case.cannot_be_judged,  # then the probabilities are no answer
        "own_diagnosis": item.own or None,
        "actual_diagnosis": actual(case.name) or None,
    }


def _unique_names(items: Sequence[Item]) -> list[str]:
    """A name each, in any order of the rows the same: where several share one, each has its row's number behind it."""
    stems = [_stem(item.case.name) for item in items]
    taken = Counter(stems)
    return [_numbered(stem, item.number, taken) for stem, item in zip(stems, items, strict=True)]


def _stem(name: str) -> str:
    stem = PurePosixPath(name).stem.strip() or "photo"
    return f"_{stem[1:]}" if stem.startswith(_FORMULA) else stem


def _numbered(stem: str, number: int, taken: Counter[str]) -> str:
    """The stem itself where it is no other photo's, or else with the number behind it until it is none."""
    name = stem
    while taken[name] > (name == stem):
        name += f" ({number})"
    return name
