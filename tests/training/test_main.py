"""What is wrong with a command is said in one sentence, before anything is prepared or trained."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from training import ablation, arguments, commands, prepare, studies, synthetic
from training.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return synthetic.write_isic(tmp_path / "data", per_class=1)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train --config original --weights typo.h5", "--weights: there is no file typo.h5"),
        ("train --config original --weights run/stage.weights.npz", "no file run/stage.weights.npz"),
        ("reproduce --config original --weights bundle/model.keras", "no file bundle/model.keras"),
        ("train --config grown --weights lite2", "name one by --teacher"),
        ("train --config grown --weights lite2 --teacher typo.keras", "--teacher: there is no file typo.keras"),
        ("train --config grown --weights lite2 --teacher data/README.md", "README.md lacks the last layer"),
        ("reproduce --config original --teacher data/README.md", "no stage of this recipe learns from one"),
        ("train --config grown --teacher data/README.md", "begins with efficientnet_lite2: --weights lite2"),
        ("ablation --weights typo.npz", "--weights: there is no file typo.npz"),
        ("probe --weights typo.h5", "--weights: there is no file typo.h5"),
        ("int8 --model typo", "--model: there is no file typo"),
        ("probe --readme typo.md", "typo.md is no document with the lines <!-- probe: begin -->"),
        ("ablation --weights random --readme data/README.md", "data/README.md is no document with the lines"),
        ("reproduce --config original --version 1.0", "no bundle can be called efficientnet_b4_isic2019 1.0: "),
        ("export --config original --name Our-Model", "no bundle can be called Our-Model 0.0.1: "),
        ("pack --out data/shards", "data/shards lies inside data: it would be packed too; take a folder elsewhere"),
    ],
)
def test_a_wrong_argument_is_said_in_one_sentence_and_nothing_is_begun(folder, monkeypatch, capsys, command, said):
    monkeypatch.chdir(folder.parent)
    (folder / "README.md").write_text("no table here\n")
    assert main([*command.split(), "--data", "data"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert [path.name for path in folder.parent.iterdir()] == ["data"]


@pytest.mark.parametrize(
    "command",
    ["train --config smoke --devices 0", "ablation --weights random --steps 0", "bench --steps -1",
     "pack --megabytes 0", "probe --per-class 0", "ablation --weights random --seeds none"],
)  # fmt: skip
def test_what_is_counted_is_counted_from_1_on(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    assert "not a number from 1 on" in capsys.readouterr().err


def test_a_table_that_nothing_was_measured_for_changes_no_document(folder, tmp_path, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text(text := "<!-- ablation: begin -->\nbefore\n<!-- ablation: end -->\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "run", lambda *_: None)
    monkeypatch.setattr(ablation, "run", lambda *_, **__: pd.DataFrame())
    assert main(["ablation", "--data", str(folder), "--weights", "random", "--readme", str(readme)]) == 0
    assert readme.read_text() == text


def test_every_step_and_study_that_may_be_asked_for_is_done_and_no_other():
    assert {"prepare", "reproduce", *commands._STEPS} == arguments.STEPS.keys()
    assert {*studies._OF_FILES, *studies._OF_DATA} == arguments.STUDIES.keys()


# Trains where nothing can be imported of what our requirements name but the packages given.
_ON_ANOTHER_MACHINE = """
import re, sys
from importlib.metadata import packages_distributions
from pathlib import Path

there, folder = set(sys.argv[1].split()), sys.argv[2]
named = {
    re.split("[=<>;[ ]", line)[0]
    for file in ("requirements.in", "requirements-training.in")
    for line in Path(file).read_text().splitlines()
    if line and line[0] not in "#-"
}
missing = {
    module for module, names in packages_distributions().items()
    if all(name.lower().replace("_", "-") in named - there for name in names)
}
assert "tensorflow" in missing

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"the machine with the GPU has no {name}")

sys.meta_path.insert(0, Missing())
sys.path.insert(0, "tests/training")
from conftest import build_small_network
from training import network
from training.__main__ import main
network.build = build_small_network
folders = ["--data", sys.argv[3], "--cache", f"{folder}/cache", "--run", f"{folder}/run"]
sys.exit(main(["train", "--config", "smoke", *folders]))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_the_packages_that_the_readme_names_are_enough_to_train_elsewhere(isic_folder, tmp_path):
    text = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
    there = re.search(r"<!-- there: begin -->(.*)<!-- there: end -->", text, re.DOTALL)[1].replace(",", " ")
    program = [sys.executable, "-c", _ON_ANOTHER_MACHINE, there, str(tmp_path), str(isic_folder)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    run = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "run" / "whole.weights.npz").exists()
