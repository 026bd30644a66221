"""The original recipe: a new head on ImageNet weights, then the whole network with Adam 1e-4 ("fine-tuning v1").

Expected: the original work reported 0.6582 accuracy on its own split; not run by us, so no spread.
Cost:     not measured. Every image passes the whole network at 380 px, so take a GPU.
Command:  python -m training reproduce --config original --data DIR --weights imagenet
"""

from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage

_FLIPS = Augmentation(flips=True)
_MOMENTUM = 0.99  # Keras's own

RECIPE = Recipe(
    stages=(
        Stage(
            "head",
            380,
            epochs=10,
            batch_size=32,
            peak=1e-3,
            trainable_from="logits",
            batch_norm_momentum=_MOMENTUM,
            augmentation=_FLIPS,
        ),
        Stage(
            "fine_tuning_v1",
            380,
            epochs=50,
            batch_size=16,
            peak=1e-4,
            batch_norm_momentum=_MOMENTUM,
            augmentation=_FLIPS,
        ),
    ),
    optimizer=Optimizer(beta_1=0.9, beta_2=0.999, epsilon=1e-7),
    early_stopping_patience=5,
    reduce_lr_patience=2,
)
