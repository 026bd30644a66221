"""What changes for the same photos when one bundle takes over from another, for whoever decides on the upgrade."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from model_store.bundle import read_golden
from model_store.classes import CODES
from model_store.classifier import Classifier, refusal
from model_store.images import Photo
from model_store.prediction import Prediction
from model_store.quality import assess


@dataclass(frozen=True)
class Reading:
    """What one bundle says of one photo.

    Attributes:
        first: code of the most likely diagnosis.
        reached: names of the operating points that are reached, such as "urgent"; the advice hangs on them.
        refusal: the gate's reason, empty where it accepts.
    """

    first: str
    reached: tuple[str, ...]
    refusal: str


@dataclass(frozen=True)
class Change:
    """One photo before and after; `difference` is the largest one of a probability."""

    photo: str
    old: Reading
    new: Reading
    difference: float

    @property
    def matters(self) -> bool:
        """Whether anybody would be told something else."""
        return self.old != self.new


def golden_photos(classifiers: Iterable[Classifier]) -> Iterator[tuple[str, Photo]]:
    """The golden photos of the bundles, each with a name."""
    for classifier in classifiers:
        bundle = classifier.bundle
        for number, rgb in enumerate(read_golden(bundle).photos, start=1):
            yield f"{bundle.name}/{bundle.version} golden {number}", Photo(rgb, ())


def compare(old: Classifier, new: Classifier, photos: Iterable[tuple[str, Photo]]) -> Iterator[Change]:
    """Let two bundles answer the same photos.

    Args:
        old, new: loaded.
        photos: each with the name that its line gets.

    Raises:
        EngineError: a network gave no usable answer.
    """
    for name, photo in photos:
        before, after = old.classify(photo), new.classify(photo)
        difference = float(np.abs(before.probabilities - after.probabilities).max())
        yield Change(name, _reading(old, photo, before), _reading(new, photo, after), difference)


def _reading(classifier: Classifier, photo: Photo, prediction: Prediction) -> Reading:
    points = classifier.bundle.calibrations[prediction.source].operating_points
    reached = tuple(point.name for point in points if prediction.reaches(point))
    return Reading(CODES[prediction.ranking[0]], reached, refusal(assess(photo).severe, prediction))
