import keras
import numpy as np
import pytest

from training.augmentation import Augment, draw
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
