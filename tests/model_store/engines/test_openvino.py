import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_store import engines
from model_store.bundle import MODEL, read, read_golden, replay_golden
from model_store.engines import cache
from model_store.errors import EngineError

ROOT = Path(__file__).parents[3]

# What a server does, with everything converted before: no TensorFlow, no Keras.
SERVE = """
import sys
from pathlib import Path
from model_store import engines
from model_store.classifier import Classifier
from model_store.images import open_photo
classifier = Classifier.load(Path(sys.argv[1]), "openvino", engines.Options(cache=Path(sys.argv[2])))
classifier.classify(open_photo(sys.stdin.buffer.read()))
print([name for name in ("tensorflow", "keras", "openvino_telemetry") if sys.modules.get(name)])
"""


@pytest.fixture(scope="module")
def engine(tiny_bundle, engine_options):
    return engines.load("openvino", tiny_bundle / MODEL, engine_options)


@pytest.fixture(scope="module")
def reference(tiny_bundle):
    return engines.load("tensorflow", tiny_bundle / MODEL)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (5, 380, 380, 3)).astype(np.float32)


def test_it_answers_as_the_reference_does(engine, reference, photos):
    output, expected = engine.run(photos), reference.run(photos)
    assert (output.logits.dtype, output.feature_map.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(output.logits, expected.logits, atol=engine.tolerance)
    np.testing.assert_allclose(output.feature_map, expected.feature_map, atol=engine.tolerance)
    np.testing.assert_array_equal(engine.dense_weights, reference.dense_weights)


def test_the_golden_photos_are_answered_as_when_the_bundle_was_written(engine, tiny_bundle):
    bundle = read(tiny_bundle)
    replay_golden(bundle, engine)
    golden = read_golden(bundle)
    assert np.abs(golden.logits).max() > 10 * engine.tolerance  # the check can fail


def test_a_photo_gets_the_same_bits_alone_and_in_a_batch(engine, photos):
    together = engine.run(photos)
    for index, photo in enumerate(photos):
        alone = engine.run(photo[None])
        np.testing.assert_array_equal(together.logits[index], alone.logits[0])
        np.testing.assert_array_equal(together.feature_map[index], alone.feature_map[0])


def test_threads_that_ask_at_once_get_their_own_answers(engine, photos):
    from concurrent.futures import ThreadPoolExecutor

    expected = engine.run(photos).logits
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda index: engine.run(photos[index % 5][None]).logits[0], range(40)))
    np.testing.assert_array_equal(answers, expected[np.arange(40) % 5])


def test_serving_with_a_warm_cache_imports_no_tensorflow_and_nothing_that_reports_home(
    engine, tiny_bundle, engine_options, draw_photo, tmp_path
):
    draw_photo().save(tmp_path / "photo.png")
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(tiny_bundle), str(engine_options.cache)],
        input=(tmp_path / "photo.png").read_bytes(), cwd=ROOT, capture_output=True, check=True,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert result.stdout.decode().strip() == "[]"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((380, 380, 3), np.float32),
        np.zeros((1, 380, 381, 3), np.float32),
        np.zeros((1, 380, 380, 3), np.uint8),
    ],
)
def test_a_batch_of_another_shape_or_type_is_a_mistake_of_ours(engine, batch):
    with pytest.raises(ValueError, match="expected float32"):
        engine.run(batch)


def test_an_answer_that_is_not_finite_is_an_error_and_the_next_photo_is_answered(engine, photos):
    with pytest.raises(EngineError) as caught:
        engine.run(np.full((1, 380, 380, 3), np.nan, np.float32))
    assert (caught.value.code, caught.value.details) == ("engine_failed", {"engine": "openvino"})
    assert np.isfinite(engine.run(photos[:1]).logits).all()


def test_files_that_openvino_cannot_read_are_no_engine(tiny_bundle, engine_options, tmp_path):
    (tmp_path / "network.xml").write_text("<net></net>")
    from model_store.engines.openvino import OpenVINOEngine

    with pytest.raises(EngineError) as caught:
        OpenVINOEngine(tiny_bundle / MODEL, tmp_path)
    assert caught.value.code == "engine_unavailable"


def test_the_shipped_folder_is_the_one_of_this_runtime(tiny_bundle, engine, engine_options):
    import openvino

    folder = cache.folder_for(tiny_bundle / MODEL, engine_options.cache)
    assert cache.is_whole(folder)
    assert folder.name.endswith(openvino.__version__.split("-")[0])
