import shutil

from model_store.preprocessing import InputSpec
from training import dataset, prepare


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
