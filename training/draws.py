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
        log_shares: shape (8,), natural logarithm of each class's share of the draws.
    """

    def __init__(self, recipe: Recipe, number: int, data: Data) -> None:
        stage = recipe.stages[number]
        self.pixels = data.thumbnails if stage.thumbnails else data.pixels
        self.labels = data.table.label.to_numpy()
        self._seed = (recipe.seed, number)
        self._augmentation = stage.augmentation
        self._rows = _training_rows(data.table, stage)
        self._chances = sampling.draw_probabilities(data.table.loc[self._rows], recipe.class_power, stage.phone_share)
        # Whole batches: a smaller last one would be compiled anew, and perhaps not be shared out among devices.
        wanted = stage.epoch_images or len(self._rows)
        self.epoch_images = -(-wanted // stage.batch_size) * stage.batch_size
        shares = sampling.class_shares(self.labels[self._rows], self._chances)
        self.log_shares = np.log(np.maximum(shares, 1e-4))  # a class without images must not give -inf

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch: shape (epoch_images,)."""
        return self._rows[sampling.epoch(self._chances, self.epoch_images, (*self._seed, epoch))]

    def batch(self, rows: np.ndarray, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Images and drawn chance, as `augmentation.Augment` takes them, and targets: float32 (N, 8)."""
        chance = np.random.default_rng((*self._seed, epoch, step))
        drawn = augmentation.draw(chance, len(rows), self.pixels.shape[1], self._augmentation)
        targets = np.eye(len(CODES), dtype="float32")[self.labels[rows]]
        images = self.pixels[rows]
        if self._augmentation.jpeg < 100:
            images = augmentation.compress(images, chance.integers(self._augmentation.jpeg, 101, len(rows)))
        return {"images": images, **drawn}, augmentation.mix_targets(targets, drawn)


def source_shift(recipe: Recipe, table: pd.DataFrame, source: str) -> np.ndarray:
    """What keeps the logits of a source's images from the balanced posterior: shape (8,), added to them by training.

    A loss that balances takes off one log share a class for all draws, but a source has class shares of its own, and
    the network sees where an image comes from. What stays is log p(class | source) - log p(class) of the last stage's
    draws; 0 for a class that is not drawn from the source, of which nothing was learnt. Under a loss that does not
    balance log p(class) stays too; 0 for a class that is never drawn.
    """
    stage = recipe.stages[-1]
    rows = table.loc[_training_rows(table, stage)]
    its = (rows.kind == source).to_numpy()
    chances, labels = sampling.draw_probabilities(rows, recipe.class_power, stage.phone_share), rows.label.to_numpy()
    shares = sampling.class_shares(labels, chances)
    shift = np.zeros(len(CODES)) if recipe.balances else _log_ratio(shares, np.ones(len(CODES)))
    if its.any():
        shift += _log_ratio(sampling.class_shares(labels[its], chances[its] / chances[its].sum()), shares)
    return shift


def _log_ratio(shares: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.log(np.divide(shares, of, out=np.ones(len(CODES)), where=shares > 0))


def _training_rows(table: pd.DataFrame, stage: Stage) -> np.ndarray:
    kinds = {"dermoscopy"} | ({"thumbnail"} if stage.thumbnails else set())
    kinds |= {"phone"} if stage.phone_share else set()
    return np.flatnonzero((table.split == "train") & table.kind.isin(kinds))


def validation_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Row numbers of the validation images that are asked about after an epoch: dermoscopy alone."""
    rows = np.flatnonzero((table.split == "validation") & (table.kind == "dermoscopy"))
    count = recipe.validation_images
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(recipe.seed).choice(rows, count, replace=False))
