"""Bundle, engine and all that lies around them: what the site and the command line use."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_store import engines
from model_store.bundle import MODEL, Bundle, read, replay_golden
from model_store.engines.base import Engine, EngineOutput
from model_store.errors import ModelStoreError
from model_store.images import Photo
from model_store.prediction import Evidence, Prediction, interpret, pooled
from model_store.preprocessing import prepare

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classifier:
    """A verified bundle with a running engine; safe to use from several threads if its engine is."""

    bundle: Bundle
    engine: Engine

    @classmethod
    def load(cls, path: Path, engine: str = "tensorflow", options: engines.Options | None = None) -> "Classifier":
        """Verify a bundle, start its network and replay the golden photos, which also warms it up.

        Args:
            path: the bundle's directory, as from `bundle.find`.
            engine: one of `engines.NAMES`, or `engines.AUTO`: OpenVINO, or TensorFlow where that cannot be used or
                answers otherwise than the bundle says; the log tells which and why.
            options: of the engines; the defaults when left out.

        Raises:
            BundleError: a file is missing, changed or unreadable, or the golden answers differ.
            EngineError: the engine cannot be used here.
        """
        bundle = read(path)
        if engine == engines.AUTO:
            try:
                return cls(bundle, _start(bundle, "openvino", options))
            except ModelStoreError as error:
                cause = f" ({error.__cause__})" if error.__cause__ else ""
                logger.warning("OpenVINO cannot be used: %s%s. TensorFlow answers, more slowly.", error, cause)
                engine = "tensorflow"
        return cls(bundle, _start(bundle, engine, options))

    def prepare(self, photo: Photo) -> np.ndarray:
        """Make the network's input of a photo: float32 (size_px, size_px, 3) in [0, 255]."""
        return prepare(photo.rgb, self.bundle.input)

    def evidence(self, output: EngineOutput) -> list[Evidence]:
        """Read the network's output: what `interpret` needs, photo by photo."""
        return self.bundle.probes.evidence(output.logits, pooled(output.feature_map))

    def interpret(self, evidence: Evidence, source: str | None = None) -> Prediction:
        """`prediction.interpret` with this bundle's calibrations."""
        return interpret(evidence, self.bundle.calibrations, source)

    def predict(
        self, batch: np.ndarray, sources: Sequence[str | None] | None = None
    ) -> tuple[list[Prediction], EngineOutput]:
        """Run the network on prepared photos.

        Args:
            batch: shape (N, size_px, size_px, 3), float32, stacked from `prepare`.
            sources: for each photo "dermoscopy" or "phone" as its sender said, or None to let the bundle's probe
                decide; left out, it decides for all.

        Returns:
            N predictions, and the output that they come from (its feature maps make saliency maps).

        Raises:
            EngineError: the network gave no usable answer.
            ValueError: the batch has another shape or dtype, or a source is unknown.
        """
        output = self.engine.run(batch)
        said = [None] * len(batch) if sources is None else sources
        evidence = self.evidence(output)
        return [self.interpret(item, source) for item, source in zip(evidence, said, strict=True)], output

    def classify(self, photo: Photo, source: str | None = None) -> Prediction:
        """Prepare and predict one photo; arguments and errors as for `predict`."""
        (prediction,), _ = self.predict(self.prepare(photo)[None], [source])
        return prediction


def _start(bundle: Bundle, engine: str, options: engines.Options | None) -> Engine:
    running = engines.load(engine, bundle.path / MODEL, options)
    replay_golden(bundle, running)
    return running


def refusal(severe: Sequence[str], prediction: Prediction) -> str:
    """Say why a photo's prediction must not be relied on: the gate, for the site and the command line alike.

    Args:
        severe: `Quality.severe` of the photo.

    Returns:
        The first of these codes; else `out_of_distribution` where the network has seen nothing like the photo; else an
        empty text, and the photo is accepted.
    """
    return next(iter(severe), "out_of_distribution" if prediction.out_of_distribution else "")
