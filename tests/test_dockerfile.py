"""No Docker engine is needed to see that the image is built from what is there, and well."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HADOLINT = Path(sys.executable).with_name("hadolint")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def copied_from_the_project() -> list[str]:
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    return [name for names in lines if not names[0].startswith("--from") for name in names]


def test_hadolint_finds_nothing_to_say():
    result = subprocess.run([HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_everything_copied_exists_and_is_let_through_by_the_ignore_file():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied_from_the_project()) == allowed
    assert [name for name in allowed if not (ROOT / name).exists()] == []


def test_neither_training_nor_tests_go_into_the_image():
    assert not {"training", "tests", ".", "requirements-dev.txt", "requirements-training.txt"} & set(
        copied_from_the_project()
    )


def test_the_image_serves_as_an_ordinary_user_and_can_be_asked_for_its_health():
    assert "\nUSER 10001\n" in DOCKERFILE
    assert "\nHEALTHCHECK " in DOCKERFILE


def test_nothing_that_installs_goes_into_the_image():
    assert "RUN python -m venv /uv " in DOCKERFILE
    assert "venv --without-pip /venv" in DOCKERFILE
    assert [line for line in DOCKERFILE.splitlines() if line.startswith("COPY --from")] == [
        "COPY --from=build /venv /venv"
    ]
