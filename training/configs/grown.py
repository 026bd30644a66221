"""B4 grown from a small network that was trained first: EfficientNet-Lite2 at 84 to 192 px, then B4 at 192 and 224 px.

Expected: on 512 validation images, after each stage, the losses and balanced accuracies in the history of the model
          card; the mean of the last two is better than the last alone (one run, no spread known).
Cost:     3.1 hours of two busy cores (`minutes` in history.csv, added up over the stages).
Command:  python -m training reproduce --config grown --data DIR --weights lite2 --teacher BUNDLE/model.keras
"""

from training.configs.progressive import MILD, MIXED, WIDE
from training.configs.recipe import LITE2, Optimizer, Recipe, Stage

_SMALL = {"network": LITE2, "batch_size": 32}
_WIDE = {"phone_share": 0.12, "warmup": 60, "augmentation": WIDE}
_B4 = {"batch_size": 32, "trainable_from": "block3a", "phone_share": 0.12, "teacher_share": 0.5}

RECIPE = Recipe(
    stages=(
        # All labelled images there are, the rare classes above all; and Lite2's activations become those of B4.
        Stage(
            "thumbnails",
            84,
            epochs=3,
            peak=1e-3,
            warmup=100,
            thumbnails=True,
            augmentation=MILD,
            phone_share=0.06,
            to_swish=True,
            **_SMALL,
        ),
        Stage("low", 128, epochs=3, peak=8e-4, warmup=60, augmentation=MILD, phone_share=0.12, **_SMALL),
        Stage("middle", 160, epochs=3, peak=7e-4, trainable_from="block2a", **_SMALL, **_WIDE),
        Stage("high", 192, epochs=2, peak=5e-4, trainable_from="block3a", **_SMALL, **_WIDE),
        # From here on B4. It begins with what Lite2 knows; from block3a on the new blocks and gates learn, and those
        # before it stay silent. And it learns from the network of an earlier bundle, which began elsewhere and errs
        # elsewhere.
        Stage("grown", 192, epochs=1, peak=3e-4, warmup=100, augmentation=WIDE, **_B4),
        Stage("fine", 224, epochs=1, peak=3e-4, warmup=60, augmentation=WIDE, **_B4),
        Stage("mixed", 224, epochs=1, peak=4e-4, warmup=60, augmentation=MIXED, **_B4),
        Stage("finer", 224, epochs=1, peak=2e-4, warmup=60, augmentation=WIDE, **_B4),
    ),
    network_px=224,
    views=2,
    average=("mixed", "finer"),
    optimizer=Optimizer(weight_decay=1e-3, clip=1.0),
    class_power=0.5,
    logit_adjustment=True,
    drop_connect=0.1,
    validation_images=512,
)
