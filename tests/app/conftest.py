"""The site around a tiny bundle, with its real network or with one that always says the same."""

import io
import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app import create_app
from app.config import Config
from model_store.bundle import read
from model_store.classes import CODES
from model_store.classifier import Classifier
from model_store.engines.base import EngineOutput
from model_store.prediction import Evidence, energy

SECRET_KEY = "a key for tests, long enough to be taken"


@dataclass(frozen=True)
class SteadyEngine:
    """An engine whose network sees the same in every photo, so that a test can choose the answer."""

    logits: tuple[float, ...]
    name: str = "steady"
    tolerance: float = 0.0
    feature_map: np.ndarray = field(default_factory=lambda: np.zeros((1, 12, 12, 8), np.float32))
    dense_weights: np.ndarray = field(default_factory=lambda: np.zeros((8, 8), np.float32))

    def run(self, batch: np.ndarray) -> EngineOutput:
        return EngineOutput(
            np.tile(np.float32(self.logits), (len(batch), 1)), np.repeat(self.feature_map, len(batch), axis=0)
        )


def logits(**of_class: float) -> tuple[float, ...]:
    """Logits by class code; 0 for those not named."""
    return tuple(of_class.get(code, 0.0) for code in CODES)


# With the calibration of tests/conftest.py.
URGENT = logits(MEL=6)
SOON = logits(BCC=6)
WATCH = logits(NV=9)
WATCH_UNLESS_PHONE = logits(NV=6, MEL=2)  # urgent by the calibration of phone photos
STRANGE = tuple(logit - 14 for logit in WATCH)
STRANGE_URGENT = tuple(logit - 14 for logit in URGENT)
STRANGE_SOON = tuple(logit - 14 for logit in SOON)


def evidence_of(logits: tuple[float, ...], source: str = "dermoscopy") -> Evidence:
    """What the tiny bundle's classifier makes of these logits."""
    return Evidence(logits, float(energy(np.array([logits]))[0]), source)


@pytest.fixture(scope="session")
def classifier(tiny_bundle) -> Classifier:
    return Classifier.load(tiny_bundle)


@pytest.fixture
def make_app(tiny_bundle, classifier):
    """A function that makes a site: `make_app(answering=URGENT, max_upload_mb=1)`; by default the tiny network."""
    made = []

    def make(answering: tuple[float, ...] | None = None, engine=None, **settings):
        if answering is not None:
            engine = SteadyEngine(answering)
        chosen = Classifier(read(tiny_bundle), engine) if engine else classifier
        app = create_app(Config(**{"secret_key": SECRET_KEY, **settings}), chosen)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["inference"].close()


@pytest.fixture
def make_client(make_app):
    """A function that makes a client of a site whose network always answers the same."""

    def make(answering=URGENT, **settings):
        return make_app(
            engine=SteadyEngine(answering, dense_weights=np.eye(8, dtype=np.float32)), **settings
        ).test_client()

    return make


@pytest.fixture
def tiny_client(make_app):
    """A client of a site with the tiny network and no limit on how much it may send."""
    return make_app(rate_limit="").test_client()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def english(app):
    """A function that gives a lazy text in English."""

    def give(text) -> str:
        with app.test_request_context("/en/"):
            return str(text)

    return give


@pytest.fixture(scope="session")
def photo(draw_photo) -> bytes:
    """A drawn lesion as a JPEG."""
    return encode(draw_photo(size=(800, 600)))


@pytest.fixture(scope="session")
def photos(draw_photo) -> dict[str, bytes]:
    """Four drawn lesions by their file names."""
    return {f"ISIC_{seed}.jpg": encode(draw_photo(seed=seed, size=(400, 300))) for seed in range(4)}


def encode(image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def token(client) -> str:
    """What the form on the start page carries."""
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/en/").text).group(1)


def send(client, content: bytes | None, name: str = "spot.jpg", path: str = "/en/result", **options):
    """Send a photo as the form on the start page does."""
    form = {"csrf_token": token(client)}
    if content is not None:
        form["photo"] = FileStorage(io.BytesIO(content), name)
    # Encoded here, since the test client itself would put a large form into a temporary file.
    boundary, body = encode_multipart(form)
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}", **options)
