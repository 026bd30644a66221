"""Which images a stage sees, and what each of its steps sees of them."""

import numpy as np
import pandas as pd

from model_store.classes import CODES
from training import augmentation, sampling
from training.configs.recipe import Recipe, Stage
from training.prepare import Data


class Draws:
    """The images of a stage, and what each of its steps sees: a function of seed, stage, epoch and step.

    Attributes:
        pixels: shape (N, S, S, 3), uint8.
        labels: shape (N,), int.
        epoch_images: drawn for an epoch, whole batches.
        log_shares: shape (8,), natural logarithm of each class's share of the draws, those of `thumbnail_share` aside.
    """

    def __init__(self, recipe: Recipe, number: int, data: Data) -> None:
        stage = recipe.stages[number]
        self.pixels = data.thumbnails if stage.thumbnails else data.pixels
        self.labels = data.table.label.to_numpy()
        self._seed = (recipe.seed, number)
        self._augmentation = stage.augmentation
        self._rows = _training_rows(data.table, stage)
        rows = data.table.loc[self._rows]
        self._chances = _chances(rows, recipe, stage)
        # Whole batches: a smaller last one would be compiled anew, and perhaps not be shared out among devices.
        wanted = stage.epoch_images or len(self._rows)
        self.epoch_images = -(-wanted // stage.batch_size) * stage.batch_size
        apart = _apart(rows, stage)
        self.log_shares = _log_shares(rows.label[~apart], self._chances[~apart])
        self._offsets = np.zeros((len(data.table), len(CODES)), "float32") if stage.thumbnail_share else None
        if apart.any():
            self._offsets[self._rows[apart]] = _log_shares(rows.label[apart], self._chances[apart]) - self.log_shares

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch: shape (epoch_images,)."""
        return self._rows[sampling.epoch(self._chances, self.epoch_images, (*self._seed, epoch))]

    def batch(self, rows: np.ndarray, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What a network that `fit.compiled` compiled is given, and targets: float32 (N, 8).

        That is images and drawn chance, as `augmentation.Augment` takes them, and with `thumbnail_share` what is added
        to the logits: "offset", float32 (N, 8).
        """
        chance = np.random.default_rng((*self._seed, epoch, step))
        drawn = augmentation.draw(chance, len(rows), self.pixels.shape[1], self._augmentation)
        targets = np.eye(len(CODES), dtype="float32")[self.labels[rows]]
        images = self.pixels[rows]
        if self._augmentation.jpeg < 100:
            images = augmentation.compress(images, chance.integers(self._augmentation.jpeg, 101, len(rows)))
        inputs = {"images": images, **drawn}
        if self._offsets is not None:
            inputs["offset"] = augmentation.mix_targets(self._offsets[rows], drawn)
        return inputs, augmentation.mix_targets(targets, drawn)


def source_shift(recipe: Recipe, table: pd.DataFrame, source: str) -> np.ndarray:
    """What keeps the logits of a source's images from the balanced posterior: shape (8,), added to them by training.

    A loss that balances takes off one log share a class for all draws, but a source has class shares of its own, and
    the network sees where an image comes from. What stays is log p(class | source) - log p(class) of the last stage's
    draws; 0 for a class that is not drawn from the source, of which nothing was learnt. Under a loss that does not
    balance log p(class) stays too; 0 for a class that is never drawn.
    """
    stage = recipe.stages[-1]
    rows = table.loc[_training_rows(table, stage)]
    chances = _chances(rows, recipe, stage)
    compared = ~_apart(rows, stage)
    rows, chances = rows[compared], chances[compared] / chances[compared].sum()
    its = (rows.kind == source).to_numpy()
    labels = rows.label.to_numpy()
    shares = sampling.class_shares(labels, chances)
    shift = np.zeros(len(CODES)) if recipe.balances else _log_ratio(shares, np.ones(len(CODES)))
    if its.any():
        shift += _log_ratio(sampling.class_shares(labels[its], chances[its] / chances[its].sum()), shares)
    return shift


def _log_ratio(shares: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.log(np.divide(shares, of, out=np.ones(len(CODES)), where=shares > 0))


def _training_rows(table: pd.DataFrame, stage: Stage) -> np.ndarray:
    kinds = {"dermoscopy"} | ({"thumbnail"} if stage.thumbnails or stage.thumbnail_share else set())
    kinds |= {"phone"} if stage.phone_share else set()
    return np.flatnonzero((table.split == "train") & table.kind.isin(kinds))


def _chances(rows: pd.DataFrame, recipe: Recipe, stage: Stage) -> np.ndarray:
    shares = {"phone": stage.phone_share, "thumbnail": stage.thumbnail_share}
    return sampling.draw_probabilities(
        rows, recipe.class_power, {kind: share for kind, share in shares.items() if share}
    )


def _apart(rows: pd.DataFrame, stage: Stage) -> np.ndarray:
    """Which of these images are compared with each other alone: shape (N,), bool."""
    return (rows.kind == "thumbnail").to_numpy() & (stage.thumbnail_share > 0)


def _log_shares(labels: pd.Series, chances: np.ndarray) -> np.ndarray:
    shares = sampling.class_shares(labels.to_numpy(), chances / chances.sum())
    return np.log(np.maximum(shares, 1e-4))  # a class without images must not give -inf


def validation_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Row numbers of the validation images that are asked about after an epoch: dermoscopy alone."""
    rows = np.flatnonzero((table.split == "validation") & (table.kind == "dermoscopy"))
    count = recipe.validation_images
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(recipe.seed).choice(rows, count, replace=False))
