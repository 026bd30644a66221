import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from model_store.classifier import Classifier
from model_store.images import open_photo
from model_store.preprocessing import InputSpec, prepare, to_input
from training import pixels, synthetic


def test_training_and_serving_make_the_same_array_of_an_image_bit_for_bit(tmp_path, rng):
    spec = InputSpec()
    paths = []
    for i, size in enumerate([(256, 256), (640, 480), (333, 512)]):
        path = tmp_path / f"{i}.jpg"
        synthetic.picture(rng, i, 640).resize(size).save(path)
        paths.append(str(path))
    stored, files = pixels.build(paths, spec, tmp_path / "cache")
    assert files.all()
    for path, common in zip(paths, stored, strict=True):
        served = prepare(open_photo(Path(path).read_bytes()).rgb, spec)
        np.testing.assert_array_equal(to_input(common, spec), served)


def test_the_site_classifier_prepares_as_training_does(tiny_bundle, tmp_path, rng):
    classifier = Classifier.load(tiny_bundle)
    stream = io.BytesIO()
    synthetic.picture(rng, 3, 500).save(stream, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(stream.getvalue())
    stored, _ = pixels.build([str(path)], classifier.bundle.input, tmp_path / "cache")
    served = classifier.prepare(open_photo(stream.getvalue()))
    np.testing.assert_array_equal(to_input(stored[0], classifier.bundle.input), served)


def test_an_unreadable_file_is_said_and_leaves_zeros(tmp_path, rng):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    synthetic.picture(rng, 0).save(good)
    bad.write_bytes(good.read_bytes()[:500])
    stored, files = pixels.build([str(good), str(bad)], InputSpec(common_px=64), tmp_path / "cache")
    assert (files > 0).tolist() == [True, False]
    assert stored[0].any()
    assert not stored[1].any()


def test_a_file_that_was_mended_is_read_by_the_next_call(tmp_path, rng):
    path = tmp_path / "late.jpg"
    synthetic.picture(rng, 0).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:500])  # say it was still being unpacked
    _, files = pixels.build([str(path)], InputSpec(common_px=64), tmp_path / "cache")
    assert not files.any()
    path.write_bytes(whole)
    stored, files = pixels.build([str(path)], InputSpec(common_px=64), tmp_path / "cache")
    assert files.all()
    assert stored.any()


def test_a_photo_that_was_replaced_under_its_name_is_decoded_again_and_no_other(tmp_path, rng, monkeypatch):
    paths = [tmp_path / name for name in ("replaced.png", "older.png", "damaged.png", "same.png")]
    names, spec = [str(path) for path in paths], InputSpec(common_px=64)
    for i, path in enumerate(paths):
        synthetic.picture(rng, i).save(path)
    before, files = pixels.build(names, spec, tmp_path / "cache")
    before, decode, decoded = np.array(before), pixels.open_photo, []
    synthetic.picture(rng, 5).save(paths[0])
    synthetic.picture(rng, 6).save(paths[1])
    os.utime(paths[1], (0, 0))  # as an archive may give it
    paths[2].write_bytes(b"no photo")
    monkeypatch.setattr(pixels, "open_photo", lambda content: decoded.append(1) or decode(content))
    after, files_after = pixels.build(names, spec, tmp_path / "cache")
    assert len(decoded) == 3
    assert (after != before).any(axis=(1, 2, 3)).tolist() == [True, True, True, False]
    assert not after[2].any()
    assert (files_after > 0).tolist() == [True, True, False, True]
    assert (files_after != files).tolist() == [True, True, True, False]


def test_a_second_call_decodes_only_what_is_missing(tmp_path, rng):
    path = tmp_path / "a.jpg"
    synthetic.picture(rng, 0).save(path)
    first, _ = pixels.build([str(path)], InputSpec(common_px=64), tmp_path / "cache")
    kept = np.array(first)
    path.unlink()
    again, files = pixels.build([str(path)], InputSpec(common_px=64), tmp_path / "cache")
    assert files.all()
    np.testing.assert_array_equal(again, kept)


def test_images_are_stored_at_the_common_resolution(tmp_path, rng):
    path = tmp_path / "a.png"
    synthetic.picture(rng, 0, 300).save(path)
    stored, _ = pixels.build([str(path)], InputSpec(common_px=100), tmp_path / "cache")
    assert stored.shape == (1, 100, 100, 3)
    assert np.asarray(Image.fromarray(stored[0])).dtype == np.uint8
