import numpy as np
import pytest
from PIL import Image

from model_store.classifier import Classifier, refusal
from model_store.images import Photo
from model_store.prediction import pooled
from model_store.quality import assess
from tests.conftest import draw_lesion
from training import gate
from training.features import Answers


@pytest.fixture(scope="module")
def photos():
    lesions = [Photo(np.asarray(draw_lesion(seed))) for seed in range(4)]
    return [*lesions, Photo(np.asarray(Image.new("RGB", (300, 300), "black")))]


def test_the_gate_that_is_measured_is_the_one_that_is_served(tiny_bundle, photos):
    classifier = Classifier.load(tiny_bundle)
    predictions, output = classifier.predict(np.stack([classifier.prepare(photo) for photo in photos]))
    served = [refusal(assess(photo).severe, prediction) for photo, prediction in zip(photos, predictions, strict=True)]
    measured = gate.refusals(
        classifier.bundle.probes,
        classifier.bundle.calibrations,
        Answers(output.logits, pooled(output.feature_map)),
        [assess(photo) for photo in photos],
        [None] * len(photos),
    )
    assert list(measured) == served
    assert measured[4] == "too_dark"


def test_files_are_judged_as_the_site_judges_uploads(photos, tmp_path):
    paths = []
    for number, photo in enumerate(photos):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(photo.rgb).save(paths[-1])
    assert gate.qualities(paths) == [assess(photo) for photo in photos]


def test_a_share_counts_reasons_and_has_an_interval_only_where_motifs_differ():
    codes = np.array(["", "not_skin", "", "blurred", "not_skin", ""])
    told = gate._share(codes, np.arange(6))
    assert (told["n"], told["refused"], told["reasons"]) == (6, 0.5, {"blurred": 1, "not_skin": 2})
    assert 0 <= told["low"] < 0.5 < told["high"] <= 1
    assert gate._share(codes, np.zeros(6))["low"] is None
