"""A recipe that cannot be carried out says so when it is written, not when hours have been spent on it."""

import dataclasses
import re
from pathlib import Path

import pytest

from training import configs
from training.configs.recipe import B4, LITE2, Recipe, Stage, from_dict


def _stage(name: str, **settings) -> Stage:
    return Stage(name, 32, epochs=1, batch_size=4, peak=1e-3, **settings)


@pytest.mark.parametrize(
    ("stages", "average", "said"),
    [
        ((_stage("a"), _stage("a")), (), "two stages of one name write the same weights file: ['a', 'a']"),
        ((_stage("a"), _stage("b", starts_from=("aa",))), (), "stage 'b' starts from ['aa'], no earlier stages"),
        ((_stage("a", starts_from=("a",)), _stage("b")), (), "stage 'a' starts from ['a'], no earlier stages"),
        ((_stage("a", starts_from=("b",)), _stage("b")), (), "stage 'a' starts from ['b'], no earlier stages"),
        ((_stage("a"), _stage("b")), ("a", "c"), "the run ends with the mean of ['c'], no stages of it"),
    ],
)
def test_stages_that_are_not_there_are_named(stages, average, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Recipe(stages, average=average)


@pytest.mark.parametrize(
    ("networks", "settings", "said"),
    [
        ((B4, LITE2), {}, "a run ends with efficientnet_b4"),
        ((LITE2,), {}, "a run ends with efficientnet_b4"),
        ((LITE2, B4, LITE2, B4), {}, "nothing smaller comes after it"),
        ((LITE2, LITE2, B4), {"average": ("a",)}, "a run ends with efficientnet_b4"),
        ((LITE2, B4, B4), {"average": ("a", "b")}, "weights of different networks have no mean"),
    ],
)
def test_b4_comes_last(networks, settings, said):
    stages = tuple(_stage(name, network=network) for name, network in zip("abcd", networks, strict=False))
    with pytest.raises(ValueError, match=said):
        Recipe(stages, **settings)


def test_only_the_small_network_turns_its_activations():
    with pytest.raises(ValueError, match="stage 'a' trains efficientnet_b4, which has Swish already"):
        _stage("a", to_swish=True)


@pytest.mark.parametrize("settings", [{"thumbnails": True}, {"thumbnail_share": 0.2}])
def test_a_teacher_answers_no_thumbnails(settings):
    with pytest.raises(ValueError, match="stage 'a' has thumbnails, which are too small for a teacher"):
        _stage("a", teacher_share=0.5, **settings)


def test_a_recipe_comes_back_as_it_was_written():
    recipe = Recipe((_stage("a"), _stage("b", starts_from=("a",))), average=("a", "b"))
    assert from_dict(dataclasses.asdict(recipe)) == recipe


def test_every_recipe_has_its_row_in_the_readme_and_no_other_has():
    text = Path(configs.__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    table = text[text.index("| recipe | what |") :].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(configs.names())
