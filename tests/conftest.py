"""What several packages' tests share: a bundle in the real format around a tiny network, and photos drawn in code."""

import dataclasses
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from model_store.prediction import Calibration, OperatingPoint, OutOfDistribution, Prior
from model_store.preprocessing import InputSpec
from model_store.probes import Probes

ROOT = Path(__file__).parent.parent


def draw_lesion(seed: int = 0, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Draw skin with a brown spot, sharp enough and lit well enough to be judged."""
    generator = np.random.default_rng(seed)
    width, height = size
    image = Image.new("RGB", size, (222, 178, 156))
    pen = ImageDraw.Draw(image)
    radius = min(size) * generator.uniform(0.2, 0.28)
    for step, colour in enumerate([(150, 96, 70), (118, 70, 50), (92, 52, 40)]):
        x, y = width / 2 + generator.normal(0, 6), height / 2 + generator.normal(0, 6)
        r = radius * (1 - 0.28 * step)
        pen.ellipse((x - 1.2 * r, y - r, x + 1.2 * r, y + r), fill=colour)
    soft = image.filter(ImageFilter.GaussianBlur(min(size) / 200))
    grain = generator.normal(0, 5, size=(height, width, 1)) + generator.normal(0, 2, size=(height, width, 3))
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    """A calibration in which every field does something; its figures are made up."""
    return Calibration(
        temperature=1.5,
        bias=(0.1, -0.2, 0.0, 0.3, 0.0, 0.0, 0.0, -0.1),
        prior=Prior("made up for tests", (0.1, 0.6, 0.1, 0.05, 0.1, 0.02, 0.01, 0.02)),
        set_coverage=0.95,
        set_thresholds=(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
        operating_points=(
            OperatingPoint("urgent", "urgent", 0.2, 0.9, 0.7, 100, "made up for tests"),
            OperatingPoint("soon", "malignancy", 0.3, 0.95, 0.6, 100, "made up for tests"),
        ),
        out_of_distribution=OutOfDistribution("probes", 0.0),
        score_thresholds=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    )


@pytest.fixture(scope="session")
def calibrations(calibration) -> dict[str, Calibration]:
    """One for each source; that of phone photos differs where a test can see it."""
    phone = dataclasses.replace(calibration, temperature=3.0, prior=Prior("even, for tests", (0.125,) * 8))
    return {"dermoscopy": calibration, "phone": phone}


def build_tiny_probes() -> Probes:
    """Probes for the tiny network's 8 features, whose out-of-distribution score is the energy."""
    return Probes(
        source_weights=np.array([4.0, -4.0, 0, 0, 0, 0, 0, 0]),
        source_bias=np.array(-0.1),
        mean=np.zeros(8),
        projection=np.eye(8)[:, :3],
        centres=np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
        stranger_weights=np.ones(8),
        stranger_bias=np.array(0.0),
        score_weights=np.array([0.0, 0.0, 1.0]),
    )


def build_tiny_network(seed: int = 0):
    """Build an untrained network with the shipped one's interface: 380 px in, [logits, 12 x 12 feature map] out."""
    import keras  # here, so that tests which need no network do not wait for TensorFlow

    photo = keras.Input((380, 380, 3))
    scaled = keras.layers.Rescaling(1 / 255)(photo)
    normalized = keras.layers.Normalization(mean=[0.6, 0.5, 0.4], variance=[0.04, 0.05, 0.06])(scaled)
    initializer = keras.initializers.VarianceScaling(4.0, seed=seed)
    convolved = keras.layers.Conv2D(8, 32, strides=32, padding="same", kernel_initializer=initializer)(normalized)
    feature_map = keras.layers.Activation("swish")(keras.layers.BatchNormalization()(convolved))
    pooled = keras.layers.GlobalAveragePooling2D()(feature_map)
    logits = keras.layers.Dense(8, kernel_initializer=keras.initializers.RandomNormal(stddev=2.0, seed=seed))(pooled)
    return keras.Model(photo, [logits, feature_map])


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory, calibrations) -> Path:
    """The path of a bundle, read-only by agreement: copy it to change it. Its root is two directories up."""
    from model_store import bundle
    from model_store.engines.tensorflow import TensorFlowEngine
    from model_store.half_precision import store_half_precision

    folder = tmp_path_factory.mktemp("tiny_bundle")
    build_tiny_network().save(folder / "network.keras")
    store_half_precision(folder / "network.keras")
    (folder / "figures").mkdir()
    Image.new("RGB", (8, 8), "white").save(folder / "figures" / "reliability.png")
    spec = InputSpec()
    photos = tuple(np.asarray(draw_lesion(seed, size)) for seed, size in enumerate([(400, 300), (256, 256)]))
    written = bundle.write(
        folder / "bundles",
        name="tiny",
        version="1.0.0",
        model=folder / "network.keras",
        spec=spec,
        calibrations=calibrations,
        probes=build_tiny_probes(),
        metadata={"data": "none: the weights are random"},
        report={"balanced_accuracy": None},
        golden=bundle.record_golden(photos, spec, TensorFlowEngine(folder / "network.keras")),
        card="# Tiny\n\nRandom weights, for tests.\n",
        licence="Made for tests.\n",
        figures=folder / "figures",
    )
    return written.path


@pytest.fixture(scope="session")
def engine_options(tmp_path_factory):
    """A folder for converted networks that all tests share, so that each network is converted once."""
    from model_store.engines import Options

    return Options(cache=tmp_path_factory.mktemp("engine_cache"))


@pytest.fixture(scope="session")
def draw_photo():
    """The function that draws a lesion: `draw_photo(seed=0, size=(400, 300))` gives a PIL image."""
    return draw_lesion


@dataclass
class Site:
    """A site that a real gunicorn serves: its address, its process, and the file that its log goes to."""

    url: str
    process: subprocess.Popen
    log: Path

    def stop(self) -> int:
        """Ask it to end, as a container's runtime does, and give its exit status."""
        self.process.terminate()
        return self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def start_site(tmp_path_factory, engine_options):
    """A function that serves the site on a free port, with environment variables of its choice, once it is ready."""
    started = []

    def start(**variables: str) -> Site:
        folder = tmp_path_factory.mktemp("site")
        log = folder / "log"
        environment = {
            **os.environ, "HOST": "127.0.0.1", "PORT": "0", "HOME": str(folder),
            "SKIN_CACHE": str(engine_options.cache), **variables,
        }  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi"],
                cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        started.append(process)
        return Site(_address(process, log), process, log)

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=60)


def _address(process: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        if ready := re.search(r"Ready: (http[^\s\",]+)", log.read_text()):
            return ready.group(1)
        time.sleep(0.1)
    return pytest.fail(f"the site did not start:\n{log.read_text()}")
