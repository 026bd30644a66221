import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_store.bundle import MODEL
from model_store.engines import cache
from model_store.errors import EngineError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def warm(tiny_bundle, engine_options, tmp_path):
    """A cache of our own that holds the tiny network."""
    folder = cache.get(tiny_bundle / MODEL, engine_options.cache)
    shutil.copytree(folder, tmp_path / "cache" / folder.name)
    return tmp_path / "cache"


@pytest.fixture
def no_conversion(monkeypatch):
    """Any attempt to convert fails the test."""

    def refuse(*_):
        raise AssertionError("converted again")

    monkeypatch.setattr(cache, "_convert", refuse)


def test_a_warm_cache_is_used_as_it_is_even_where_nothing_can_be_written(tiny_bundle, warm, no_conversion):
    before = {path: path.stat().st_mtime_ns for path in warm.rglob("*")}
    assert cache.get(tiny_bundle / MODEL, warm) == cache.folder_for(tiny_bundle / MODEL, warm)
    assert {path: path.stat().st_mtime_ns for path in warm.rglob("*")} == before


def test_another_network_and_another_runtime_have_their_own_folders(tiny_bundle, tmp_path, monkeypatch):
    (tmp_path / "other.keras").write_bytes(b"another network")
    here = cache.folder_for(tiny_bundle / MODEL, tmp_path)
    assert cache.folder_for(tmp_path / "other.keras", tmp_path) != here
    monkeypatch.setattr(cache.importlib.metadata, "version", lambda _: "2099.1.0")
    assert cache.folder_for(tiny_bundle / MODEL, tmp_path) != here


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: damage(folder / "network.bin"),
        lambda folder: (folder / "network.xml").unlink(),
        lambda folder: (folder / cache.SUMS).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / cache.SUMS).write_text(""),
    ],
    ids=["changed", "missing", "sums unreadable", "sums empty"],
)
def test_a_damaged_folder_is_built_again_and_the_log_says_so(tiny_bundle, warm, monkeypatch, caplog, harm):
    folder = cache.folder_for(tiny_bundle / MODEL, warm)
    sound = shutil.copytree(folder, warm.parent / "sound")
    monkeypatch.setattr(cache, "_convert", lambda _, draft: shutil.copytree(
        sound, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(cache.SUMS)))  # fmt: skip
    harm(folder)
    with caplog.at_level(logging.WARNING):
        assert cache.get(tiny_bundle / MODEL, warm) == folder
    assert cache.is_whole(folder)
    assert "is damaged: it is built again" in caplog.text
    assert [path.name for path in warm.iterdir() if path.name.startswith(".")] == []


def test_a_build_that_fails_leaves_nothing_behind_and_says_why(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not a network")
    with pytest.raises(EngineError) as caught:
        cache.get(tmp_path / "model.keras", tmp_path / "cache")
    assert caught.value.code == "conversion_failed"
    assert "model_unreadable" in str(caught.value.__cause__)
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_a_place_that_cannot_be_written_is_said(tiny_bundle, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EngineError) as caught:
        cache.get(tiny_bundle / MODEL, tmp_path / "file")
    assert caught.value.code == "conversion_failed"
    assert isinstance(caught.value.__cause__, OSError)


def test_of_servers_that_start_together_one_builds_and_all_use_it(tiny_bundle, warm, tmp_path):
    """Real processes; the conversion is replaced by a slow copy that counts itself."""
    sound = cache.folder_for(tiny_bundle / MODEL, warm)
    program = f"""
import os, shutil, sys, time
from pathlib import Path
from model_store.engines import cache
def convert(_, draft):
    Path({str(tmp_path)!r}, f"built-by-{{os.getpid()}}").touch()
    time.sleep(1)
    for name in ("network.xml", "network.bin"):
        shutil.copy(Path({str(sound)!r}, name), draft)
cache._convert = convert
print(cache.is_whole(cache.get(Path({str(tiny_bundle / MODEL)!r}), Path({str(tmp_path / "new")!r}))))
"""
    servers = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [server.communicate(timeout=120)[0].strip() for server in servers] == ["True"] * 3
    assert len([name for name in os.listdir(tmp_path) if name.startswith("built-by-")]) == 1
