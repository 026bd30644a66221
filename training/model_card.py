"""MODEL_CARD.md from the files that the run and its evaluation wrote; no figure is typed by hand.

The sections are those of Mitchell et al. 2019, "Model Cards for Model Reporting"; within them stand the items of
CLEAR Derm (Daneshjou et al. 2022, "Checklist for Evaluation of Image-Based Artificial Intelligence Reports in
Dermatology").
"""

from collections.abc import Iterable, Sequence

from model_store.classes import CLASSES, CODES
from model_store.prediction import SOURCES, UNSURE_BELOW, Calibration
from training.calibration import ADVICE_LIMIT, ADVICE_SENSITIVITY, SET_COVERAGE
from training.subgroups import MIN_IMAGES

_KINDS = ("dermoscopy", "phone", "thumbnail")

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

_INTENDED_USE = """To help a person decide whether and how soon to show a spot to a doctor, and to give clinicians a \
ranked second look at it. Users are visitors with a phone photo and clinicians with a dermoscope; every answer leads \
to a person, never around one.

Out of scope: ruling out cancer; choosing or withholding treatment; being the only reason to wait; judging rashes, \
wounds, burns, infections, nails, mucosa or hair; several spots in one photo; children. Where a photo is refused, \
nothing is said about the spot."""

_DATA = """Public images only, none generated: ISIC 2019 (HAM10000, BCN20000, MSK/UDA; Tschandl et al. 2018, Codella \
et al. 2018, Combalia et al. 2019; CC BY-NC 4.0) from dermoscopes of several makers in Vienna, Queensland, Barcelona \
and New York{phones}. See LICENSE: the weights may be used for research and other non-commercial purposes only.

Diagnoses are the data sets' own: of malignant ones nearly all by histopathology, of naevi many by follow-up or the \
consensus of experts; nobody looked at them again. Black corners, hairs, rulers and ink were left in the images."""

_PHONES = ", and PAD-UFES-20 (Pacheco et al. 2020; CC BY 4.0), photos by several phones in Espírito Santo, Brazil"

_SKIN = """Skin types are known for a part of the phone photos only (Fitzpatrick, as noted by the clinicians who \
collected them). ISIC 2019 states none; its images are nearly all of light skin."""

_ETHICS = """A missed melanoma costs most, so the operating points were set on sensitivity, and most people who are \
sent to a doctor have nothing malignant. What it changes for doctors' time and for patients' worry was not studied. \
Photos of skin are health data: training used published ones only, and the site keeps none."""

_FEW_PHONES = "Phone photos are few, in training and in the test: their figures have wide intervals."
_NO_PHONES = (
    "No phone photo trained, calibrated or tested it: one is read by the calibration of dermoscopy, and no figure here "
    "says what its answer is worth."
)
_LIMITS = (
    "Dark skin hardly occurs in the training images (see subgroups: skin_type), so no figure vouches for it.",
    "Palms, soles, nails and mucosa hardly occur in the data; melanoma there can be missed.",
    "Diagnoses outside the eight cannot be named; such a lesion gets one of the eight, or is refused.",
    "Of AK, SCC, DF and VASC there are few test images: their intervals are wide.",
    "Whole frames and sharp photos of many megapixels reach the network as a square of few pixels; tiny details are "
    "lost.",
)

_UNTESTED = (
    "prospectively, in a clinic, or beside the doctors who would use it",
    "in Kazakhstan or anywhere else in Central Asia",
    "by patients who took the photos themselves",
    "on an external set of another hospital (the test images come from the same collections as the training images)",
    "on Fitzpatrick skin types V and VI",
    "on children as a group of their own",
    "as a help to doctors: whether they decide better with it than without",
)


def text(name: str, version: str, metadata: dict, calibrations: dict[str, Calibration], report: dict) -> str:
    """Write the card.

    Args:
        name, version: of the bundle.
        metadata: recipe, versions and data counts of the run.
        calibrations: for each of `prediction.SOURCES`.
        report: from `report.json`.

    Returns:
        Markdown.
    """
    sections = [
        f"# Model card: {name} {version}",
        "It screens photos of skin lesions; it never diagnoses. It is not a registered medical device. Every figure "
        "below was written by the steps of `python -m training`, in `report.json` and `bundle.json` beside this card.",
        *_model(metadata, report),
        "## Intended use",
        _INTENDED_USE,
        *_data(metadata),
        "## Factors",
        "Figures are given by the photo's source, age band, sex, anatomical site and data set, and by Fitzpatrick "
        f"skin type where it is known. {_SKIN}",
        "## Metrics",
        "Intervals hold 95 %: bootstrap by lesion, of phone photos by patient; exact binomial where every image or "
        "none was right. The calibration error lies too high on few images, and its interval more so: beside it stands "
        "what a perfectly calibrated network would show. "
        "An area of 1.000 under the curve on few images is less certain than its interval says. "
        "Malignancy means MEL, BCC, AK or SCC; urgent means MEL or SCC. The mix of diagnoses in these sets differs "
        "from that of any clinic, and so would every predictive value. The official scorer of the ISIC challenges "
        "gives the same balanced accuracy (tested).",
        "## Evaluation",
        *_asked(report["sets"]),
    ]
    for source, figures in report["sets"].items():
        sections += _set(source, figures, report["answers"][source])
    sections += _calibration(calibrations)
    sections += _gate(report)
    sections += _choices(report["choices"])
    sections += [
        "## Ethical considerations",
        _ETHICS,
        "## Known failures",
        _list((*_missed(report["sets"]), _FEW_PHONES if _has_phones(metadata) else _NO_PHONES, *_LIMITS)),
        "## Never tested",
        _list(_UNTESTED),
        "## Storage",
        f"Kernels are stored in float16; on {report['float16']['images']} validation images this moved a logit by at "
        f"most {report['float16']['largest_logit_difference']:.4f} and kept the top class of "
        f"{report['float16']['same_top_class']:.1%}.",
    ]
    return "\n\n".join(sections) + "\n"


def _model(metadata: dict, report: dict) -> list[str]:
    recipe, versions = metadata["recipe"], metadata["versions"]
    return [
        "## Model",
        f"EfficientNetB4 (Tan and Le 2019) at {recipe['input']['size_px']} px with one dense layer for the eight "
        f"diagnoses of ISIC 2019: {', '.join(f'{c.code} (ICD-10 {c.icd10})' for c in CLASSES)}. Starting weights: "
        f"{recipe['weights']}. Photos are brought to {recipe['input']['common_px']} px first (fit: "
        f"{recipe['input']['fit']}, {recipe['input']['resampling']}), then to {recipe['input']['size_px']} px; "
        f"{_working_size(recipe)}. Trained with "
        + ", then ".join(map(_versions, (versions, *versions.get("later", ()))))
        + ".",
        *_averaged(recipe),
        _table(
            ("stage", "size", "epochs", "images an epoch", "highest learning rate", "share of phone photos", "commit"),
            (
                (
                    stage["name"],
                    f"{stage['size_px']} px",
                    stage["epochs"],
                    stage["epoch_images"] or "all",
                    f"{stage['peak']:g}",
                    f"{stage['phone_share']:g}" if "phone_share" in stage else "",
                    _commits(versions, stage["name"]),
                )
                for stage in recipe["stages"]
            ),
        ),
        f"Validation ({_validation_images(metadata)} dermoscopy images) at the epoch whose weights each stage ended "
        "with, before and after fine-tuning (the loss of a stage holds its own class shares, so it compares only "
        "within a stage; of rare diagnoses there are a handful of images, so the balanced accuracy moves by chance):",
        _table(
            ("stage", "epoch", "loss", "accuracy", "balanced accuracy"),
            (
                (
                    row["stage"],
                    row["epoch"],
                    _number(row["val_loss"]),
                    _number(row["val_accuracy"]),
                    _number(row["val_balanced_accuracy"]),
                )
                for row in report["before_and_after"]
            ),
        ),
        "![Learning curves](figures/learning_curves.svg)",
    ]


def _validation_images(metadata: dict) -> int:
    there = metadata["data"]["by_split"]["validation"].get("dermoscopy", 0)
    return min(there, metadata["recipe"].get("validation_images") or there)


def _data(metadata: dict) -> list[str]:
    data = metadata["data"]
    return [
        "## Data",
        _DATA.format(phones=_PHONES if _has_phones(metadata) else ""),
        _part_of_the_data(data),
        f"{data['images']} labelled images, {data['rows_without_image']} rows of the tables without an image, "
        f"{data['unreadable']} unreadable. Split by lesion, patient and near-duplicate, stratified by class and "
        "source; but only PAD-UFES-20 names its patients, so two lesions of one person may stand on two sides of the "
        f"ISIC 2019 images, and of {data['without_lesion']} images the lesion is not named either: the figures of "
        "dermoscopy may flatter. Training was judged on validation; "
        "probabilities, sets, thresholds and the gate were chosen and fitted on calibration and validation; the test "
        "images below trained and calibrated nothing. They were looked at once for each network that was to be "
        "released, by the same split since the first; one that fell below what the project asks was held back, as "
        "CHANGELOG.md says, so their figures flatter a little. The photo-quality limits of the site "
        "(`model_store/quality.py`) were set on images of every split, these among them; only the figures behind "
        "the gate depend on them.",
        _table(
            ("split", *_KINDS),
            ((split, *(counts.get(kind, 0) for kind in _KINDS)) for split, counts in data["by_split"].items()),
        ),
        "Thumbnails (84 px) only train; those on another side are left out of everything.",
    ]


def _has_phones(metadata: dict) -> bool:
    return any(counts.get("phone") for counts in metadata["data"]["by_split"].values())


def _part_of_the_data(data: dict) -> str:
    """What there was of the public sets: a card that names them must not claim all of them."""
    parts = [
        f"{name}: {sum(sides.values())}, of these {sides.get('train', 0)} for training and {sides.get('test', 0)} for "
        "the test"
        for name, sides in data["by_source"].items()
    ]
    dermoscopy = sum(counts.get("dermoscopy", 0) for counts in data["by_split"].values())
    extent = "Of these sets there was a part" if data["rows_without_image"] else "All images of ISIC 2019 were there"
    return (
        f"{extent}. {'; '.join(parts)}. Of {dermoscopy} dermoscopy images {data['square']} are "
        "square crops, and the others whole frames."
    )


def _versions(versions: dict) -> str:
    # Runs up to that of bundle 2.2.1 did not note it.
    backend = " ".join(versions[key] for key in ("backend", "backend_version") if key in versions)
    return f"Keras {versions['keras']} on {backend} at commit {versions['commit']}"


def _commits(versions: dict, stage: str) -> str:
    """What a stage was trained at; runs before version 2.3.0 noted only where the whole began."""
    return ", ".join(versions.get("stages", {}).get(stage, ())) or "not recorded"


def _averaged(recipe: dict) -> list[str]:
    if not recipe.get("average"):
        return []
    return [
        f"The weights are the mean of those after the stages {', '.join(recipe['average'])} (Wortsman et al. 2022, "
        '"Model soups").'
    ]


def _working_size(recipe: dict) -> str:
    views = recipe.get("views", 1)  # recipes of earlier bundles know no views
    turned = {2: "twice, upright and upside down,", 4: "four times, turned by every quarter,"}
    seen = "" if views == 1 else f" and looks at it {turned[views]} for the mean answer"
    if recipe["network_px"] in (None, recipe["input"]["size_px"]):
        return f"the network works at that size{seen}"
    return f"the network's first layer brings that to {recipe['network_px']} px{seen}"


def _set(source: str, figures: dict, answers: dict) -> list[str]:
    sets = figures["prediction_sets"]
    return [
        f"### Test: {source}",
        f"{figures['images']} images of {figures['lesions']} lesions.",
        f"{answers['set']}; {figures['malignant']} images show a malignant lesion. The bundle tells the source from "
        f"the photo; it was right for {_share(figures['source_told_right'])} of these.",
        _table(
            ("figure", "value", "95 % interval"),
            (_row(label, figures, path) for label, path in _FIGURES if path[0] in figures),
        ),
        *_unsaid(figures.get("source_unsaid")),
        _table(
            ("class", "images", "recall", "95 % interval", "AUC", "in its set", "mean size of its set"),
            (
                (
                    code,
                    recall["images"],
                    _number(recall["value"]),
                    _interval(recall),
                    _number(figures["aucs"][code]),
                    _number(sets["classes"][code]["coverage"]["value"]),
                    _number(sets["classes"][code]["mean_size"], 2),
                )
                for code, recall in figures["recalls"].items()
            ),
        ),
        f"Prediction sets, fitted to hold the diagnosis of {SET_COVERAGE:.0%} of each class's calibration and "
        "validation images; classes with too few of them for that share one threshold, fitted over all of them "
        f"together, so that nothing is promised of such a class alone. Measured here: {_share(sets['coverage'])}, mean "
        f"size {_number(sets['mean_size'], 2)}.",
        _table(
            ("operating point", "risk", "threshold", "sensitivity", "specificity", "predictive value"),
            (
                (
                    point["name"],
                    point["risk"],
                    f"{point['threshold']:.4f}",
                    *(_share(point[key]) for key in ("sensitivity", "specificity", "predictive_value")),
                )
                for point in figures["operating_points"]
            ),
        ),
        "Advice that the probabilities alone lead to (the photo's own faults apart), and how many of these test images "
        'were malignant. "unsure" reach neither threshold, but no diagnosis reaches '
        f"{UNSURE_BELOW:g} either: the site says that it cannot judge them.",
        _table(
            ("advice", "images", "malignant", "share malignant"),
            (
                (advice, row["n"], row["malignant"], _share(row["predictive_value"]))
                for advice, row in answers["by_advice"].items()
            ),
        ),
        "Malignancy score, and how many of the test images that got it were malignant:",
        _table(
            ("score", "images", "malignant", "predictive value"),
            (
                (score, row["n"], row["malignant"], _share(row["predictive_value"]))
                for score, row in answers["by_score"].items()
            ),
        ),
        *(
            f"![{title}](figures/{name}_{source}.svg)"
            for name, title in (
                ("confusion", "Confusion matrix"),
                ("reliability", "Reliability by diagnosis"),
                ("roc", "ROC curves"),
                ("decision_curve", "Decision curve for malignancy"),
            )
        ),
        f"#### Subgroups: {source}",
        _table(
            (
                "part",
                "images",
                "malignant",
                "accuracy, seven",
                "AUC, malignancy",
                "sensitivity, soon",
                "specificity, soon",
            ),
            (
                _part(f"{heading}: {part}", measured)
                for heading, parts in figures["subgroups"].items()
                for part, measured in parts.items()
            ),
        ),
    ]


def _unsaid(figures: dict | None) -> list[str]:
    if not figures:
        return []
    return [
        "The same where the sender does not say what took the photo, so that the bundle has to tell. Of the malignant "
        f"ones {_share(figures['soon_sensitivity'])} reach the threshold of the advice, of the others "
        f"{_share(figures['soon_specificity'])} stay below.",
        _table(
            ("figure, source not said", "value", "95 % interval"),
            (_row(label, figures, path) for label, path in _FIGURES if path[0] in figures),
        ),
    ]


def _part(name: str, measured: dict) -> tuple:
    if "lesions" not in measured:
        return (name, measured["images"], *["too few"] * 5)
    figures = (
        measured["seven_classes"]["accuracy"],
        measured["malignancy_auc"],
        measured["soon_sensitivity"],
        measured["soon_specificity"],
    )
    return (name, measured["images"], measured["malignant"], *map(_share, figures))


def _calibration(calibrations: dict[str, Calibration]) -> list[str]:
    sections = ["## Probabilities"]
    for source in SOURCES:
        fitted = calibrations[source]
        shares = ", ".join(f"{c} {v:.3f}" for c, v in zip(CODES, fitted.prior.values, strict=True))
        sections.append(
            f"{source}: temperature {fitted.temperature:.3f}; the prior behind every probability is "
            f"{fitted.prior.name} ({shares})."
        )
    return [
        *sections,
        "A clinic with another mix of diagnoses needs another prior. The thresholds of the advice were set at a "
        f"sensitivity of {ADVICE_SENSITIVITY:.2f}, but no higher than at a summed risk of {ADVICE_LIMIT:.2f}.",
    ]


def _gate(report: dict) -> list[str]:
    rows = []
    for source, figures in report["sets"].items():
        refused = figures["gate"]
        reasons = ", ".join(f"{code} {count}" for code, count in refused["refused_by_reason"].items())
        for label, measured in (("all", figures), ("accepted", refused["accepted"])):
            rows.append(
                (
                    f"{source}, {label}",
                    measured["images"],
                    measured["malignant"],
                    _share(measured["seven_classes"]["balanced_accuracy"]),
                    _share(measured["malignancy_auc"]),
                    _share(measured["soon_sensitivity"]),
                )
            )
        name = f"{source}, refused ({reasons or 'none'})"
        rows.append((name, refused["refused"], refused["refused_malignant"], "", "", ""))
    measured = report["gate"]
    strangers = {
        "all of them": measured["strangers"]["all"],
        "photos alone, none drawn": measured["strangers"]["photos"],
        "of kinds that chose nothing": measured["strangers"]["unseen_kinds"],
        **measured["strangers"]["by_kind"],
    }
    return [
        "## Gate",
        "What the site refuses to judge, for the photo's quality or because nothing like it was learnt, and the "
        "figures of the test images without the refused ones:",
        _table(
            ("test images", "n", "malignant", "balanced accuracy, seven", "AUC, malignancy", "sensitivity, soon"), rows
        ),
        f"Real photos that it refuses; at most {_MOST_REFUSED:.0%} were asked:",
        _table(
            ("photos of lesions", "n", "refused", "for"),
            (
                (
                    f"{source}, {split}",
                    row["n"],
                    _share({"value": row["refused"], "low": row["low"], "high": row["high"]}),
                    ", ".join(f"{code} {count}" for code, count in row["reasons"].items()),
                )
                for source, splits in measured["real"].items()
                for split, row in splits.items()
            ),
        ),
        "Pictures that are no lesions. None of them chose the score or its threshold, but most are of kinds that did, "
        "and the drawn ones come from the same drawing program:",
        _table(
            ("pictures", "n", "refused"),
            (
                (kind, row["n"], _share({"value": row["refused"], "low": row["low"], "high": row["high"]}))
                for kind, row in strangers.items()
            ),
        ),
        "A diagnosis that the score's statistics never saw, told from the others (area under the ROC curve; 0.5 is "
        "chance): "
        + ", ".join(f"{code} {_number(area, 2)}" for code, area in measured["leave_one_diagnosis_out"].items())
        + ". So the gate does not notice that a lesion is of another diagnosis where this is low. The network itself "
        "learnt all eight: a diagnosis that it never learnt may be told less well.",
    ]


def _choices(choices: dict) -> list[str]:
    if not choices:
        return []
    sections = [
        "## Choices",
        "Measured on validation images alone, with one look at each image unless the table says another number. "
        "Diagnoses are taken as equally common, but for the log loss: that is at the images' own class shares.",
    ]
    for name, rows in choices.items():
        if not rows:  # such as fits where there are no whole frames
            continue
        key, title, weights = CHOICES[name]
        if weights:
            sections.append(f"{title}, {weights}:")
        gained = ("gain",) if "gain" in rows[0] else ()
        sections.append(
            _table(
                (title, "photos", "images", "balanced accuracy, seven", *gained, "log loss", "AUC, malignancy"),
                (
                    (
                        row[key],
                        row["source"],
                        row["images"],
                        _share({"value": row["balanced_accuracy"], "low": row["low"], "high": row["high"]}),
                        *(
                            _share({"value": row[gain], "low": row["gain_low"], "high": row["gain_high"]})
                            for gain in gained
                        ),
                        _number(row["log_loss"]),
                        _number(row["malignancy_auc"]),
                    )
                    for row in rows
                    if row["images"] >= MIN_IMAGES
                ),
            )
        )
    return sections


def _asked(sets: dict) -> list[str]:
    rows = []
    for label, source, path, bound in _ASKED:
        if source in sets and path[0] in sets[source]:
            figure, is_error = _figure(sets[source], path), path == ("calibration_error",)
            value = figure["value"]
            reached = value is not None and (value <= bound if is_error else value >= bound)
            asked = f"at {'most' if is_error else 'least'} {bound:.2f}"
            rows.append((f"{label} ({source})", asked, _share(figure), "yes" if reached else "no"))
    return [
        "What the project asks for, on the test images of the ISIC 2018 challenge and on phone photos that were not at "
        "hand, and what the test images below show instead:",
        _table(("figure", "asked", "here", "reached here"), rows),
    ]


def _row(label: str, figures: dict, path: tuple[str, ...]) -> tuple[str, str, str]:
    figure = _figure(figures, path)
    if not isinstance(figure, dict):
        return label, _number(figure), ""
    return label, _number(figure["value"]), _interval(figure)


def _figure(figures: dict, path: tuple[str, ...]) -> dict | float | None:
    for key in path:
        figures = figures[key]
    return figures


def _share(figure: dict) -> str:
    """A figure with its interval in one cell."""
    if figure["value"] is None or figure["low"] is None:
        return _number(figure["value"])
    return f"{_number(figure['value'])} ({_interval(figure)})"


def _interval(figure: dict) -> str:
    return "" if figure["low"] is None else f"{_number(figure['low'])} to {_number(figure['high'])}"


def _missed(sets: dict) -> list[str]:
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


def _number(value: float | None, digits: int = 3) -> str:
    return "not measurable" if value is None else f"{value:.{digits}f}"


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _table(head: tuple, rows: Iterable[tuple]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
