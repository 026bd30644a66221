"""MODEL_CARD.md from the files that the run and its evaluation wrote; no figure is typed by hand.

The sections are those of Mitchell et al. 2019, "Model Cards for Model Reporting"; within them stand the items of
CLEAR Derm (Daneshjou et al. 2022, "Checklist for Evaluation of Image-Based Artificial Intelligence Reports in
Dermatology").
"""

from model_store.classes import CLASSES, CODES
from model_store.prediction import SOURCES, Calibration
from training import card_results
from training.calibration import ADVICE_LIMIT, ADVICE_SENSITIVITY
from training.configs.recipe import B4, LITE2
from training.figures import number
from training.markdown import bullets, table

_KINDS = ("dermoscopy", "phone", "thumbnail")
_NETWORKS = {B4: "EfficientNetB4", LITE2: "EfficientNet-Lite2"}

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
        *card_results.asked(report["sets"]),
    ]
    for source, figures in report["sets"].items():
        sections += card_results.of_source(source, figures, report["answers"][source])
    sections += _calibration(calibrations)
    sections += card_results.gate(report)
    sections += card_results.choices(report["choices"])
    sections += [
        "## Ethical considerations",
        _ETHICS,
        "## Known failures",
        bullets((*card_results.missed(report["sets"]), _FEW_PHONES if _has_phones(metadata) else _NO_PHONES, *_LIMITS)),
        "## Never tested",
        bullets(_UNTESTED),
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
        *_grown(recipe),
        *_taught(recipe),
        table(
            (
                "stage",
                "network",
                "size",
                "epochs",
                "images an epoch",
                "highest learning rate",
                "share of phone photos",
                "commit",
            ),
            (
                (
                    stage["name"],
                    _NETWORKS[stage.get("network", B4)],
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
        table(
            ("stage", "epoch", "loss", "accuracy", "balanced accuracy"),
            (
                (
                    row["stage"],
                    row["epoch"],
                    number(row["val_loss"]),
                    number(row["val_accuracy"]),
                    number(row["val_balanced_accuracy"]),
                )
                for row in report["before_and_after"]
            ),
        ),
        "![Learning curves](figures/learning_curves.svg)",
    ]


def _grown(recipe: dict) -> list[str]:
    if all(stage.get("network", B4) == B4 for stage in recipe["stages"]):
        return []
    return [
        "EfficientNet-Lite2, which is smaller, was trained first; EfficientNetB4 was grown from it by Net2Net (Chen et "
        "al. 2016): it began by computing the same, with more layers and channels to learn with."
    ]


def _taught(recipe: dict) -> list[str]:
    shares = {stage["name"]: stage.get("teacher_share", 0) for stage in recipe["stages"]}
    if not any(shares.values()):
        return []
    told = ", ".join(f"{share:g} in {name}" for name, share in shares.items() if share)
    return [
        f"A part of each target was not the label but what an earlier network ({recipe['teacher']}, SHA-256 "
        f"{recipe['teacher_sha256'][:12]}), which learnt from training images alone, answers to the same image (Hinton "
        f'et al. 2015, "Distilling the Knowledge in a Neural Network"): {told}.'
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
        table(
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
