import numpy as np
import pandas as pd
import pytest

from training import sampling


def _rows(**counts):
    parts = [
        pd.DataFrame({"label": [label] * n, "kind": kind})
        for (kind, label), n in {tuple(k.split("_")): v for k, v in counts.items()}.items()
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(label=rows.label.astype(int))


@pytest.mark.parametrize(("power", "shares"), [(0.0, [0.8, 0.2]), (1.0, [0.5, 0.5]), (0.5, [2 / 3, 1 / 3])])
def test_class_power_goes_from_images_as_they_come_to_all_classes_alike(power, shares):
    rows = _rows(dermoscopy_0=80, dermoscopy_1=20)
    chances = sampling.draw_probabilities(rows, power, {"phone": 0.3})
    assert sampling.class_shares(rows.label.to_numpy(), chances)[:2].tolist() == pytest.approx(shares)


def test_phone_photos_get_their_share_of_the_draws():
    rows = _rows(dermoscopy_0=90, phone_0=5, phone_1=5)
    chances = sampling.draw_probabilities(rows, 0.5, {"phone": 0.25})
    assert chances[90:].sum() == pytest.approx(0.25)
    assert chances.sum() == pytest.approx(1.0)


def test_the_share_of_a_kind_without_images_goes_to_all_others():
    rows = _rows(dermoscopy_0=4, phone_0=4)
    chances = sampling.draw_probabilities(rows, 0.5, {"phone": 0.2, "thumbnail": 0.5})
    assert chances.reshape(2, 4).sum(axis=1).tolist() == pytest.approx([0.6, 0.4])
    assert sampling.draw_probabilities(rows[4:], 0.5, {"phone": 0.2}).tolist() == pytest.approx([0.25] * 4)


def test_equal_chances_show_each_image_once_an_epoch():
    order = sampling.epoch(np.full(100, 0.01), 100, (0, 1))
    assert sorted(order) == list(range(100))


def test_an_epoch_draws_each_image_about_as_often_as_its_chance_says():
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    counts = np.bincount(sampling.epoch(chances, 1000, (0,)), minlength=4)
    assert np.abs(counts - 1000 * chances).max() <= 1


def test_an_epoch_depends_on_its_seed_alone():
    chances = np.full(50, 0.02)
    first, again, other = (sampling.epoch(chances, 50, seed) for seed in [(0, 1), (0, 1), (0, 2)])
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
