"""Converted networks are kept in a folder, so that the slow conversion happens once.

ROOT/DIGEST-openvino-VERSION/  network.xml, network.bin, SHA256SUMS
"""

import hashlib
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from model_store.errors import EngineError

DEFAULT_ROOT = Path("~/.cache/skin-check")
SUMS = "SHA256SUMS"
BUILD_TIMEOUT_S = 600  # seconds; a busy machine takes a few minutes
_PROJECT = Path(__file__).parents[2]

logger = logging.getLogger(__name__)


def folder_for(model_path: Path, root: Path = DEFAULT_ROOT) -> Path:
    """Name the folder of a network: by its SHA-256, so that a changed one is another, and OpenVINO's version."""
    with model_path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return root.expanduser() / f"{digest[:20]}-openvino-{importlib.metadata.version('openvino')}"


def is_whole(folder: Path) -> bool:
    """Say whether a folder holds what was built, unchanged."""
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
        sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
        return bool(sums) and all(_sha256(folder / name) == digest for name, digest in sums.items())
    except (OSError, ValueError):
        return False


def get(model_path: Path, root: Path = DEFAULT_ROOT) -> Path:
    """Give the folder of a converted network; build it if it is missing or damaged.

    Servers that start together wait for the one that builds. A folder appears complete or not at all.

    Args:
        model_path: the bundle's `model.keras`.
        root: is created; must be writable only if something has to be built.

    Raises:
        EngineError: `conversion_failed`: nowhere to write, or the network cannot be converted.
    """
    folder = folder_for(model_path, root)
    if is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{folder.name}.lock", timeout=BUILD_TIMEOUT_S):
            if not is_whole(folder):  # another server may have built it meanwhile
                _build(model_path, folder)
    except OSError as error:  # a timeout of the lock is one too
        raise EngineError("conversion_failed") from error
    return folder


def _build(model_path: Path, folder: Path) -> None:
    if folder.exists():
        logger.warning("The converted network in %s is damaged: it is built again.", folder)
    logger.warning("Converting the network for OpenVINO, once; this takes up to a minute.")
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _convert(model_path, draft)
        names = sorted(path.name for path in draft.iterdir())
        (draft / SUMS).write_text("".join(f"{_sha256(draft / name)}  {name}\n" for name in names), encoding="ascii")
        draft.chmod(0o755)  # mkdtemp gives 0700, and an image is built by another user than it is run by
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _convert(model_path: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "model_store.engines.conversion", str(model_path.resolve()), str(folder.resolve())]
    try:
        subprocess.run(
            command, cwd=_PROJECT, capture_output=True, text=True, errors="replace", check=True, timeout=BUILD_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        last_line = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineError("conversion_failed") from RuntimeError(last_line)
    except subprocess.TimeoutExpired as error:
        raise EngineError("conversion_failed") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
