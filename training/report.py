"""The report of a run: all that is measured on its test images, in `report.json`, `figures/` and one HTML page.

A run's folder receives
    report.json           every figure; goes into the bundle
    figures/              plots of them; go into the bundle
    report.html           all of it to read, in one file; stays here, since it shows photos
    worst_mistakes.jpg    the photos that it shows; stays here
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model_store.classes import CODES
from model_store.prediction import SOURCES, Calibration, probabilities
from model_store.preprocessing import to_input
from model_store.probes import Probes
from training import (
    choose,
    contact_sheet,
    evaluate,
    export,
    features,
    gate,
    plots,
    report_page,
    subgroups,
    ugly_duckling,
)
from training.calibration import has_risk
from training.configs.recipe import Recipe
from training.errors import TrainingError
from training.prepare import Data

MISTAKES, FIGURES = "worst_mistakes.jpg", "figures"
_ROUNDING_IMAGES = 256
_DRAWN_IMAGES = 10
# The diagnoses that PAD-UFES-20 has.
_PHONE_CODES = ("MEL", "NV", "BCC", "AK", "BKL", "SCC")
_SETS = {
    "dermoscopy": "ISIC 2019 dermoscopy, lesions held out for the test",
    "phone": "PAD-UFES-20 phone photos, patients held out for the test",
}


class UnknownImages(TrainingError):
    """Images were asked for by names that no image of the data has."""


@dataclasses.dataclass(frozen=True)
class Tested:
    """The test images of one source, N of them, and what the served network said.

    Attributes:
        source: one of `prediction.SOURCES`.
        numbers: shape (N,), their row numbers in the data.
        rows: their rows of the table.
        answers: logits and features.
        fitted: the calibration of this source.
    """

    source: str
    numbers: np.ndarray
    rows: pd.DataFrame
    answers: features.Answers
    fitted: Calibration

    @property
    def labels(self) -> np.ndarray:
        """Shape (N,), indices into `classes.CODES`."""
        return self.rows.label.to_numpy()

    @property
    def stated(self) -> np.ndarray:
        """Shape (N, 8), calibrated probabilities."""
        return probabilities(self.answers.logits, self.fitted)

    @property
    def soon(self) -> np.ndarray:
        """Shape (N,), bool: which reach the operating point "soon"."""
        return evaluate.reaches_soon(self.stated, self.fitted)


def run(recipe: Recipe, data: Data, folder: Path, images: Sequence[str] = ()) -> dict:
    """Measure the served network on the test split, and write everything that is listed above.

    Args:
        recipe: what was trained.
        data: from `prepare`.
        folder: the run's, trained and calibrated.
        images: names of images whose actual and predicted diagnosis go into the report; none: a few test images,
            drawn by the recipe's seed.

    Returns:
        What `report.json` holds.

    Raises:
        UnknownImages: no image of the data has one of these names.
        FileNotFoundError: a step is missing.
    """
    shown = shown_rows(recipe, data.table, images)
    calibrations, probes = export.calibrations(recipe, folder), Probes.read(folder / gate.PROBES)
    tested = [
        _tested(recipe, data, folder, source, fitted)
        for source, fitted in calibrations.items()
        if len(_test_rows(data.table, source))
    ]
    history = pd.read_csv(folder / "history.csv")
    content = {
        "network": features.network_digest(export.served_network(recipe, folder)),
        "sets": {some.source: _figures(some, probes, calibrations) for some in tested},
        "answers": {some.source: _answers(some) for some in tested},
        "float16": _rounding_cost(recipe, data, folder),
        "gate": export.about_served(recipe, folder, gate.GATE),
        "choices": {
            name: _records(folder / f"{name}.csv") for name in choose.FILES if (folder / f"{name}.csv").exists()
        },
        "ugly_duckling": ugly_duckling.run(recipe, data, folder),
        "history": history.to_dict("records"),
        "before_and_after": before_and_after(history, recipe.keeps_best).to_dict("records"),
        "predicted_against_actual": predicted_against_actual(recipe, data, folder, shown).to_dict("records"),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / export.REPORT).write_text(text + "\n", encoding="utf-8")
    _plot(content, tested, history, folder / FIGURES)
    contact_sheet.write(
        [contact_sheet.worst(data.pixels[some.numbers], some.rows, some.stated) for some in tested], folder / MISTAKES
    )
    report_page.write(content, json.loads((folder / "recipe.json").read_text()), folder)
    return content


def before_and_after(history: pd.DataFrame, keeps_best: bool) -> pd.DataFrame:
    """Validation loss and accuracy that each stage ended with: before and after fine-tuning in one table.

    Args:
        history: from `history.csv`.
        keeps_best: whether a stage ends with the weights of its best epoch (the lowest validation loss) or its last.

    Returns:
        A row a stage: stage, epoch (whose weights it kept), val_loss, val_accuracy, val_balanced_accuracy.
    """
    kept = (
        history.loc[history.groupby("stage", sort=False).val_loss.idxmin()]
        if keeps_best
        else history.groupby("stage", sort=False).tail(1)
    )
    return kept[["stage", "epoch", "val_loss", "val_accuracy", "val_balanced_accuracy"]].reset_index(drop=True)


def shown_rows(recipe: Recipe, table: pd.DataFrame, images: Sequence[str] = ()) -> np.ndarray:
    """Row numbers of the images of these names, or of a few test images that the recipe's seed draws.

    Raises:
        UnknownImages: no image of the data has one of these names.
    """
    can = table.kind.isin(SOURCES) & (table.split != "unreadable")
    if images:
        row_of = {name: row for row, name in enumerate(table.image) if can.iloc[row]}
        if missing := [name for name in images if name not in row_of]:
            raise UnknownImages(f"no such images in the data: {', '.join(missing)}")
        return np.array([row_of[name] for name in images])
    test = np.flatnonzero(can & (table.split == "test"))
    return np.random.default_rng(recipe.seed).choice(test, min(_DRAWN_IMAGES, len(test)), replace=False)


def predicted_against_actual(recipe: Recipe, data: Data, folder: Path, rows: np.ndarray) -> pd.DataFrame:
    """Actual and predicted diagnosis of the images in these rows.

    Returns:
        A row an image: image, split, source, actual, predicted, probability.
    """
    calibrations = export.calibrations(recipe, folder)
    logits = features.of_rows(export.served_network(recipe, folder), data, rows, recipe.input, folder).logits
    table = data.table.iloc[rows]
    stated = np.concatenate(
        [probabilities(row[None], calibrations[kind]) for row, kind in zip(logits, table.kind, strict=True)]
    )
    return pd.DataFrame(
        {
            "image": table.image.to_numpy(),
            "split": table.split.to_numpy(),
            "source": table.kind.to_numpy(),
            "actual": [CODES[k] for k in table.label],
            "predicted": [CODES[k] for k in stated.argmax(axis=1)],
            "probability": stated.max(axis=1).round(3),
        }
    )


def _test_rows(table: pd.DataFrame, source: str) -> np.ndarray:
    return np.flatnonzero((table.split == "test") & (table.kind == source))


def _tested(recipe: Recipe, data: Data, folder: Path, source: str, fitted: Calibration) -> Tested:
    numbers = _test_rows(data.table, source)
    answers = features.of_rows(export.served_network(recipe, folder), data, numbers, recipe.input, folder)
    return Tested(source, numbers, data.table.iloc[numbers], answers, fitted)


def _figures(tested: Tested, probes: Probes, calibrations: dict[str, Calibration]) -> dict:
    stated, rows = tested.stated, tested.rows
    evidence = probes.evidence(tested.answers.logits, tested.answers.features)
    told = np.array([of_one.source for of_one in evidence])
    sure = np.array([of_one.source_is_sure for of_one in evidence], bool)
    return {
        **evaluate.figures(tested.answers.logits, rows, tested.fitted),
        **_six_classes(tested, stated),
        "subgroups": subgroups.figures(stated, rows, tested.soon),
        "gate": _gate(tested, probes, calibrations),
        "source_told_right": evaluate.share(told == tested.source, rows.patient.to_numpy()),
        "source_unsaid": unsaid(tested, told, sure, calibrations),
    }


def unsaid(tested: Tested, told: np.ndarray, sure: np.ndarray, calibrations: dict[str, Calibration]) -> dict:
    """The main figures where the sender does not say what took the photo: by the calibration of the source `told`.

    A photo whose source is not sure reaches the operating point "soon" where it does by either calibration: the site
    gives it the more pressing advice (docs/decisions/0009).

    Args:
        tested: N test images of one source.
        told: shape (N,), the source that the bundle's probe tells of each.
        sure: shape (N,), bool, whether it is sure of that.
        calibrations: for each source.

    Returns:
        As `evaluate.main_figures`; of phone photos "six_classes" too.
    """
    stated, in_set = np.empty((len(told), len(CODES))), np.empty((len(told), len(CODES)), bool)
    soon = np.zeros(len(told), bool)
    for source, fitted in calibrations.items():
        its = told == source
        by_this = probabilities(tested.answers.logits, fitted)
        stated[its], in_set[its] = by_this[its], evaluate.in_sets(by_this[its], fitted)
        soon |= evaluate.reaches_soon(by_this, fitted) & (its | ~sure)
    return {**evaluate.main_figures(stated, tested.rows, soon, in_set), **_six_classes(tested, stated)}


def _six_classes(tested: Tested, stated: np.ndarray) -> dict:
    if tested.source != "phone":
        return {}
    return {"six_classes": {"balanced_accuracy": evaluate.among(stated, tested.rows, _PHONE_CODES)}}


def _gate(tested: Tested, probes: Probes, calibrations: dict[str, Calibration]) -> dict:
    """What the gate refuses of these images where their sender says the source, and the figures of the others."""
    judged = gate.qualities(tested.rows.path)
    codes = gate.refusals(probes, calibrations, tested.answers, judged, [tested.source] * len(judged))
    refused = codes != ""
    return {
        "refused": int(refused.sum()),
        "refused_by_reason": {str(code): int((codes == code).sum()) for code in np.unique(codes[refused])},
        "refused_malignant": int((refused & has_risk(tested.labels, "malignancy")).sum()),
        "accepted": evaluate.key_figures(tested.stated[~refused], tested.rows[~refused], tested.soon[~refused]),
    }


def _answers(tested: Tested) -> dict:
    return {
        "set": _SETS[tested.source],
        "by_top_class": evaluate.answers_by_top_class(tested.stated, tested.labels),
        "by_advice": evaluate.answers_by_advice(tested.stated, tested.rows, tested.fitted),
        "by_score": evaluate.answers_by_score(tested.stated, tested.rows, tested.fitted),
    }


def _rounding_cost(recipe: Recipe, data: Data, folder: Path) -> dict:
    validation = np.flatnonzero((data.table.split == "validation") & (data.table.kind == "dermoscopy"))
    drawn = np.random.default_rng(recipe.seed).permutation(validation)[:_ROUNDING_IMAGES]
    inputs = np.stack([to_input(data.pixels[row], recipe.input) for row in np.sort(drawn)])
    return evaluate.rounding_cost(*export.rounding_logits(recipe, folder, inputs))


def _plot(content: dict, tested: Sequence[Tested], history: pd.DataFrame, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    plots.learning_curves(history, folder / "learning_curves.svg")
    for some in tested:
        figures, name = content["sets"][some.source], some.source
        plots.confusion(figures["confusion"], folder / f"confusion_{name}.svg")
        plots.reliability(figures["reliability"], folder / f"reliability_{name}.svg")
        plots.roc(some.stated, some.labels, folder / f"roc_{name}.svg")
        plots.decision_curve(figures["decision_curve"], folder / f"decision_curve_{name}.svg")


def _records(file: Path) -> list[dict]:
    table = pd.read_csv(file)
    return table.astype(object).where(table.notna(), None).to_dict("records")
