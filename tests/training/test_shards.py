"""The data arrive on the other machine as they were, in pieces that it takes."""

import shutil
import tarfile

import pytest

from training import dataset, shards
from training.errors import TrainingError


@pytest.fixture
def folder(isic_folder, tmp_path):
    return shutil.copytree(isic_folder, tmp_path / "data")


def unpack(shard, into):
    with tarfile.open(shard) as archive:
        archive.extractall(into, filter="data")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_unpacked_they_are_the_folder_again_and_none_is_larger_than_asked_for(folder, tmp_path):
    packed = shards.pack(folder, tmp_path / "shards", megabytes=1)
    assert len(packed) >= 3
    assert all(shard.stat().st_size <= 10**6 for shard in packed)
    for shard in packed:
        unpack(shard, tmp_path / "there")
    assert contents(tmp_path / "there") == contents(folder)


def test_the_first_alone_can_be_trained_on_and_holds_a_part_of_every_class(folder, tmp_path):
    first, *_ = shards.pack(folder, tmp_path / "shards", megabytes=1)
    unpack(first, tmp_path / "there")
    table, whole = dataset.read(tmp_path / "there"), dataset.read(folder)
    assert 0 < len(table) < len(whole)
    assert set(table.label) == set(whole.label)


def test_a_second_call_gives_the_same_bytes_and_leaves_no_shard_of_the_first(folder, tmp_path):
    first = {path.name: path.read_bytes() for path in shards.pack(folder, tmp_path / "shards", megabytes=1)}
    for path in folder.rglob("*.csv"):
        path.touch()
    shards.pack(folder, tmp_path / "shards", megabytes=50)
    shards.pack(folder, tmp_path / "again", megabytes=1)
    assert len(list((tmp_path / "shards").iterdir())) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


def test_a_folder_inside_the_data_and_a_file_too_large_for_any_shard_are_refused(folder, tmp_path):
    with pytest.raises(TrainingError, match="inside"):
        shards.pack(folder, folder / "shards", megabytes=1)
    (folder / "large.csv").write_bytes(bytes(10**6))
    with pytest.raises(TrainingError, match="alone is larger"):
        shards.pack(folder, tmp_path / "shards", megabytes=1)
