"""One photo of a clinician's series: what the model said of it, carried by the browser, since the site keeps nothing.

It travels in two parts. The case is short, so that fifty of them fit into one form; the detail holds the pictures and
is sent only for a photo that is opened. The case is signed and names the detail's digest, so neither can be changed.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer

from app import advice, judging
from app.advice import Advice, Level
from app.answers import LIFETIME_S, AnswerExpired, read_evidence, read_issues, read_source
from model_store.classes import CODES
from model_store.prediction import SOURCES, Calibration, Evidence, Prediction, pooled

MAX_NAME = 120
MOST_DETAILS = 600_000  # letters of details in one form; fifty cases need the rest of what its fields may hold


@dataclass(frozen=True)
class Case:
    """What is told from one photo.

    Attributes:
        name: the file's name, as the sender calls it.
        evidence: what the network's output says.
        said_source: "dermoscopy" or "phone" where the sender said so, else empty.
        severe: codes of quality issues that make the photo useless.
        mild: codes of quality issues that only make the answer less sure.
        features: shape (C,), float16: the feature map's mean over its places.
        detail_digest: SHA-256 of the packed `Detail`.
    """

    name: str
    evidence: Evidence
    said_source: str
    severe: tuple[str, ...]
    mild: tuple[str, ...]
    features: np.ndarray
    detail_digest: str

    @cached_property  # a row of the table asks for it again and again
    def prediction(self) -> Prediction:
        """By the bundle's calibration for the source that the sender said, or that the bundle's probe tells."""
        return current_app.extensions["classifier"].interpret(self.evidence, self.said_source or None)

    @property
    def calibration(self) -> Calibration:
        """The one that `prediction` rests on."""
        return current_app.extensions["classifier"].bundle.calibrations[self.said_source or self.evidence.source]

    @cached_property
    def advice(self) -> Advice:
        """What a patient who said the source would be told first: no calm answer in spite of mild issues.

        Where nobody said it and the probe is not sure, a patient's rests on the more pressing source. Here it does not:
        a clinician sees the numbers, says the source for a whole series, and is told of `otherwise`.
        """
        return advice.for_prediction(self.prediction, self.severe, self.mild, self.calibration)

    @property
    def source_is_sure(self) -> bool:
        """Whether its sender said how the photo was taken, or else the model is sure of it."""
        return bool(self.said_source) or self.evidence.source_is_sure

    def judged_as(self, source: str) -> "Case":
        """The same photo as if its sender had said this source; the network need not look again."""
        return dataclasses.replace(self, said_source=source)

    @cached_property
    def otherwise(self) -> "Case | None":
        """As if it had been taken the other way, where nobody knows how it was and the advice would be another one."""
        if self.source_is_sure:
            return None
        (source,) = (source for source in SOURCES if source != self.evidence.source)
        other = self.judged_as(source)
        same = (other.advice.level, other.advice.if_a_spot) == (self.advice.level, self.advice.if_a_spot)
        return None if same else other

    @property
    def cannot_be_judged(self) -> bool:
        """Whether the model's numbers are not to be read as an answer: of a patient's photo they would not be shown."""
        return self.advice.level is Level.CANNOT_JUDGE

    @property
    def cannot_be_compared(self) -> bool:
        """Whether so much is wrong with the photo that even its likeness to others says nothing."""
        return self.cannot_be_judged and not self.advice.may_show_anyway


@dataclass(frozen=True)
class Detail:
    """The pictures of one photo.

    Attributes:
        photo_jpeg: the photo as the model saw it, as a JPEG without metadata.
        maps: shape (8, h, w), uint8: the class activation map of each class, 255 at its strongest place.
    """

    photo_jpeg: bytes
    maps: np.ndarray

    @property
    def photo_url(self) -> str:
        """The photo as a data: URL."""
        return "data:image/jpeg;base64," + base64.b64encode(self.photo_jpeg).decode("ascii")


@dataclass(frozen=True)
class Sealed:
    """A case and its detail as texts, for hidden fields of a form."""

    case: str
    detail: str


def look(data: bytes, name: str, said_source: str) -> tuple[Case, Detail]:
    """Let the model look at a photo.

    Args:
        data: the file, as it came.
        name: as in `Case`; its folders and whatever cannot be printed are left out.
        said_source: as in `Case`.

    Raises:
        PhotoError: its sender can mend it.
        Overloaded, DeadlineExceeded, EngineError: its sender can only try again.
    """
    seen = judging.look(data, said_source or None)
    detail = Detail(seen.answer.photo_jpeg, seen.maps)
    case = Case(
        name=tidy(name),
        evidence=seen.answer.evidence,
        said_source=said_source,
        severe=seen.answer.severe,
        mild=seen.answer.mild,
        features=pooled(seen.feature_map[None])[0].astype(np.float16),
        detail_digest=hashlib.sha256(_pack(detail)).hexdigest(),
    )
    judging.count(seen, case.prediction, case.advice)
    return case, detail


def tidy(name: str) -> str:
    """A file's name without folders and control characters, at most `MAX_NAME` letters."""
    printable = "".join(letter for letter in name.replace("\\", "/") if letter.isprintable())
    return PurePosixPath(printable).name[:MAX_NAME]


def seal(case: Case, detail: Detail | None) -> Sealed:
    """Sign a case of the current application's bundle; without the detail, its text is empty."""
    signed = _serializer().dumps(
        {
            "name": case.name,
            "logits": case.evidence.logits,
            "ood_score": case.evidence.ood_score,
            "source": case.evidence.source,
            "source_is_sure": case.evidence.source_is_sure,
            "said_source": case.said_source,
            "severe": case.severe,
            "mild": case.mild,
            "features": base64.b64encode(case.features.tobytes()).decode("ascii"),
            "detail": case.detail_digest,
        }
    )
    return Sealed(signed, base64.b64encode(_pack(detail)).decode("ascii") if detail else "")


def for_one_form(details: Iterable[str]) -> tuple[str, ...]:
    """Sealed details as far as one form holds them beside its cases; those beyond are empty, so their pictures stay."""
    left, carried = MOST_DETAILS, []
    for detail in details:
        fits = len(detail) <= left
        left -= len(detail) if fits else 0
        carried.append(detail if fits else "")
    return tuple(carried)


def unseal(text: str) -> Case:
    """Read a sealed case back.

    Raises:
        AnswerExpired: it is not one of ours, of another bundle or another version of this site, or too old.
    """
    try:
        content = _serializer().loads(text, max_age=LIFETIME_S)
        return Case(
            name=content["name"],
            evidence=read_evidence(
                content["logits"], content["ood_score"], content["source"], content["source_is_sure"]
            ),
            said_source=read_source(content["said_source"]) if content["said_source"] else "",
            severe=read_issues(content["severe"]),
            mild=read_issues(content["mild"]),
            features=np.frombuffer(base64.b64decode(content["features"]), np.float16),
            detail_digest=content["detail"],
        )
    except (BadData, KeyError, TypeError, ValueError) as error:
        raise AnswerExpired() from error


def unseal_detail(text: str, case: Case) -> Detail:
    """Read the detail of a case back.

    Raises:
        AnswerExpired: it is not this case's.
    """
    try:
        packed = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise AnswerExpired() from error
    if hashlib.sha256(packed).hexdigest() != case.detail_digest:
        raise AnswerExpired()
    try:
        height, width = packed[0], packed[1]
        end = 2 + len(CODES) * height * width
        maps = np.frombuffer(packed[2:end], np.uint8).reshape(len(CODES), height, width)
    except (IndexError, ValueError) as error:  # another version of the site packed it
        raise AnswerExpired() from error
    return Detail(packed[end:], maps)


def _pack(detail: Detail) -> bytes:
    """Height and width of the maps, a byte each, then the maps, then the photo."""
    return bytes(detail.maps.shape[1:]) + detail.maps.tobytes() + detail.photo_jpeg


def _serializer() -> URLSafeTimedSerializer:
    bundle = current_app.extensions["classifier"].bundle
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"case {bundle.id}")
