import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from model_store.classes import CODES
from tests.training.conftest import build_small_network
from training import ablation, choose, fit
from training.draws import validation_rows

# The base and the two variants that change most: mixing and averaging.
FEW = [ablation.BASE, "cutmix", "averaged weights (EMA 0.98)"]


def _only(monkeypatch, names):
    monkeypatch.setattr(ablation, "VARIANTS", {name: ablation.VARIANTS[name] for name in names})


@pytest.fixture
def few(monkeypatch):
    _only(monkeypatch, FEW)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder in which these trained, read-only by agreement, and the table."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit.network, "build", build_small_network)
        _only(patch, FEW)
        return folder, _run(data, folder)


def _run(data, folder, **changes):
    settings = {"steps": 2, "size_px": 16, "seeds": 1, "minutes": 10.0}
    return ablation.run(data, folder, "random", **(settings | changes))


def test_each_variant_trains_once_and_its_figures_are_those_of_its_history(few, data, trained, monkeypatch):
    folder, table = trained
    assert table.variant.tolist() == FEW
    for row in table.itertuples():
        history = pd.read_csv(folder / "seed0" / row.variant.replace(" ", "_") / "history.csv")
        assert row.balanced_accuracy == history.val_balanced_accuracy.item()
        assert row.images == 64
    monkeypatch.setattr(fit, "_train_epoch", lambda *_: pytest.fail("trains again"))
    pd.testing.assert_frame_equal(_run(data, folder), table)


def test_it_stops_when_the_time_is_up_and_goes_on_when_called_again(small_network, data, tmp_path, monkeypatch):
    _only(monkeypatch, FEW[:2])
    assert len(_run(data, tmp_path, minutes=-1)) == 0
    first = _run(data, tmp_path, minutes=1e-9)
    assert len(first) <= 1
    assert _run(data, tmp_path, seeds=2).groupby("variant").size().tolist() == [2, 2]


def test_every_variant_differs_from_the_base_in_one_thing():
    base = ablation.base(100, 96, 0)
    for name, change in ablation.VARIANTS.items():
        changed = change(base)
        assert (changed == base) == (name == ablation.BASE)
        assert changed.stages[0].size_px == 96
        assert changed.stages[0].epoch_images == 3200


def test_the_table_says_means_ranges_and_what_has_not_run():
    rows = [
        {"variant": ablation.BASE, "seed": 0, "balanced_accuracy": 0.5, "accuracy": 0.6},
        {"variant": "mixup", "seed": 0, "balanced_accuracy": 0.52, "accuracy": 0.6},
        {"variant": "mixup", "seed": 1, "balanced_accuracy": 0.56, "accuracy": 0.7},
    ]
    phone = {"phone_balanced_accuracy": [0.4, 0.45, 0.46], "phone_accuracy": [0.3, 0.35, 0.37]}
    text = ablation.markdown(pd.DataFrame(rows).assign(**phone), "conditions")
    assert "| mixup | 0.540 | 0.520 to 0.560 | +0.040 | 0.650 | 0.455 | 0.360 | 2 |" in text
    assert "Not run yet: stronger augmentation" in text


def test_all_variants_decide_as_if_all_diagnoses_were_equally_common(
    small_network, few, data, trained, tmp_path, monkeypatch
):
    folder, taken_off = shutil.copytree(trained[0], tmp_path / "unmeasured"), []
    for measured in folder.rglob(ablation._MEASURED):
        measured.unlink()

    def only_df(recipe, table, source):
        taken_off.append(source)
        return np.where(np.array(CODES) == "DF", -1e6, 0.0)  # so that DF is the decision

    monkeypatch.setattr(ablation.draws, "source_shift", only_df)
    table = _run(data, folder)
    rows = choose.validation(data, "dermoscopy")
    df_share = (data.table.label.to_numpy()[rows] == CODES.index("DF")).mean()
    assert table.accuracy.tolist() == pytest.approx([df_share] * 3)
    assert taken_off == ["dermoscopy", "phone"] * 3


def test_phone_photos_are_measured_apart(small_network, data, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "VARIANTS", {ablation.BASE: ablation.VARIANTS[ablation.BASE]})
    phone = data.table.index % 3 == 0
    mixed = dataclasses.replace(data, table=data.table.assign(kind=np.where(phone, "phone", "dermoscopy")))
    (row,) = _run(mixed, tmp_path).itertuples()
    model = small_network(16)
    fit.network.load_weights(model, tmp_path / "seed0" / row.variant.replace(" ", "_") / "short.weights.npz")
    rows, recipe = choose.validation(mixed, "phone"), ablation.base(2, 16, 0)
    answers = fit.logits(model, data.pixels, rows, recipe.input, 32)
    labels = data.table.label.to_numpy()[rows]
    assert row.phone_accuracy == pytest.approx((answers.argmax(axis=1) == labels).mean())


def test_the_averaged_weights_are_what_is_measured(small_network, data, trained):
    run = trained[0] / "seed0" / FEW[-1].replace(" ", "_")
    model = small_network(16)
    fit.network.load_weights(model, run / "short.weights.npz")
    recipe = ablation.VARIANTS[FEW[-1]](ablation.base(2, 16, 0))
    rows = validation_rows(data.table, recipe)
    answers = fit.logits(model, data.pixels, rows, recipe.input, 32)
    accuracy = (answers.argmax(axis=1) == data.table.label.to_numpy()[rows]).mean()
    assert accuracy == pytest.approx(pd.read_csv(run / "history.csv").val_accuracy.item())
