"""A small network that never trained: what counts is that both are asked about the same validation images."""

import json

import keras

from model_store.prediction import SOURCES
from model_store.preprocessing import InputSpec
from training import choose, draws, int8, network
from training.configs.recipe import Recipe, Stage


def test_the_quantized_network_is_held_against_the_served_one(small_network, data, tmp_path):
    recipe = Recipe(
        stages=(Stage("only", 64, epochs=1, batch_size=8, peak=1e-3),), input=InputSpec(size_px=64, common_px=64)
    )
    trained = small_network(64)
    network.with_feature_map(trained).save(tmp_path / "model.keras")
    content = int8.run(recipe, data, tmp_path / "model.keras", tmp_path / "out", tmp_path / "cache")
    assert json.loads((tmp_path / "out" / int8.FILE).read_text()) == content
    assert set(content["sources"]) == {source for source in SOURCES if len(choose.validation(data, source))}
    for source, figures in content["sources"].items():
        rows = choose.validation(data, source)
        assert figures["images"] == len(rows)
        assert figures["loss_low"] <= figures["loss"] <= figures["loss_high"]
        logits = keras.ops.convert_to_numpy(trained(data.pixels[rows].astype("float32")))
        logits = logits - draws.source_shift(recipe, data.table, source)  # as serving takes it off
        expected = choose.balanced_accuracy(logits, data.table.label.to_numpy()[rows])
        assert abs(figures["balanced_accuracy"]["f32"] - expected) < 0.02
    assert set(content["network_ms"]) == {"f32", "int8"}
    assert content["accepted"] == all(f["loss"] <= int8.LARGEST_LOSS for f in content["sources"].values())
