import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from model_store.preprocessing import InputSpec
from training import dataset, prepare, splits
from training.errors import TrainingError

SPEC = InputSpec(size_px=64, common_px=64)


def test_a_file_that_was_mended_gets_a_side_and_the_others_keep_theirs_until_then(isic_folder, tmp_path):
    folder, spec = shutil.copytree(isic_folder, tmp_path / "isic"), InputSpec(size_px=64, common_px=64)
    broken = next((folder / dataset.INPUT_FOLDER).glob("*.jpg"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:500])  # say it was still being unpacked
    first, again = (prepare.run(folder, spec, tmp_path / "cache").table.set_index("image").split for _ in range(2))
    assert first[broken.stem] == "unreadable"
    assert again.equals(first)
    broken.write_bytes(whole)
    mended = prepare.run(folder, spec, tmp_path / "cache").table.set_index("image").split
    assert "unreadable" not in set(mended)
    assert mended.equals(prepare.run(folder, spec, tmp_path / "cache").table.set_index("image").split)


def _file_on(side, folder, cache):
    """A photo that stands on this side of the split in the cache."""
    split = pd.read_csv(cache / "split_seed0.csv")
    return folder / dataset.INPUT_FOLDER / f"{split.image[split.split == side].iloc[0]}.jpg"


def test_a_photo_replaced_by_one_of_another_side_is_noticed(isic_folder, tmp_path):
    folder, cache = shutil.copytree(isic_folder, tmp_path / "isic"), tmp_path / "cache"
    prepare.run(folder, SPEC, cache)
    shutil.copyfile(_file_on("train", folder, cache), _file_on("test", folder, cache))
    for _ in range(2):  # a second call must not take it for settled
        with pytest.raises(
            TrainingError, match="near-duplicate pair stands on two sides since .* were changed; delete"
        ):
            prepare.run(folder, SPEC, cache)
    (cache / "split_seed0.csv").unlink()
    assert len(pd.read_csv(cache / "near_duplicates.csv")) == 1
    prepare.run(folder, SPEC, cache)


def test_a_photo_replaced_by_a_new_one_keeps_the_split_and_is_counted(isic_folder, tmp_path):
    folder, cache = shutil.copytree(isic_folder, tmp_path / "isic"), tmp_path / "cache"
    before = prepare.run(folder, SPEC, cache).table.split
    squares = json.loads((cache / prepare.COUNTS).read_text())["square"]
    file = _file_on("test", folder, cache)
    Image.open(file).rotate(90).crop((0, 20, 256, 200)).save(file)
    assert prepare.run(folder, SPEC, cache).table.split.equals(before)
    assert json.loads((cache / prepare.COUNTS).read_text())["square"] == squares - 1


def test_a_square_frame_of_bcn20000_is_no_crop(isic_folder, tmp_path):
    folder = shutil.copytree(isic_folder, tmp_path / "isic")
    for file, size in zip((folder / dataset.INPUT_FOLDER).glob("*.jpg"), [(1024, 1024), (600, 450)], strict=False):
        Image.open(file).resize(size).save(file)
    data = prepare.run(folder, SPEC, tmp_path / "cache")
    assert json.loads((tmp_path / "cache" / prepare.COUNTS).read_text())["square"] == len(data.table) - 2


def test_a_split_that_was_brought_along_is_taken_as_it_is(isic_folder, tmp_path, monkeypatch):
    """Another machine's libraries may split otherwise, and then the run would be refused here."""
    ours = prepare.run(isic_folder, SPEC, tmp_path / "here").table
    sides = ours.split.map({"test": "validation", "validation": "test"}).fillna(ours.split)
    (tmp_path / "there").mkdir()
    pd.DataFrame({"image": ours.image, "split": sides}).to_csv(tmp_path / "there" / "split_seed0.csv", index=False)
    monkeypatch.setattr(splits, "near_duplicates", lambda images: pytest.fail("searched"))
    there = prepare.run(isic_folder, SPEC, tmp_path / "there").table
    np.testing.assert_array_equal(there.split, sides)


def test_one_unreadable_file_does_not_bring_all_others_into_memory(isic_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(isic_folder, tmp_path / "isic")
    next((folder / dataset.INPUT_FOLDER).glob("*.jpg")).write_bytes(b"no photo")
    search = splits.near_duplicates

    def one_by_one(images):
        assert not isinstance(images, np.ndarray)
        return search(images)

    monkeypatch.setattr(splits, "near_duplicates", one_by_one)
    prepare.run(folder, SPEC, tmp_path / "cache")
