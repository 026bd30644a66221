"""`make fuzz`, shortened: damaged photos go through the whole site, and the measuring measures."""

import io
import subprocess
import sys

import pytest
from PIL import Image

from app.problems import PROBLEMS
from tests.app.conftest import WATCH, classifier, encode, make_app, send  # noqa: F401 (two are fixtures)
from tests.fuzz import decoding
from tests.fuzz.__main__ import LIMIT_MB, LIMIT_S
from tests.fuzz.filled import UPLOAD_BYTES
from tests.fuzz.inputs import FILLED_EVERY, LARGE_EVERY, LARGE_SMOOTH, large, make, originals

INPUTS = 300


@pytest.mark.filterwarnings("ignore")  # decoders warn of what is broken; the site's log is watched elsewhere
def test_a_damaged_photo_is_answered_or_refused_and_never_a_mistake_of_ours(make_app):  # noqa: F811
    client = make_app(answering=WATCH, rate_limit="").test_client()
    refusals = {problem.status for code, problem in PROBLEMS.items() if code.endswith(("image", "format", "large"))}
    for number in range(INPUTS):
        kind, data = make(number)
        answer = send(client, data, name=f"number {number}.{kind.lower()}")
        assert answer.status_code in {200, *refusals}, (number, kind, answer.status_code)


def test_the_same_number_gives_the_same_damage_and_another_seed_another():
    assert make(7) == make(7)
    assert make(7) != make(7, seed=1)
    assert {make(number)[0] for number in range(len(originals()))} == set(originals())


def test_a_few_are_as_large_as_those_of_phones():
    assert [make(number)[0] for number in range(LARGE_EVERY - 2, LARGE_EVERY + 1)].count("large JPEG") == 1
    assert Image.open(io.BytesIO(large("large JPEG"))).size == (4000, 3000)


@pytest.mark.parametrize("number", range(FILLED_EVERY - 2, INPUTS, FILLED_EVERY))
def test_a_file_filled_with_one_part_is_read_or_refused_within_the_limits(number):
    assert 0.95 * UPLOAD_BYTES < len(make(number)[1]) <= UPLOAD_BYTES
    outcome = decoding.look(number, 0)
    assert outcome.kind == f"filled {list(originals())[number // FILLED_EVERY]}"
    assert not outcome.defect
    assert outcome.seconds < LIMIT_S
    assert outcome.megabytes < LIMIT_MB


@pytest.mark.parametrize("kind", LARGE_SMOOTH)
def test_a_photo_of_tens_of_megapixels_in_a_small_file_is_read_within_the_limit_of_memory(monkeypatch, kind):
    data = large(kind)
    assert len(data) < 2_000_000
    monkeypatch.setattr(decoding, "make", lambda number, seed: (kind, data))
    outcome = decoding.look(0, 0)
    assert outcome.said == "read"
    assert outcome.megabytes < LIMIT_MB


def test_memory_and_time_of_a_large_photo_are_seen(monkeypatch):
    large = encode(Image.effect_noise((5000, 5000), 10).convert("RGB"), "PNG", compress_level=1)
    monkeypatch.setattr(decoding, "make", lambda number, seed: ("PNG", large))
    outcome = decoding.look(0, 0)
    assert outcome.said == "read"
    assert outcome.megabytes > 90  # 25 megapixels of 4 bytes
    assert outcome.seconds > 0.05


def test_an_error_that_is_no_refusal_is_a_defect(monkeypatch):
    def fail(data):
        raise IndexError("a mistake")

    monkeypatch.setattr(decoding, "open_photo", fail)
    assert decoding.look(0, 0).defect


def test_the_command_prints_a_table_and_its_verdict():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", "30"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(kind in done.stdout for kind in originals())
    assert "Every one was read or refused" in done.stdout
