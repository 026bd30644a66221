"""MODEL_CARD.md from the files that the run and its evaluation wrote; no figure is typed by hand.

The sections are those of Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from collections.abc import Iterable

from model_store.classes import CODES

_FIGURES = (
    ("Balanced accuracy, seven ISIC 2018 classes", ("seven_classes", "balanced_accuracy")),
    ("Accuracy, seven ISIC 2018 classes", ("seven_classes", "accuracy")),
    ("Balanced accuracy, eight classes", ("eight_classes", "balanced_accuracy")),
    ("Accuracy, eight classes", ("eight_classes", "accuracy")),
    ("Expected calibration error (15 bins, top class)", ("calibration_error",)),
    ("Melanoma: area under the ROC curve", ("melanoma_auc",)),
    ("Malignancy (MEL, BCC, AK, SCC): area under the ROC curve", ("malignancy_auc",)),
    ("Malignancy: sensitivity at specificity 0.70", ("malignancy_sensitivity_at_specificity_70",)),
)


def text(name: str, version: str, metadata: dict, calibration: dict, report: dict) -> str:
    """Write the card.

    Args:
        name, version: of the bundle.
        metadata: recipe, versions and data counts of the run.
        calibration: `Calibration` as a dictionary.
        report: from `report.json`.

    Returns:
        Markdown.
    """
    recipe, sets = metadata["recipe"], report["sets"]
    return (
        "\n\n".join(
            [
                f"# Model card: {name} {version}",
                "It screens photos of skin lesions; it never diagnoses. It is not a registered medical device. Every "
                "figure below was written by `python -m training evaluate`.",
                "## Model",
                f"EfficientNetB4 at {recipe['input']['size_px']} px with one dense layer for the eight diagnoses of "
                f"ISIC 2019 ({', '.join(CODES)}). Starting weights: {recipe['weights']}. Photos are brought to "
                f"{recipe['input']['common_px']} px first (fit: {recipe['input']['fit']}), then to "
                f"{recipe['input']['size_px']} px; {_working_size(recipe)}. Keras {metadata['versions']['keras']}, "
                f"backend {metadata['versions']['backend']}, commit {metadata['versions']['commit']}.",
                _table(
                    ("stage", "size", "epochs", "images an epoch", "highest learning rate"),
                    (
                        (s["name"], f"{s['size_px']} px", s["epochs"], s["epoch_images"] or "all", f"{s['peak']:g}")
                        for s in recipe["stages"]
                    ),
                ),
                "![Learning curves](figures/learning_curves.svg)",
                "## Intended use",
                "To help decide who should show a spot to a doctor soon, and to give clinicians a ranked second look. "
                "Not for ruling out cancer, not for choosing treatment, not as the only reason to wait.",
                "## Data",
                "ISIC 2019 (CC BY-NC 4.0) and PAD-UFES-20 (CC BY 4.0); see LICENSE. "
                f"{metadata['data']['images']} labelled images, {metadata['data']['rows_without_image']} rows of the "
                "tables without an image. Split by lesion, patient and near-duplicate, stratified by class and source. "
                "The size that the network works at was chosen on validation; the calibration was fitted on "
                "calibration and validation; the test images below trained and calibrated nothing. The "
                "photo-quality limits of the site (`model_store/quality.py`) were set on images of every split, "
                "these among them; no figure below depends on them.",
                _table(
                    ("split", *(kind for kind in ("dermoscopy", "phone", "thumbnail"))),
                    (
                        (split, *(counts.get(kind, 0) for kind in ("dermoscopy", "phone", "thumbnail")))
                        for split, counts in metadata["data"]["by_split"].items()
                    ),
                ),
                "Thumbnails (84 px) only train; those on another side are left out of everything.",
                "## Figures",
                "With 95 % bootstrap intervals by lesion. The mix of diagnoses in these sets differs from that of any "
                "clinic, and so would every predictive value.",
                *(_figures(title, sets[title]) for title in sets),
                "![Confusion matrix](figures/confusion.svg) ![Reliability](figures/reliability.svg) "
                "![ROC curves](figures/roc.svg)",
                "## Probabilities",
                f"Temperature {calibration['temperature']:.3f}. The prior behind every probability: "
                f"{calibration['prior']['name']} ("
                + ", ".join(f"{c} {v:.3f}" for c, v in zip(CODES, calibration["prior"]["values"], strict=True))
                + "). A clinic with another mix needs another prior.",
                "## Known limits",
                "- Nearly all training images are dermoscopic and of light skin; phone photos and dark skin are judged "
                "worse, and how much worse on dark skin was not measured.\n"
                "- Palms, soles, nails and mucosa hardly occur in the data; melanoma there can be missed.\n"
                "- Diagnoses outside the eight cannot be predicted.\n"
                "- Never tested: prospectively, in Kazakhstan, by patients themselves.",
                "## Storage",
                f"Kernels are stored in float16; on {report['float16']['images']} images this moved a logit by at most "
                f"{report['float16']['largest_logit_difference']:.4f} and kept the top class of "
                f"{report['float16']['same_top_class']:.1%}.",
            ]
        )
        + "\n"
    )


def _working_size(recipe: dict) -> str:
    if recipe["network_px"] in (None, recipe["input"]["size_px"]):
        return "the network works at that size"
    return f"the network's first layer brings that to {recipe['network_px']} px, the size it was trained at last"


def _figures(title: str, figures: dict) -> str:
    return "\n\n".join(
        [
            f"### Test: {title}",
            f"{figures['images']} images of {figures['lesions']} lesions.",
            _table(("figure", "value", "95 % interval"), (_row(label, figures, path) for label, path in _FIGURES)),
            _table(
                ("class", "images", "recall"),
                ((code, recall["images"], _number(recall["value"])) for code, recall in figures["recalls"].items()),
            ),
            _table(
                ("operating point", "risk", "threshold", "sensitivity", "specificity"),
                (
                    (
                        p["name"],
                        p["risk"],
                        f"{p['threshold']:.4f}",
                        _number(p["sensitivity"]),
                        _number(p["specificity"]),
                    )
                    for p in figures["operating_points"]
                ),
            ),
            f"95 % prediction sets: coverage {figures['prediction_sets']['coverage']:.3f}, mean size "
            f"{figures['prediction_sets']['mean_size']:.2f}.",
        ]
    )


def _row(label: str, figures: dict, path: tuple[str, ...]) -> tuple[str, str, str]:
    for key in path:
        figures = figures[key]
    return label, _number(figures["value"]), f"{_number(figures['low'])} to {_number(figures['high'])}"


def _number(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.3f}"


def _table(head: tuple, rows: Iterable[tuple]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
