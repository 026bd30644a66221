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


def test_b4_grows_from_a_small_network_that_has_turned_to_swish():
    stages = (_stage("a", network=LITE2, to_swish=True), _stage("b", network=LITE2), _stage("c"))
    assert Recipe(stages).stages == stages
    with pytest.raises(ValueError, match="no stage turns efficientnet_lite2 to the Swish of efficientnet_b4"):
        Recipe((_stage("a", network=LITE2), _stage("b")))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "efficientnet_lite"}, "stage 'a' trains efficientnet_lite, which is neither"),
        ({"teacher_share": 1.5}, "stage 'a' learns a share of 1.5 from its teacher"),
        ({"teacher_share": -0.1}, "stage 'a' learns a share of -0.1 from its teacher"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        _stage("a", **settings)


def test_a_teacher_is_asked_only_where_the_loss_balances_as_its_own_did():
    stages = (_stage("a", teacher_share=0.5),)
    assert Recipe(stages, logit_adjustment=True).is_taught
    with pytest.raises(ValueError, match="balance the loss"):
        Recipe(stages)


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
