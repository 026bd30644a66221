"""Every step of a training on a few generated images: proves that the way is open, says nothing about skin.

Cost:     a few minutes on 2 cores.
Command:  python -m training reproduce --config smoke
"""

from model_store.preprocessing import InputSpec
from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage

_AUGMENTATION = Augmentation(flips=True, rotation=180, zoom=1.2, brightness=1.2, blur=0.5)

RECIPE = Recipe(
    stages=(
        Stage("head", 32, epochs=1, batch_size=8, peak=1e-3, trainable_from="logits", augmentation=_AUGMENTATION),
        Stage(
            "whole",
            48,
            epochs=1,
            epoch_images=16,
            batch_size=8,
            peak=1e-4,
            warmup=1,
            thumbnails=True,
            augmentation=_AUGMENTATION,
        ),
    ),
    input=InputSpec(size_px=96, common_px=128),
    optimizer=Optimizer(weight_decay=1e-3, clip=1.0),
    class_power=0.5,
    logit_adjustment=True,
    early_stopping_patience=1,
    validation_images=8,
)
