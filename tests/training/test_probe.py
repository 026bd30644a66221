import numpy as np
import pandas as pd
import pytest

from model_store.preprocessing import InputSpec
from training import lite2, network, probe, record

_SPEC = InputSpec(size_px=64, common_px=64)


@pytest.fixture
def without_lite2(monkeypatch):
    monkeypatch.setattr(lite2, "PACKAGE", "no_such_package")  # it does not fit the small network


def test_every_start_is_measured_on_other_lesions_and_only_once(
    small_network, without_lite2, data, tmp_path, monkeypatch
):
    file = tmp_path / "earlier.npz"
    values = network.variables(small_network(16))
    np.savez(file, **{str(i): value for i, value in enumerate(values)})
    record.data(data.table, tmp_path)  # as the run that it comes from
    table = probe.run(data, _SPEC, tmp_path, [str(file)], per_class=6, size_px=16, steps=2)
    assert table.start.tolist() == ["random", str(file)]
    assert (table.low <= table.balanced_accuracy).all()
    assert (table.balanced_accuracy <= table.high).all()
    assert (table.train_images == 48).all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "probe.csv"), table, check_dtype=False)
    for name, fine_tuned in zip(("random", "earlier.npz"), table.fine_tuned, strict=True):
        history = pd.read_csv(tmp_path / "fine_tuned" / name / "history.csv")
        assert history.images.item() == 64
        assert fine_tuned == history.val_balanced_accuracy.item()
    text = (tmp_path / "probe.md").read_text()
    assert f"| earlier.npz | {table.balanced_accuracy[1]:.3f} (" in text
    assert f"| {table.fine_tuned[1]:.3f} (2 steps of 32) |" in text
    monkeypatch.setattr(network, "build", None)  # a second call must not need it
    again = probe.run(data, _SPEC, tmp_path, [str(file)], per_class=6, size_px=16, steps=2)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_a_colour_that_tells_the_class_is_found(small_network, without_lite2, data, tmp_path):
    table = probe.run(data, _SPEC, tmp_path, [], per_class=15, size_px=16, steps=0)
    assert table.fine_tuned.isna().all()
    assert table.balanced_accuracy.item() > 0.3  # the generated spots have a hue for each class


def test_lite2_is_measured_itself_and_widened_in_several_ways(small_network, data, tmp_path, monkeypatch):
    began = []
    monkeypatch.setattr(lite2, "PACKAGE", "numpy")  # something that is there
    monkeypatch.setattr(probe.starting_weights, "load", lambda _, weights: began.append(weights))
    monkeypatch.setattr(probe.starting_weights, "load_lite2", lambda _, scale: began.append(scale))
    monkeypatch.setattr(probe.net2net, "estimate_batch_norm", lambda *_: began.append("its statistics estimated"))
    table = probe.run(data, _SPEC, tmp_path, ["lite2.weights.h5"], per_class=4, size_px=16, steps=0)
    assert table.start.tolist() == [
        "random", "lite2, not widened", "lite2, Swish x1", "lite2, Swish x2", "lite2, Swish x4",
        "lite2, Swish x4, own statistics", "lite2.weights.h5",
    ]  # fmt: skip
    estimated = "its statistics estimated"
    assert began == [
        "random", estimated, 1.0, 1.0, estimated, 2.0, estimated, 4.0, estimated, 4.0, "lite2.weights.h5",
    ]  # fmt: skip


def test_another_length_is_trained_anew(small_network, without_lite2, data, tmp_path):
    for steps in (1, 2):
        table = probe.run(data, _SPEC, tmp_path, [], per_class=4, size_px=16, steps=steps)
        assert table.steps.tolist() == [steps]
        history = pd.read_csv(tmp_path / "fine_tuned" / "random" / "history.csv")
        assert history.images.tolist() == [32 * steps]
