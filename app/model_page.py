"""The model's own page: what it is worth, in plain words first, then in full, from the files of the served bundle."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Response, abort, current_app, render_template, send_from_directory, url_for
from flask_babel import format_decimal, format_percent, gettext
from flask_babel import lazy_gettext as _l
from markdown_it import MarkdownIt
from markupsafe import Markup

from app import evaluation, i18n, versions, wording
from app.advice import Level
from app.conditions import CONDITIONS
from app.figures import percent_in_tenths
from model_store.bundle import CARD, DOCUMENT, FIGURES, Bundle
from model_store.classes import CODES

blueprint = i18n.blueprint("model_page", __name__, "/model")

_SUBGROUPS = {
    "age": _l("Age"),
    "sex": _l("Sex"),
    "site": _l("Place on the body"),
    "source": _l("Collection"),
    "skin_type": _l("Skin type (Fitzpatrick)"),
}
_PARTS = {
    "under 30": _l("under 30"),
    "30 to 49": _l("30 to 49"),
    "50 to 69": _l("50 to 69"),
    "70 and over": _l("70 and over"),
    "female": _l("female"),
    "male": _l("male"),
    "unknown": _l("not known"),
    # Places on the body, as ISIC 2019 and PAD-UFES-20 name them.
    "anterior torso": _l("Front of the trunk"),
    "posterior torso": _l("Back of the trunk"),
    "lateral torso": _l("Side of the trunk"),
    "upper extremity": _l("Arm"),
    "lower extremity": _l("Leg"),
    "head/neck": _l("Head and neck"),
    "palms/soles": _l("Palms and soles"),
    "oral/genital": _l("Mouth and genitals"),
    "abdomen": _l("Belly"),
    "arm": _l("Arm"),
    "back": _l("Back"),
    "chest": _l("Chest"),
    "ear": _l("Ear"),
    "face": _l("Face"),
    "foot": _l("Foot"),
    "forearm": _l("Forearm"),
    "hand": _l("Hand"),
    "lip": _l("Lip or mouth"),
    "neck": _l("Neck"),
    "nose": _l("Nose"),
    "scalp": _l("Scalp"),
    "thigh": _l("Thigh"),
}

# What an evaluation calls the advice that probabilities lead to.
_ADVICE = {
    "urgent": wording.LEVELS[Level.URGENT].word,
    "soon": wording.LEVELS[Level.SOON].word,
    "unsure": _l("Cannot be judged: the model is not sure"),
    "watch": wording.LEVELS[Level.WATCH].word,
}


@dataclass(frozen=True)
class Plot:
    """A reliability diagram: dots (across, down, radius) in a square with sides of 100, its origin at the top left."""

    name: str
    dots: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Table:
    """A table as texts; the first cell of each row names it. With `plots` they are seen first, the texts on demand."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True)
class MeasuredSet:
    """The evaluation on one kind of photo."""

    title: str
    introduction: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class ModelPage:
    """All that templates/patient/model.html may see; `card` is HTML, made here from the bundle's Markdown."""

    name: str
    version: str
    id: str
    plain: tuple[str, ...]
    sets: tuple[MeasuredSet, ...]
    versions: Table
    card: Markup


@blueprint.get("")
def model() -> str:
    """What the served model is worth."""
    bundle = current_app.extensions["classifier"].bundle
    sets = bundle.report.get("sets", {})
    page = ModelPage(
        name=bundle.name,
        version=bundle.version,
        id=bundle.id[:12],
        plain=tuple(
            _plain(source, sets[source], by_advice)
            for source in wording.SOURCES
            if source in sets and (by_advice := evaluation.by_advice(bundle, source))
        ),
        sets=tuple(_measured_set(source, bundle) for source in sets),
        versions=_versions(bundle),
        card=_card(bundle.path, url_for(".figure", name="")),
    )
    return render_template("patient/model.html", page=page)


@blueprint.get("/figures/", defaults={"name": ""})
@blueprint.get("/figures/<name>")
def figure(name: str) -> Response:
    """A figure of the model card, from the bundle."""
    if not name.endswith((".svg", ".png")):
        abort(404)
    return send_from_directory(current_app.extensions["classifier"].bundle.path / FIGURES, name)


@functools.cache
def _card(path: Path, figures_url: str) -> Markup:
    """The card as HTML. The bundle was checked when it was read; HTML inside the card is shown as text all the same."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse((path / CARD).read_text(encoding="utf-8"))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):  # the page has a heading above all of the card's
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        for child in token.children or ():
            if child.type == "image":
                child.attrs["src"] = figures_url + str(child.attrs["src"]).removeprefix(f"{FIGURES}/")
                child.attrs["loading"] = "lazy"
    html = markdown.renderer.render(tokens, markdown.options, {})
    scrolling = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
    # Safe: the renderer escapes whatever HTML the card holds.
    return Markup(html.replace("<table>", scrolling).replace("</table>", "</table></div>"))  # nosec B704


def _plain(source: str, figures: dict, by_advice: dict) -> str:
    """What a patient should know of one kind of photo, as counts of hundreds."""
    malignant = sum(row["malignant"] for row in by_advice.values())
    harmless = sum(row["n"] for row in by_advice.values()) - malignant
    sent = [by_advice[level] for level in ("urgent", "soon") if level in by_advice]
    found = sum(row["malignant"] for row in sent)
    called = sum(row["n"] for row in sent) - found
    shown = {
        "images": format_decimal(figures["images"]),
        "found": format_decimal(round(100 * found / max(1, malignant))),
        "called": format_decimal(round(100 * called / max(1, harmless))),
    }
    if source == "phone":
        return gettext(
            "Photos from a phone: of 100 spots that were cancer or could become it, the advice sent %(found)s to a "
            "doctor and could miss the others. Of 100 spots that were neither, it sent %(called)s to a doctor too. "
            "Counted on %(images)s photos that the model had never seen.",
            **shown,
        )
    return gettext(
        "Photos through a dermatoscope: of 100 spots that were cancer or could become it, the advice sent %(found)s to "
        "a doctor and could miss the others. Of 100 spots that were neither, it sent %(called)s to a doctor too. "
        "Counted on %(images)s photos that the model had never seen.",
        **shown,
    )


def _measured_set(source: str, bundle: Bundle) -> MeasuredSet:
    figures = bundle.report["sets"][source]
    counted = evaluation.answers(bundle, source)
    introduction = gettext(
        "Photos: %(images)s. Spots: %(lesions)s. None of them was used for training. Intervals hold 95 percent.",
        images=format_decimal(figures["images"]),
        lesions=format_decimal(figures["lesions"]),
    )
    tables = [
        _summary(figures),
        _classes(figures),
        _operating_points(figures),
        *_advice(counted.get("by_advice")),
        *_scores(counted.get("by_score")),
        _confusion(figures),
        *_reliability(figures.get("reliability")),
        *_subgroups(figures.get("subgroups", {})),
    ]
    return MeasuredSet(str(wording.SOURCES.get(source, source)), introduction, tuple(tables))


def _summary(figures: dict) -> Table:
    rows = (
        (gettext("Balanced accuracy, eight diagnoses"), figures["eight_classes"]["balanced_accuracy"]),
        (gettext("Accuracy, eight diagnoses"), figures["eight_classes"]["accuracy"]),
        (gettext("Balanced accuracy, seven diagnoses of ISIC 2018"), figures["seven_classes"]["balanced_accuracy"]),
        (gettext("Malignancy: area under the ROC curve"), figures["malignancy_auc"]),
        (gettext("Melanoma: area under the ROC curve"), figures["melanoma_auc"]),
        (gettext("Expected calibration error"), figures["calibration_error"]),
    )
    return Table(
        gettext("In short"),
        gettext("Balanced accuracy is the mean over the diagnoses of the share that was recognised."),
        (gettext("Figure"), gettext("Value"), gettext("Interval")),
        tuple((label, _number(value), _interval(value)) for label, value in rows),
    )


def _classes(figures: dict) -> Table:
    reading = figures["recalls"]
    images = figures["images_by_class"]
    return Table(
        gettext("Diagnosis by diagnosis"),
        gettext("Recognised means that the diagnosis was the most likely one."),
        (gettext("Diagnosis"), gettext("Photos"), gettext("Recognised"), gettext("Interval")),
        tuple(
            (
                str(CONDITIONS[code].name),
                format_decimal(images[code]),
                _percent(reading[code]),
                _interval(reading[code], _percent),
            )
            for code in CODES
        ),
    )


def _operating_points(figures: dict) -> Table:
    return Table(
        gettext("Thresholds"),
        gettext("“Urgent” and “Soon” decide the advice: the first on melanoma and squamous cell carcinoma, the second "
                "on all of malignancy. Sensitivity is the share of those that reach the threshold; specificity is the "
                "share of the others that do not."),
        (gettext("Name"), gettext("Threshold"), gettext("Sensitivity"), gettext("Specificity")),
        tuple(
            (
                str(wording.point(point["name"])),
                percent_in_tenths(point["threshold"]),
                _share(point["sensitivity"]),
                _share(point["specificity"]),
            )
            for point in figures["operating_points"]
        ),
    )  # fmt: skip


def _advice(by_advice: dict | None) -> tuple[Table, ...]:
    if not by_advice:  # bundles before 2.1.1
        return ()
    rows = tuple(_counted(str(_ADVICE[name]), row) for name, row in by_advice.items())
    head = (gettext("Advice"), gettext("Photos"), gettext("Malignant"), gettext("Share"))
    note = gettext(
        "What the probabilities alone advise, whatever is wrong with the photo, and how many of these photos showed "
        "skin cancer or what can become it."
    )
    return (Table(gettext("Advice"), note, head, rows),)  # fmt: skip


def _scores(by_score: dict | None) -> tuple[Table, ...]:
    if not by_score:
        return ()
    rows = tuple(_counted(format_decimal(int(score)), row) for score, row in by_score.items())
    head = (gettext("Score"), gettext("Photos"), gettext("Malignant"), gettext("Share"))
    note = gettext("How many of the photos with each score were skin cancer or could become it.")
    return (Table(gettext("Malignancy score"), note, head, rows),)


def _counted(name: str, row: dict) -> tuple[str, ...]:
    share = row["predictive_value"]
    return (
        name,
        format_decimal(row["n"]),
        format_decimal(row["malignant"]),
        _share(share),
    )


def _confusion(figures: dict) -> Table:
    return Table(
        gettext("What was taken for what"),
        gettext("Each row is what the spot really was, each column what the model held for most likely."),
        (gettext("Really"), *CODES),
        tuple(
            (f"{CONDITIONS[code].name} ({code})", *(format_decimal(count) for count in counts))
            for code, counts in zip(CODES, figures["confusion"], strict=True)
        ),
    )


def _reliability(bins_by_class: dict | None) -> tuple[Table, ...]:
    if not bins_by_class:
        return ()
    names = {code: str(CONDITIONS[code].name) for code in bins_by_class}
    shown = {code: [tenth for tenth in tenths if tenth["images"] >= 10] for code, tenths in bins_by_class.items()}
    rows = tuple(
        (names[code], _percent(tenth["stated"]), _percent(tenth["true"]), format_decimal(tenth["images"]))
        for code, tenths in shown.items()
        for tenth in tenths
    )
    plots = tuple(Plot(names[code], tuple(map(_dot, tenths))) for code, tenths in shown.items() if tenths)
    head = (gettext("Diagnosis"), gettext("Stated"), gettext("Came true"), gettext("Photos"))
    note = gettext("For photos whose probability fell into the same tenth: the mean that the model stated (across), "
                   "and the share that really had the diagnosis (upwards), both from 0 to 100 percent. On the line the "
                   "percentages are true. A larger dot stands for more photos; tenths with fewer than 10 are left out."
                   )  # fmt: skip
    return (Table(gettext("How far the percentages hold"), note, head, rows, plots),)


def _dot(tenth: dict) -> tuple[float, float, float]:
    """A tenth as a dot that grows with the logarithm of its photos, since one tenth may hold nearly all of them."""
    across, down = 100 * tenth["stated"], 100 * (1 - tenth["true"])
    return round(across, 1), round(down, 1), round(2 * math.log10(tenth["images"]), 1)


def _subgroups(headings: dict) -> tuple[Table, ...]:
    return tuple(_subgroup(heading, parts) for heading, parts in headings.items())


def _subgroup(heading: str, parts: dict) -> Table:
    rows = tuple(
        (
            str(_PARTS.get(part, part)),
            format_decimal(figures["images"]),
            *(_share(figures.get(key)) for key in ("soon_sensitivity", "soon_specificity")),
        )
        for part, figures in parts.items()
    )
    head = (gettext("Group"), gettext("Photos"), gettext("Sensitivity"), gettext("Specificity"))
    note = gettext("Sensitivity and specificity of the threshold “Soon” alone; “Urgent” sends some more to a doctor.")
    return Table(gettext("For whom: %(heading)s", heading=_SUBGROUPS.get(heading, heading)), note, head, rows)


def _versions(bundle: Bundle) -> Table:
    """The versions that lie beside the served one and those that were noted before they went, the newest first."""
    known = versions.noted(bundle.name) | {
        path.parent.name: _key_figures(path.parent) for path in bundle.path.parent.glob(f"*/{DOCUMENT}")
    }
    newest_first = sorted(
        known, key=lambda version: [int(part) for part in version.split(".") if part.isdigit()], reverse=True
    )
    return Table(
        gettext("Versions"),
        gettext("Balanced accuracy over eight diagnoses, on each version's own test photos."),
        (gettext("Version"), *(str(name) for name in wording.SOURCES.values())),
        tuple((version, *_balanced_accuracies(known[version])) for version in newest_first),
    )


@functools.cache
def _key_figures(folder: Path) -> dict:
    return versions.key_figures(folder)


def _balanced_accuracies(sets: dict) -> tuple[str, ...]:
    values = (sets.get(source, {}).get("eight_classes", {}).get("balanced_accuracy") for source in wording.SOURCES)
    return tuple(" ".join(filter(None, (_number(value), _interval(value)))) for value in values)


def _value(figure: dict | float | None) -> float | None:
    """A figure stands in a report as a number, or as a number with its interval."""
    return figure.get("value") if isinstance(figure, dict) else figure


def _number(figure: dict | float | None) -> str:
    value = _value(figure)
    return "–" if value is None else format_decimal(round(value, 3), "0.000")


def _percent(figure: dict | float | None) -> str:
    value = _value(figure)
    return "–" if value is None else format_percent(round(value, 2))


def _share(figure: dict | float | None) -> str:
    return " ".join(filter(None, (_percent(figure), _interval(figure, _percent))))


def _interval(figure: dict | float | None, write: Callable[[float], str] = _number) -> str:
    if not isinstance(figure, dict) or figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"({write(figure['low'])}–{write(figure['high'])})"
