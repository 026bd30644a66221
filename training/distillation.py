"""What a finished network answers, learnt beside the labels: it says how alike the diagnoses look in an image.

Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network". That teacher and student see the
same augmented image, mixed ones among them, is from Beyer et al. 2022, "Knowledge distillation: A good teacher is
patient and consistent".
"""

import keras
import numpy as np

from training import augmentation, network, starting_weights
from training.configs.recipe import Recipe
from training.draws import Draws
from training.prepare import Data


class TaughtDraws(Draws):
    """The draws of a stage with a `teacher_share`: so much of each target is the teacher's answer.

    Args:
        teacher: a finished B4 with its head, trained with a balancing loss like this recipe's; see
            `starting_weights.load`. It works at the stage's size.

    Raises:
        TrainingError: there is no such network.
    """

    def __init__(self, recipe: Recipe, number: int, data: Data, teacher: str) -> None:
        super().__init__(recipe, number, data)
        stage = recipe.stages[number]
        self._share = stage.teacher_share
        answering = network.build(stage.size_px)
        starting_weights.load(answering, teacher)
        inputs = augmentation.inputs(self.pixels.shape[1], stage.augmentation)
        logits = answering(augmentation.Augment(stage.size_px)(inputs), training=False)
        if recipe.logit_adjustment:  # as the student's loss does
            logits = logits + self.log_shares.astype("float32")
        self._teacher = keras.Model(inputs, keras.ops.softmax(logits))
        self._teacher.compile(jit_compile=keras.backend.backend() == "jax")

    def batch(self, rows: np.ndarray, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """As `Draws.batch`."""
        inputs, targets = super().batch(rows, epoch, step)
        taught = self._teacher.predict_on_batch(inputs)
        return inputs, (1 - self._share) * targets + self._share * taught
