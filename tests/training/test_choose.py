"""A network that never trained is asked: what counts is the tables' shape, and that only validation images are used."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from model_store.preprocessing import InputSpec
from training import choose, network
from training.configs.recipe import LITE2, Recipe, Stage


def _small_network(size_px, *, input_px=None, views=1):
    images = keras.Input((input_px or size_px,) * 2 + (3,))
    resized = keras.ops.image.resize(images, (size_px, size_px), data_format="channels_last")
    x = keras.layers.Normalization()(keras.layers.Rescaling(1 / 255)(resized))
    x = keras.layers.Conv2D(8, 3, strides=2)(x)
    return keras.Model(images, keras.layers.Dense(8)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A recipe and the folder of its run, with random weights."""
    monkeypatch.setattr(network, "build", _small_network)
    recipe = Recipe(
        stages=(Stage("only", 64, epochs=1, batch_size=8, peak=1e-3),),
        input=InputSpec(size_px=64, common_px=64),
        network_px=64,
    )
    values = network.variables(_small_network(64))
    np.savez(tmp_path / "only.weights.npz", **{str(i): value for i, value in enumerate(values)})
    return recipe, tmp_path


def validation(data):
    return int((data.table.split == "validation").sum())


def test_sizes_are_a_stride_apart_around_the_recipe_s_own(data, run):
    table = choose.sizes(run[0], data, run[1])
    assert list(table.network_px) == [32, 64, 96, 128]
    assert set(table.images) == {validation(data)}
    assert table.balanced_accuracy.between(0, 1).all()
    assert (table.low <= table.balanced_accuracy).all()


def test_what_the_logits_owe_to_the_source_alone_is_taken_off_as_calibration_does(data, run, monkeypatch):
    shift = np.zeros(8)
    shift[1] = -100.0
    monkeypatch.setattr(choose.draws, "source_shift", lambda *_: shift)
    table = choose.sizes(run[0], data, run[1])
    naevi = (data.table.label[data.table.split == "validation"] == 1).mean()
    np.testing.assert_allclose(table.accuracy, naevi)  # every image is taken for a naevus


def test_more_views_cost_more_and_one_view_gains_nothing(data, run):
    table = choose.views(run[0], data, run[1])
    assert list(table.views) == [1, 2, 4]
    assert (table.gain[0], table.gain_low[0], table.gain_high[0]) == (0, 0, 0)


def test_the_last_stage_alone_is_compared_with_its_mean_with_those_before_it(data, run):
    recipe, folder = run
    only = recipe.stages[0]
    (folder / "first.weights.npz").write_bytes((folder / "only.weights.npz").read_bytes())
    recipe = dataclasses.replace(recipe, stages=(dataclasses.replace(only, name="first"), only))
    table = choose.averages(recipe, data, folder)
    assert list(table.stages) == ["only", "first + only"]
    assert table.balanced_accuracy[0] == table.balanced_accuracy[1]  # the same weights twice


def test_a_small_network_before_it_has_no_place_in_a_mean(data, run):
    recipe, folder = run
    small = dataclasses.replace(recipe.stages[0], name="small", network=LITE2, to_swish=True)
    recipe = dataclasses.replace(recipe, stages=(small, *recipe.stages))
    assert list(choose.averages(recipe, data, folder).stages) == ["only"]


def test_a_study_that_is_stopped_keeps_the_tables_before_it(data, run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(choose, "views", stop)
    with pytest.raises(KeyboardInterrupt):
        choose.run(run[0], data, run[1])
    assert sorted(path.name for path in run[1].glob("*.csv")) == ["fit.csv", "size.csv"]


def test_a_fit_needs_whole_frames(data, run):
    assert choose.fits(run[0], data, run[1]).empty  # all generated images are square


def test_fits_are_compared_on_the_whole_frames_that_lie_beside_the_images(data, run, tmp_path):
    table = data.table.copy()
    (tmp_path / choose.FRAME_FOLDER).mkdir()
    chosen = table.index[table.split == "validation"][:3]
    for row in chosen:
        Image.new("RGB", (96, 72), (200, 150, 120)).save(tmp_path / choose.FRAME_FOLDER / f"{table.image[row]}.jpg")
    table["path"] = [tmp_path / "ISIC_2019_Training_Input" / path.rsplit("/", 1)[1] for path in table.path]
    (tmp_path / "ISIC_2019_Training_Input").symlink_to(data.table.path[0].rsplit("/", 1)[0])
    found = choose.fits(run[0], dataclasses.replace(data, table=table), run[1])
    assert list(found.fit) == ["crop", "squash", "pad"]
    assert set(found.images) == {3}
