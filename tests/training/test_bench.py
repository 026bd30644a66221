import dataclasses
import json

import pytest

from training import bench
from training.configs.recipe import Augmentation, Recipe, Stage


def test_every_stage_is_timed_and_its_parts_add_up(small_network, data, tmp_path):
    stage = Stage("first", 16, epochs=1, batch_size=8, peak=1e-3, augmentation=Augmentation(rotation=180, degrade=2.0))
    second = dataclasses.replace(stage, name="second", size_px=32, trainable_from="logits")
    recipe = Recipe(
        stages=(stage, second, dataclasses.replace(second, name="taught", teacher_share=0.5)), logit_adjustment=True
    )
    content = bench.run(recipe, data, tmp_path, steps=3)
    assert json.loads((tmp_path / "bench_train.json").read_text()) == content
    assert [row["stage"] for row in content["stages"]] == ["first", "second", "taught"]
    assert content["machine"]["cores"] >= 1
    for row in content["stages"]:
        parts = row["seconds_an_image"]
        assert min(parts.values()) >= 0
        assert parts["reading"] > 0
        # Augmentation is timed apart; where it seems to take longer than the step it is in, compute is 0.
        whole = parts["reading"] + parts["compute"] + parts["augmentation"]
        if parts["compute"]:
            assert 1 / row["images_per_second"] == pytest.approx(whole, rel=0.02)
    untaught, taught = (row["seconds_an_image"]["reading"] for row in content["stages"][1:])
    assert taught > untaught  # the teacher's answers are waited for
