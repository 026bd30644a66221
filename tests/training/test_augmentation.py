import keras
import numpy as np
import pytest

from training import synthetic
from training.augmentation import Augment, compress, draw, mix_targets
from training.configs.recipe import Augmentation

_EVERYTHING = Augmentation(True, 180, 1.3, 1.2, 0.1, 1.3, 1.3, 1.3, 1.1, 1.0)


def _apply(images, drawn, size_px):
    return keras.ops.convert_to_numpy(Augment(size_px)({"images": images, **drawn}))


def test_nothing_allowed_changes_nothing(data, rng):
    images = np.asarray(data.pixels[:4])
    out = _apply(images, draw(rng, 4, 64, Augmentation()), 64)
    np.testing.assert_allclose(out, images, atol=1e-3)


def test_a_flip_mirrors_the_image(data):
    images = np.asarray(data.pixels[:1])
    seen = set()
    for seed in range(16):
        out = _apply(images, draw(np.random.default_rng(seed), 1, 64, Augmentation(flips=True)), 64)[0]
        mirrored = [images[0, ::v, ::h] for v in (1, -1) for h in (1, -1)]
        distances = [np.abs(out - m).max() for m in mirrored]
        assert min(distances) < 1e-2
        seen.add(int(np.argmin(distances)))
    assert seen == {0, 1, 2, 3}


def test_the_result_has_the_wanted_size_and_range(data, rng):
    images = np.asarray(data.pixels[:8])
    out = _apply(images, draw(rng, 8, 64, _EVERYTHING), 48)
    assert out.shape == (8, 48, 48, 3)
    assert out.min() >= 0
    assert out.max() <= 255
    assert np.isfinite(out).all()


def test_the_same_draw_gives_the_same_images_and_draws_stay_in_their_limits():
    first, second = (draw(np.random.default_rng(3), 500, 64, _EVERYTHING) for _ in "ab")
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert first["blur"].min() >= -0.5
    assert first["blur"].max() <= 1.0
    # The area that an output pixel covers is 1 / zoom²: stretch and rotation leave it alone.
    matrix = first["transform"][:, [0, 1, 3, 4]].reshape(-1, 2, 2)
    assert np.abs(np.log(np.abs(np.linalg.det(matrix)))).max() <= 2 * np.log(1.3) + 1e-5


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "tint"])
def test_colour_draws_leave_grey_images_grey_but_for_the_tint(name, rng):
    grey = np.full((4, 8, 8, 3), 120, np.uint8)
    out = _apply(grey, draw(rng, 4, 8, Augmentation(**{name: 1.5})), 8)
    spread = np.ptp(out, axis=-1).max()
    assert (spread > 1) == (name == "tint")


def _detail(images):
    return np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2, 3))


def test_degraded_images_keep_their_colours_and_lose_detail_as_far_as_drawn(rng):
    images = rng.integers(0, 256, (64, 32, 32, 3)).astype(np.uint8)
    drawn = draw(rng, 64, 32, Augmentation(degrade=4.0))
    np.testing.assert_allclose(drawn["levels"].sum(axis=1), 1, rtol=1e-6)
    out = _apply(images, drawn, 32)
    np.testing.assert_allclose(out.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=3)
    assert (_detail(out) <= _detail(images) + 1e-3).all()
    assert np.corrcoef(_detail(out), drawn["levels"] @ [0, 1, 2])[0, 1] < -0.8
    alone = draw(rng, 64, 32, Augmentation(degrade=1.01))
    np.testing.assert_allclose(_apply(images, alone, 32), images, atol=5)


def test_a_degradation_beyond_a_quarter_is_refused():
    with pytest.raises(ValueError, match="1 to 4"):
        Augmentation(degrade=5)


def test_after_jpeg_an_image_differs_less_from_a_file_of_it(rng):
    images = np.stack([np.asarray(synthetic.picture(rng, label, 64)) for label in range(4)])
    files = compress(images, np.full(4, 95))
    lossy, lossy_files = (compress(each, np.full(4, 30)).astype(int) for each in (images, files))
    assert 0 < np.abs(lossy - lossy_files).mean() < np.abs(images.astype(int) - files).mean()
    assert np.abs(lossy - images).mean() > np.abs(files.astype(int) - images).mean()


def test_a_quality_that_no_jpeg_has_is_refused():
    with pytest.raises(ValueError, match="1 to 100"):
        Augmentation(jpeg=0)


@pytest.mark.parametrize("spec", [Augmentation(mixup=0.4), Augmentation(cutmix=1.0), Augmentation(mixup=1, cutmix=1)])
def test_images_and_targets_are_mixed_in_the_same_proportion(spec, rng):
    # Image k is all k: what comes out says how much of whom is in it.
    images = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None, None] * 30, (8, 64, 64, 3))
    drawn = draw(rng, 8, 64, spec)
    out = _apply(images, drawn, 64).mean(axis=(1, 2, 3)) / 30
    targets = mix_targets(np.eye(8, dtype="float32"), drawn)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(out, targets @ np.arange(8), atol=0.25)
    assert (np.diag(targets) >= 0.5 - 1e-6).all()
    assert np.abs(targets - np.eye(8)).max() > 0.05


def test_cutmix_leaves_every_pixel_to_one_image_and_mixup_does_not(rng):
    images = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None, None] * 30, (8, 64, 64, 3))
    cut = _apply(images, draw(rng, 8, 64, Augmentation(cutmix=1.0)), 64)
    np.testing.assert_allclose(cut % 30, 0, atol=1e-3)
    mixed = _apply(images, draw(rng, 8, 64, Augmentation(mixup=1.0)), 64)
    assert (np.ptp(mixed, axis=(1, 2)) < 1e-3).all()


def test_without_mixing_targets_stay_as_they_are(rng):
    targets = np.eye(8, dtype="float32")
    assert mix_targets(targets, draw(rng, 8, 16, _EVERYTHING)) is targets
