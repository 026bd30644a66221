"""The examples of docs/api.md work as they stand, against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import openapi
from app.wording import IF_A_SPOT, LEVELS

TEXT = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
SITE = "http://127.0.0.1:8000"


def example(language: str, word: str) -> str:
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL) if word in code]
    return found


@pytest.fixture(scope="module")
def site(start_site, tiny_bundle):
    return start_site(SKIN_BUNDLE=str(tiny_bundle), SKIN_ENGINE="tensorflow")


@pytest.fixture
def folder(tmp_path, draw_photo):
    draw_photo(size=(800, 600)).save(tmp_path / "photo.jpg")
    (tmp_path / "not-a-photo.txt").write_text("hello")
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_the_curl_example_gets_an_answer(site, folder):
    command = example("sh", "curl").replace(SITE, site.url)
    result = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["status"], answer["source"]) == ("preliminary", "phone")


def test_the_python_example_prints_an_answer_and_what_is_wrong_with_the_other_file(site, folder):
    program = example("python", "requests").replace(SITE, site.url)
    environment = {**os.environ, "PYTHONPATH": ""}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    first, *diagnosis, last = result.stdout.splitlines()
    sentences = {str(text.heading): level.value for level, text in LEVELS.items()}
    sentences |= {str(text.heading): "cannot_judge" for text in IF_A_SPOT.values()}
    said, level = re.fullmatch(r"1 (.+\.) (urgent|soon|watch|cannot_judge)[a-z_ ]*", first).groups()
    assert sentences[said] == level
    assert [bool(re.fullmatch(r"1 [A-Z]+ [0-9.]+", line)) for line in diagnosis] == [True] * (level != "cannot_judge")
    assert last == "2 unsupported_format"


def test_every_field_of_the_advice_is_explained():
    answer = openapi.document(limit_mb=20, with_tokens=False)["components"]["schemas"]["Answer"]
    fields = answer["properties"]["advice"]["properties"]
    assert [name for name in fields if not re.search(rf"`(advice\.)?{name}`", TEXT)] == []


def test_the_command_that_makes_a_token_makes_one_with_its_hash():
    command = example("sh", "token_urlsafe").replace("python3", sys.executable)
    token, digest = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert len(token) > 40
    assert re.fullmatch("[0-9a-f]{64}", digest)
