"""What the model card tells of measurements: what was asked, each test set, the gate, the choices, the misses.

The figures come from `report.json`; `model_card` says in which order these sections stand among the others.
"""

import itertools

from model_store.classes import CODES
from model_store.prediction import UNSURE_BELOW
from training.calibration import SET_COVERAGE
from training.figures import interval, number, with_interval
from training.markdown import table
from training.subgroups import MIN_IMAGES

_FIGURES = (
    ("Balanced accuracy, seven ISIC 2018 classes", ("seven_classes", "balanced_accuracy")),
    ("Accuracy, seven ISIC 2018 classes", ("seven_classes", "accuracy")),
    ("Balanced accuracy, eight classes", ("eight_classes", "balanced_accuracy")),
    ("Accuracy, eight classes", ("eight_classes", "accuracy")),
    ("Balanced accuracy, the six classes of PAD-UFES-20 (the likeliest of them)", ("six_classes", "balanced_accuracy")),
    ("Expected calibration error (15 bins, top class)", ("calibration_error",)),
    ("... of a perfectly calibrated network on as many images", ("calibration_error_if_perfect",)),
    ("Melanoma: area under the ROC curve", ("melanoma_auc",)),
    ("Malignancy (MEL, BCC, AK, SCC): area under the ROC curve", ("malignancy_auc",)),
    ("Malignancy: sensitivity at specificity 0.70", ("malignancy_sensitivity_at_specificity_70",)),
)

# What the project asks of a network: the figure, its source and path, and the bound. An error may be at most as large.
_ASKED = (
    ("Balanced accuracy, seven ISIC 2018 classes", "dermoscopy", ("seven_classes", "balanced_accuracy"), 0.76),
    ("Accuracy, seven ISIC 2018 classes", "dermoscopy", ("seven_classes", "accuracy"), 0.80),
    ("Expected calibration error", "dermoscopy", ("calibration_error",), 0.05),
    ("Melanoma: area under the ROC curve", "dermoscopy", ("melanoma_auc",), 0.90),
    ("Malignancy: sensitivity at specificity 0.70", "dermoscopy", ("malignancy_sensitivity_at_specificity_70",), 0.90),
    ("Balanced accuracy, six classes of PAD-UFES-20", "phone", ("six_classes", "balanced_accuracy"), 0.52),
)
_MOST_REFUSED = 0.05  # of real photos

# For each table of `choose`: the column that tells its rows apart, what is compared, and on which weights.
CHOICES = {
    "size": ("network_px", "Side that the network works at, pixels", "with the weights of the last stage"),
    "fit": ("fit", "How a whole frame becomes a square", "with the weights of the last stage"),
    "views": (
        "views",
        "Views of a photo, each turned by another quarter; each costs one more run of the network",
        "with the weights that the run ends with",
    ),
    "average": ("stages", "Stages whose weights are averaged", ""),
}


def asked(sets: dict) -> list[str]:
    """What the project asks of a network, and which of it these test sets reach; `sets` as in the report."""
    rows = []
    for label, source, path, bound in _ASKED:
        if source in sets and path[0] in sets[source]:
            found, is_error = _at(path, sets[source]), path == ("calibration_error",)
            value = found["value"]
            reached = value is not None and (value <= bound if is_error else value >= bound)
            wanted = f"at {'most' if is_error else 'least'} {bound:.2f}"
            rows.append((f"{label} ({source})", wanted, with_interval(found), "yes" if reached else "no"))
    return [
        "What the project asks for, on the test images of the ISIC 2018 challenge and on phone photos that were not at "
        "hand, and what the test images below show instead:",
        table(("figure", "asked", "here", "reached here"), rows),
    ]


def of_source(source: str, figures: dict, answers: dict) -> list[str]:
    """One source's test images: `figures` and `answers` are the report's `sets` and `answers` of it."""
    return [
        f"### Test: {source}",
        f"{figures['images']} images of {figures['lesions']} lesions.",
        f"{answers['set']}; {figures['malignant']} images show a malignant lesion. The bundle tells the source from "
        f"the photo; it was right for {with_interval(figures['source_told_right'])} of these.",
        _key_figures("figure", figures),
        *_source_unsaid(figures.get("source_unsaid")),
        *_diagnoses(figures),
        _operating_points(figures["operating_points"]),
        *_advice(answers["by_advice"]),
        *_scores(answers["by_score"]),
        *_plots(source),
        *_subgroups(source, figures["subgroups"]),
    ]


def _key_figures(title: str, figures: dict) -> str:
    rows = []
    for label, path in _FIGURES:
        if path[0] in figures:
            found = _at(path, figures)
            cells = (number(found["value"]), interval(found)) if isinstance(found, dict) else (number(found), "")
            rows.append((label, *cells))
    return table((title, "value", "95 % interval"), rows)


def _source_unsaid(figures: dict | None) -> list[str]:
    if not figures:
        return []
    return [
        "The same where the sender does not say what took the photo, so that the bundle has to tell. Of the malignant "
        f"ones {with_interval(figures['soon_sensitivity'])} reach the threshold of the advice, of the others "
        f"{with_interval(figures['soon_specificity'])} stay below: where the bundle is not sure of the source, by the "
        "thresholds of both.",
        _key_figures("figure, source not said", figures),
    ]


def _diagnoses(figures: dict) -> list[str]:
    sets = figures["prediction_sets"]
    return [
        table(
            ("class", "images", "recall", "95 % interval", "AUC", "in its set", "mean size of its set"),
            (
                (
                    code,
                    recall["images"],
                    number(recall["value"]),
                    interval(recall),
                    number(figures["aucs"][code]),
                    number(sets["classes"][code]["coverage"]["value"]),
                    number(sets["classes"][code]["mean_size"], 2),
                )
                for code, recall in figures["recalls"].items()
            ),
        ),
        f"Prediction sets, fitted to hold the diagnosis of {SET_COVERAGE:.0%} of each class's calibration and "
        "validation images; classes with too few of them for that share one threshold, fitted over all of them "
        "together, so that nothing is promised of such a class alone. Measured here: "
        f"{with_interval(sets['coverage'])}, mean size {number(sets['mean_size'], 2)}.",
    ]


def _operating_points(points: list[dict]) -> str:
    return table(
        ("operating point", "risk", "threshold", "sensitivity", "specificity", "predictive value"),
        (
            (
                point["name"],
                point["risk"],
                f"{point['threshold']:.4f}",
                *(with_interval(point[key]) for key in ("sensitivity", "specificity", "predictive_value")),
            )
            for point in points
        ),
    )


def _advice(by_advice: dict) -> list[str]:
    return [
        "Advice that the probabilities alone lead to (the photo's own faults apart), and how many of these test images "
        'were malignant. "unsure" reach neither threshold, but no diagnosis reaches '
        f"{UNSURE_BELOW:g} either: the site says that it cannot judge them.",
        table(("advice", "images", "malignant", "share malignant"), itertools.starmap(_counted, by_advice.items())),
    ]


def _scores(by_score: dict) -> list[str]:
    return [
        "Malignancy score, and how many of the test images that got it were malignant:",
        table(("score", "images", "malignant", "predictive value"), itertools.starmap(_counted, by_score.items())),
    ]


def _counted(name: str, row: dict) -> tuple:
    return name, row["n"], row["malignant"], with_interval(row["predictive_value"])


def _plots(source: str) -> list[str]:
    titles = {
        "confusion": "Confusion matrix",
        "reliability": "Reliability by diagnosis",
        "roc": "ROC curves",
        "decision_curve": "Decision curve for malignancy",
    }
    return [f"![{title}](figures/{name}_{source}.svg)" for name, title in titles.items()]


def _subgroups(source: str, headings: dict) -> list[str]:
    head = (
        "part",
        "images",
        "malignant",
        "accuracy, seven",
        "AUC, malignancy",
        "sensitivity, soon",
        "specificity, soon",
    )
    rows = (
        _part(f"{heading}: {part}", measured) for heading, parts in headings.items() for part, measured in parts.items()
    )
    return [f"#### Subgroups: {source}", table(head, rows)]


def _part(name: str, measured: dict) -> tuple:
    if "lesions" not in measured:
        return (name, measured["images"], *["too few"] * 5)
    figures = (
        measured["seven_classes"]["accuracy"],
        measured["malignancy_auc"],
        measured["soon_sensitivity"],
        measured["soon_specificity"],
    )
    return (name, measured["images"], measured["malignant"], *map(with_interval, figures))


def gate(report: dict) -> list[str]:
    """What the gate refuses of the test images, of other real photos, and of pictures that are no lesions."""
    return [
        "## Gate",
        *_refused_of_the_test(report["sets"]),
        *_refused_of_real_photos(report["gate"]["real"]),
        *_refused_strangers(report["gate"]["strangers"]),
        "A diagnosis that the score's statistics never saw, told from the others (area under the ROC curve; 0.5 is "
        "chance): "
        + ", ".join(f"{code} {number(area, 2)}" for code, area in report["gate"]["leave_one_diagnosis_out"].items())
        + ". So the gate does not notice that a lesion is of another diagnosis where this is low. The network itself "
        "learnt all eight: a diagnosis that it never learnt may be told less well.",
    ]


def _refused_of_the_test(sets: dict) -> list[str]:
    rows = []
    for source, figures in sets.items():
        refused = figures["gate"]
        for label, measured in (("all", figures), ("accepted", refused["accepted"])):
            rows.append(
                (
                    f"{source}, {label}",
                    measured["images"],
                    measured["malignant"],
                    with_interval(measured["seven_classes"]["balanced_accuracy"]),
                    with_interval(measured["malignancy_auc"]),
                    with_interval(measured["soon_sensitivity"]),
                )
            )
        name = f"{source}, refused ({_reasons(refused['refused_by_reason']) or 'none'})"
        rows.append((name, refused["refused"], refused["refused_malignant"], "", "", ""))
    return [
        "What the site refuses to judge, for the photo's quality or because nothing like it was learnt, and the "
        "figures of the test images without the refused ones:",
        table(
            ("test images", "n", "malignant", "balanced accuracy, seven", "AUC, malignancy", "sensitivity, soon"), rows
        ),
    ]


def _refused_of_real_photos(real: dict) -> list[str]:
    rows = (
        (f"{source}, {split}", row["n"], _refused(row), _reasons(row["reasons"]))
        for source, splits in real.items()
        for split, row in splits.items()
    )
    return [
        f"Real photos that it refuses; at most {_MOST_REFUSED:.0%} were asked:",
        table(("photos of lesions", "n", "refused", "for"), rows),
    ]


def _refused_strangers(strangers: dict) -> list[str]:
    kinds = {
        "all of them": strangers["all"],
        "photos alone, none drawn": strangers["photos"],
        "of kinds that chose nothing": strangers["unseen_kinds"],
        **strangers["by_kind"],
    }
    return [
        "Pictures that are no lesions. None of them chose the score or its threshold, but most are of kinds that did, "
        "and the drawn ones come from the same drawing program:",
        table(("pictures", "n", "refused"), ((kind, row["n"], _refused(row)) for kind, row in kinds.items())),
    ]


def _refused(row: dict) -> str:
    return with_interval({"value": row["refused"], "low": row["low"], "high": row["high"]})


def _reasons(counts: dict) -> str:
    return ", ".join(f"{code} {count}" for code, count in counts.items())


def choices(measured: dict) -> list[str]:
    """The tables that `choose` wrote, by its names for them; nothing where it was not called."""
    if not measured:
        return []
    sections = [
        "## Choices",
        "Measured on validation images alone, with one look at each image unless the table says another number. "
        "Diagnoses are taken as equally common, but for the log loss: that is at the images' own class shares.",
    ]
    for name, rows in measured.items():
        if not rows:  # such as fits where there are no whole frames
            continue
        key, title, weights = CHOICES[name]
        if weights:
            sections.append(f"{title}, {weights}:")
        gained = ("gain",) if "gain" in rows[0] else ()
        sections.append(
            table(
                (title, "photos", "images", "balanced accuracy, seven", *gained, "log loss", "AUC, malignancy"),
                (
                    (
                        row[key],
                        row["source"],
                        row["images"],
                        with_interval({"value": row["balanced_accuracy"], "low": row["low"], "high": row["high"]}),
                        *(
                            with_interval({"value": row[gain], "low": row["gain_low"], "high": row["gain_high"]})
                            for gain in gained
                        ),
                        number(row["log_loss"]),
                        number(row["malignancy_auc"]),
                    )
                    for row in rows
                    if row["images"] >= MIN_IMAGES
                ),
            )
        )
    return sections


def missed(sets: dict) -> list[str]:
    """The mistake that costs most, where there were enough melanomas to see it; and what was never there to be seen."""
    sentences = []
    for source, figures in sets.items():
        melanomas = figures["confusion"][CODES.index("MEL")]
        if sum(melanomas) >= MIN_IMAGES:
            sentences.append(
                f"Melanoma can look like a naevus to the network too: of {sum(melanomas)} test melanomas ({source}) it "
                f"took {melanomas[CODES.index('NV')]} for one."
            )
        if absent := " and ".join(code for code, count in figures["images_by_class"].items() if not count):
            sentences.append(
                f"Of {absent} there was no {source} photo to measure: there they may hardly ever be named."
            )
    return sentences


def _at(path: tuple[str, ...], figures: dict) -> dict | float | None:
    for key in path:
        figures = figures[key]
    return figures
