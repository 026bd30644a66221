"""Several lesions of one person: the one least like the others, and how far that can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flask import current_app
from flask_babel import format_decimal, format_percent, gettext
from flask_wtf.csrf import generate_csrf

from app import case_rows, cases, evaluation, wording
from app.case_rows import Choice, Item
from app.figures import percent
from model_store.classes import CODES
from model_store.errors import ModelStoreError
from model_store.prediction import SOURCES
from model_store.ugly_duckling import MIN_LESIONS, strangeness


class TooFewLesions(ModelStoreError):
    """The odd one out needs others that can be judged."""

    def __init__(self) -> None:
        super().__init__("too_few_lesions", number=MIN_LESIONS)


@dataclass(frozen=True)
class PersonLesion:
    """One lesion among a person's: how far it lies from the others, as text and as length of a bar in percent.

    `remarks` as in the table, for what the level is worth may hang on them. `cannot_judge` where its probabilities are
    no answer; its likeness to the others may still be one.
    """

    name: str
    source: str
    photo_url: str
    distance: str
    bar: float
    melanoma: str
    melanoma_rank: int
    malignancy: str
    level: str
    remarks: tuple[str, ...]
    cannot_judge: bool


@dataclass(frozen=True)
class NotCompared:
    """One photo that cannot be judged: it would be unlike all lesions, whatever it shows.

    `level` may still alarm, and so may `remarks`, which are as in the table.
    """

    name: str
    photo_url: str
    level: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Carried:
    """What the page's form keeps of one photo, with the number of its row in the table."""

    number: int
    case: str
    detail: str


@dataclass(frozen=True)
class Measurement:
    """How often the odd one out was the melanoma, for one number of lesions."""

    count: str
    by_distance: str
    by_probability: str
    by_chance: str


@dataclass(frozen=True)
class PersonPage:
    """All that templates/clinician/person.html may see: the lesions, the least like the others first.

    `mixed` where they were photographed in different ways, or the model took them for such. The distance then tells two
    cameras apart as much as two lesions, and nobody has measured it: no lesion is pointed out, and the most likely
    melanoma comes first. `sources` are what their reader may then say of all of them; empty where all was said already.
    """

    mixed: bool
    sources: tuple[Choice, ...]
    lesions: tuple[PersonLesion, ...]
    not_compared: tuple[NotCompared, ...]
    carried: tuple[Carried, ...]
    measurements: tuple[Measurement, ...]
    melanomas: str
    places_without_calm: str
    model: str
    csrf: str


def page(marked: Sequence[Item]) -> PersonPage:
    """Compare lesions of one person; photos that cannot be judged are only listed.

    Raises:
        TooFewLesions: fewer than three can be judged.
    """
    items = [item for item in marked if not item.case.cannot_be_compared]
    if len(items) < MIN_LESIONS:
        raise TooFewLesions()
    features = np.stack([item.case.features for item in items])
    strange = strangeness(features)
    melanoma = np.array([item.case.prediction.probabilities[CODES.index("MEL")] for item in items])
    by_melanoma = list(np.argsort(-melanoma, kind="stable"))
    mixed = len({item.case.prediction.source for item in items}) > 1
    lesions = [
        PersonLesion(
            name=_name(items[index]),
            source=str(wording.SOURCES[items[index].case.prediction.source]),
            photo_url=_photo_url(items[index]),
            distance=format_decimal(round(float(strange[index]), 3)),
            bar=round(100 * float(strange[index] / max(strange.max(), 1e-9)), 1),
            melanoma=percent(melanoma[index]),
            melanoma_rank=by_melanoma.index(index) + 1,
            malignancy=case_rows.risk_of(items[index].case, "malignancy"),
            level=case_rows.level_of(items[index].case),
            remarks=case_rows.remarks_of(items[index].case),
            cannot_judge=items[index].case.cannot_be_judged,
        )
        for index in (by_melanoma if mixed else np.argsort(-strange, kind="stable"))
    ]
    guessed = any(not item.case.said_source for item in items)
    sealed = [cases.seal(item.case, item.detail) for item in marked]
    known = evaluation.ugly_duckling(current_app.extensions["classifier"].bundle)
    return PersonPage(
        mixed=mixed,
        sources=tuple(Choice(code, str(wording.ALL_TAKEN[code])) for code in SOURCES) if mixed and guessed else (),
        lesions=tuple(lesions),
        not_compared=tuple(
            NotCompared(_name(item), _photo_url(item), case_rows.level_of(item.case), case_rows.remarks_of(item.case))
            for item in marked
            if item.case.cannot_be_compared
        ),
        carried=tuple(Carried(item.number, one.case, one.detail) for item, one in zip(marked, sealed, strict=True)),
        measurements=tuple(
            Measurement(
                format_decimal(one["count"]),
                _with_interval(one["by_distance"]),
                _with_interval(one["by_melanoma_probability"]),
                format_percent(one["by_chance"]),
            )
            for one in known
        ),
        melanomas=format_decimal(max((one["melanomas"] for one in known), default=0)),
        places_without_calm=case_rows.places_without_calm(),
        model=case_rows.model_name(),
        csrf=generate_csrf(),
    )


def _name(item: Item) -> str:
    """With the row's number, since phones give all their photos one name."""
    return gettext("Photo %(number)s: %(name)s", number=item.number, name=item.case.name)


def _photo_url(item: Item) -> str:
    return item.detail.photo_url if item.detail else ""


def _with_interval(figure: dict) -> str:
    return f"{format_percent(figure['value'])} ({format_percent(figure['low'])}–{format_percent(figure['high'])})"
