import copy
import io

import pytest

from model_store import comparison
from model_store.bundle import read
from model_store.images import open_photo
from tests.conftest import draw_lesion


@pytest.fixture(scope="module")
def result(tiny_bundle, engine_options):
    photos = (open_photo(png(seed)) for seed in range(10))  # more than one batch
    return comparison.compare(read(tiny_bundle), photos, engine_options.cache)


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    draw_lesion(seed, (300, 280)).save(stream, "PNG")
    return stream.getvalue()


def test_float32_agrees_with_the_reference(result):
    assert result["photos"] == 10
    assert result["precisions"]["f32"]["top_1_agreement"] == 1
    assert result["precisions"]["f32"]["largest_probability_difference"] < 1e-4
    assert comparison.is_within_limits(result)


def test_it_says_which_bundle_and_which_versions_were_compared(result, tiny_bundle):
    import openvino

    assert (result["bundle"], result["bundle_id"]) == ("tiny/1.0.0", read(tiny_bundle).id)
    assert openvino.__version__.startswith(result["versions"]["openvino"])


@pytest.mark.parametrize(("figure", "value"), [("top_1_agreement", 0.99), ("largest_probability_difference", 0.021)])
def test_a_figure_beyond_its_limit_is_seen_and_only_in_the_precision_that_is_served(result, figure, value):
    worse = copy.deepcopy(result)
    worse["precisions"]["bf16"][figure] = value
    assert comparison.is_within_limits(worse)
    worse["precisions"]["f32"][figure] = value
    assert not comparison.is_within_limits(worse)
