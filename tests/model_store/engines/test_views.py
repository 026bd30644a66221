import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as operations

from model_store.engines.views import take_apart

SIDE, CHANNELS = 6, 4


def _constant(values, dtype=np.int64):
    return operations.constant(np.asarray(values, dtype))


def _network(views: int) -> ov.Model:
    """A network that looks at a photo so often, flipped along the axes 0 (not at all), 2, 3, ...; in OpenVINO alone."""
    kernel = np.random.default_rng(0).normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)
    photo = operations.parameter([1, 3, SIDE, SIDE], np.float32)
    backwards = _constant(range(SIDE)[::-1])

    def flipped(node, number):
        return operations.gather(node, backwards, _constant(1 + number)) if number else node

    batch = photo if views == 1 else operations.concat([flipped(photo, number) for number in range(views)], axis=0)
    maps = operations.relu(operations.convolution(batch, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    parts = [maps] if views == 1 else operations.split(maps, _constant(0), views).outputs()
    total = flipped(parts[0], 0)
    for number in range(1, views):
        total = operations.add(total, flipped(parts[number], number))
    mean = operations.divide(total, _constant(views, np.float32))
    logits = operations.reduce_mean(mean, _constant([2, 3]), keep_dims=False)
    return ov.Model([operations.result(logits), operations.result(mean)], [photo], "network")


def _run(model, inputs):
    request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    return list(request.infer(inputs).values())


@pytest.mark.parametrize("views", [1, 2, 3])
def test_a_network_that_was_taken_apart_answers_as_the_whole_one(views):
    photo = np.random.default_rng(1).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    expected = _run(_network(views), [photo])

    parts = take_apart(_network(views))
    seen = _run(parts.before, [photo])
    found = [output for view in seen for output in _run(parts.view, [view])]
    answer = _run(parts.after, found)

    assert [view.shape for view in seen] == [photo.shape] * views
    assert [output.shape for output in answer] == [(1, CHANNELS), (1, CHANNELS, SIDE, SIDE)]
    for output, wanted in zip(answer, expected, strict=True):
        np.testing.assert_allclose(output, wanted, atol=1e-6)
    assert np.abs(expected[0]).max() > 0.1


def test_the_looks_of_a_network_are_computed_one_by_one():
    parts = take_apart(_network(2))
    assert parts.view.inputs[0].shape == [1, 3, SIDE, SIDE]
    assert not [node for node in parts.view.get_ops() if node.get_type_name() in ("Concat", "Split")]


def test_a_batch_that_is_made_but_not_parted_again_is_left_whole():
    photo = operations.parameter([1, 3, SIDE, SIDE], np.float32)
    twice = operations.concat([photo, photo], axis=0)
    network = ov.Model([operations.result(twice)], [photo], "network")
    parts = take_apart(network)
    assert parts.view is network
    assert len(parts.before.outputs) == 1
