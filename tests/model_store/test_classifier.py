import numpy as np
import pytest

from model_store.bundle import read_golden
from model_store.classifier import Classifier
from model_store.images import Photo
from model_store.prediction import interpret
from tests.conftest import draw_lesion


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle)


@pytest.fixture(scope="module")
def photos():
    return [Photo(np.asarray(draw_lesion(seed, size))) for seed, size in enumerate([(400, 300), (300, 400), (90, 80)])]


def test_a_classifier_knows_its_bundle_and_engine(classifier):
    assert (classifier.bundle.name, classifier.engine.name) == ("tiny", "tensorflow")


def test_a_batch_gives_one_prediction_a_photo_in_order(classifier, photos):
    predictions, output = classifier.predict(np.stack([classifier.prepare(photo) for photo in photos]))
    assert len(predictions) == len(photos)
    for prediction, row in zip(predictions, output.logits, strict=True):
        expected = interpret(row, classifier.bundle.calibration)
        np.testing.assert_array_equal(prediction.probabilities, expected.probabilities)
        assert prediction.ranking == expected.ranking


def test_one_photo_is_classified_like_the_same_photo_in_a_batch(classifier, photos):
    batch, _ = classifier.predict(np.stack([classifier.prepare(photo) for photo in photos]))
    alone = classifier.classify(photos[1])
    np.testing.assert_allclose(alone.probabilities, batch[1].probabilities, atol=1e-5)


def test_golden_photos_get_their_golden_logits(classifier):
    golden = read_golden(classifier.bundle)
    for photo, prepared, logits in zip(golden.photos, golden.prepared, golden.logits, strict=True):
        array = classifier.prepare(Photo(photo))
        np.testing.assert_array_equal(array, prepared)
        _, output = classifier.predict(array[None])
        np.testing.assert_allclose(output.logits[0], logits, atol=classifier.engine.tolerance)
