"""An answer that the visitor's browser carries, since the site keeps none.

Shown in another language, or all the same after a warning, an answer comes back with the form that asks for it. It is
signed, so that what it says is what this site's model said.
"""

import base64
import dataclasses
import datetime
import io
from dataclasses import dataclass, field

import numpy as np
from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from PIL import Image

from app import wording
from app.sites import SITES
from model_store.classes import CODES
from model_store.errors import ModelStoreError
from model_store.prediction import SOURCES, Evidence

LIFETIME_S = 12 * 3600


class AnswerExpired(ModelStoreError):
    """The answer is too old, was changed on the way, or another bundle or another version of this site gave it."""

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
        maps: the rows of each class's activation map, 0 to 255: which is the most likely one hangs on the source.
        source: "dermoscopy" or "phone" as its sender said; None where nobody did, see `advice.cautious_source`.
        site: code of `sites.SITES`, where on the body the spot is; empty if its sender did not say.
        day: on which the photo was looked at. The dates in an answer count from it, also where it is shown again later.
    """

    evidence: Evidence
    severe: tuple[str, ...]
    mild: tuple[str, ...]
    photo_jpeg: bytes
    maps: tuple[tuple[tuple[int, ...], ...], ...]
    source: str | None = None
    site: str = ""
    day: datetime.date = field(default_factory=datetime.date.today)

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
            "maps": answer.maps,
            "source": answer.source,
            "site": answer.site,
            "day": answer.day.isoformat(),
        }
    )


def unseal(text: str) -> Answer:
    """Read a sealed answer back.

    Raises:
        AnswerExpired: it is not one of ours, of another bundle, older than `LIFETIME_S`, or of another version of this
            site, which signed it too but wrote or meant something else.
    """
    try:
        content = _serializer().loads(text, max_age=LIFETIME_S)
        said = content["evidence"]
        site = content["site"]
        if site and site not in SITES:
            raise ValueError(site)
        return Answer(
            read_evidence(said["logits"], said["ood_score"], said["source"], said["source_is_sure"]),
            read_issues(content["severe"]),
            read_issues(content["mild"]),
            base64.b64decode(content["photo"], validate=True),
            tuple(tuple(map(tuple, one)) for one in content["maps"]),
            read_source(content["source"]) if content["source"] else None,
            site,
            datetime.date.fromisoformat(content["day"]),
        )
    except (BadData, KeyError, TypeError, ValueError) as error:
        raise AnswerExpired() from error


def read_evidence(logits: list[float], ood_score: float, source: str, source_is_sure: bool = False) -> Evidence:
    """What the network said, from what was signed; TypeError or ValueError where that is something else."""
    if len(logits) != len(CODES):
        raise ValueError(len(logits))
    return Evidence(tuple(map(float, logits)), float(ood_score), read_source(source), bool(source_is_sure))


def read_issues(codes: list[str]) -> tuple[str, ...]:
    """Codes of quality issues, from what was signed; TypeError or ValueError where we know no such issue."""
    if unknown := {*codes} - wording.ISSUES.keys():
        raise ValueError(unknown)
    return tuple(codes)


def read_source(source: str) -> str:
    """How a photo was taken, from what was signed; ValueError where we know no such source."""
    if source not in SOURCES:
        raise ValueError(source)
    return source


def _serializer() -> URLSafeTimedSerializer:
    # The bundle's id is part of the salt: a signature made under another bundle does not fit.
    bundle = current_app.extensions["classifier"].bundle
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"answer {bundle.id}")
