import sys

import numpy as np
import pytest

from model_store.bundle import read_golden
from model_store.classifier import Classifier
from model_store.errors import EngineError
from model_store.images import Photo
from model_store.prediction import interpret, pooled
from tests.conftest import draw_lesion


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle)


@pytest.fixture(scope="module")
def photos():
    return [Photo(np.asarray(draw_lesion(seed, size))) for seed, size in enumerate([(400, 300), (300, 400), (90, 80)])]


def test_without_openvino_tensorflow_answers(tiny_bundle, monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "model_store.engines.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert Classifier.load(tiny_bundle, "auto").engine.name == "tensorflow"
    assert "OpenVINO cannot be used: engine_unavailable" in caplog.text
    with pytest.raises(EngineError, match="engine_unavailable engine=openvino"):
        Classifier.load(tiny_bundle, "openvino")


def test_a_classifier_knows_its_bundle_and_engine(classifier):
    assert (classifier.bundle.name, classifier.engine.name) == ("tiny", "tensorflow")


def test_a_batch_gives_one_prediction_a_photo_in_order(classifier, photos):
    predictions, output = classifier.predict(np.stack([classifier.prepare(photo) for photo in photos]))
    evidence = classifier.evidence(output)
    assert len(predictions) == len(photos)
    for prediction, item in zip(predictions, evidence, strict=True):
        expected = interpret(item, classifier.bundle.calibrations)
        np.testing.assert_array_equal(prediction.probabilities, expected.probabilities)
        assert prediction.ranking == expected.ranking


def test_one_photo_is_classified_like_the_same_photo_in_a_batch(classifier, photos):
    batch, _ = classifier.predict(np.stack([classifier.prepare(photo) for photo in photos]))
    alone = classifier.classify(photos[1])
    np.testing.assert_allclose(alone.probabilities, batch[1].probabilities, atol=1e-5)


def test_the_sender_s_word_about_the_source_is_taken_photo_by_photo(classifier, photos):
    batch = np.stack([classifier.prepare(photo) for photo in photos])
    predictions, output = classifier.predict(batch, ["phone", "dermoscopy", None])
    by_probe = classifier.evidence(output)[2].source
    assert [prediction.source for prediction in predictions] == ["phone", "dermoscopy", by_probe]
    assert classifier.classify(photos[0], "phone").source == "phone"


def test_source_and_strangeness_come_from_the_features(classifier, photos):
    output = classifier.engine.run(np.stack([classifier.prepare(photo) for photo in photos]))
    features, probes = pooled(output.feature_map), classifier.bundle.probes
    assert [item.source for item in classifier.evidence(output)] == probes.sources(features)
    scores = [item.ood_score for item in classifier.evidence(output)]
    np.testing.assert_allclose(scores, probes.ood_scores(output.logits, features))


def test_golden_photos_get_their_golden_logits(classifier):
    golden = read_golden(classifier.bundle)
    for photo, prepared, logits in zip(golden.photos, golden.prepared, golden.logits, strict=True):
        array = classifier.prepare(Photo(photo))
        np.testing.assert_array_equal(array, prepared)
        _, output = classifier.predict(array[None])
        np.testing.assert_allclose(output.logits[0], logits, atol=classifier.engine.tolerance)
