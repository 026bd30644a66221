"""An answer that the visitor's browser carries, since the site keeps none.

Shown in another language, or all the same after a warning, an answer comes back with the form that asks for it. It is
signed, so that what it says is what this site's model said.
"""

import base64
import dataclasses
import io
from dataclasses import dataclass

import numpy as np
from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from PIL import Image

from model_store.errors import ModelStoreError
from model_store.prediction import Evidence

LIFETIME_S = 12 * 3600


class AnswerExpired(ModelStoreError):
    """The answer is too old, was changed on the way, or another bundle gave it."""

    def __init__(self) -> None:
        super().__init__("answer_expired")


@dataclass(frozen=True)
class Answer:
    """What the model and the quality check said of one photo.

    Attributes:
        evidence: what the network said.
        severe: codes of quality issues that make the photo useless.
        mild: codes of quality issues that only make the answer less sure.
        photo_jpeg: the photo as the model saw it, as a JPEG without metadata.
        source: "dermoscopy" or "phone" as its sender said; None where the bundle's probe decides.
        site: code of `sites.SITES`, where on the body the spot is; empty if its sender did not say.
    """

    evidence: Evidence
    severe: tuple[str, ...]
    mild: tuple[str, ...]
    photo_jpeg: bytes
    source: str | None = None
    site: str = ""

    @property
    def photo_url(self) -> str:
        """The photo as a data: URL."""
        return "data:image/jpeg;base64," + base64.b64encode(self.photo_jpeg).decode("ascii")


def jpeg(prepared: np.ndarray) -> bytes:
    """Encode what the network gets, float32 (H, W, 3) of whole numbers in [0, 255], for the eye."""
    buffer = io.BytesIO()
    Image.fromarray(prepared.astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def seal(answer: Answer) -> str:
    """Sign an answer of the current application's bundle."""
    return _serializer().dumps(
        {
            "evidence": dataclasses.asdict(answer.evidence),
            "severe": answer.severe,
            "mild": answer.mild,
            "photo": base64.b64encode(answer.photo_jpeg).decode("ascii"),
            "source": answer.source,
            "site": answer.site,
        }
    )


def unseal(text: str) -> Answer:
    """Read a sealed answer back.

    Raises:
        AnswerExpired: it is not one of ours, of another bundle, or older than `LIFETIME_S`.
    """
    try:
        content = _serializer().loads(text, max_age=LIFETIME_S)
    except BadData as error:
        raise AnswerExpired() from error
    said = content["evidence"]
    return Answer(
        Evidence(tuple(said["logits"]), said["ood_score"], said["source"]),
        tuple(content["severe"]),
        tuple(content["mild"]),
        base64.b64decode(content["photo"]),
        content["source"],
        content["site"],
    )


def _serializer() -> URLSafeTimedSerializer:
    # The bundle's id is part of the salt: a signature made under another bundle does not fit.
    bundle = current_app.extensions["classifier"].bundle
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"answer {bundle.id}")
