"""Progressive B4 for two CPU cores: thumbnails at 84 px, then 128 and 160 px, then by turns 192 and 224 px.

Expected: on 512 validation images, after each stage, the losses and balanced accuracies in the model card of bundle
          2.2.1; the mean of the last seven is better than the last alone (one run, no spread known).
Cost:     7.5 hours of two busy cores (`minutes` in history.csv, added up over the stages).
Command:  python -m training reproduce --config progressive --data DIR --weights PATH
"""

import dataclasses

from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage

MILD = Augmentation(
    flips=True,
    rotation=180,
    zoom=1.25,
    stretch=1.1,
    shift=0.06,
    brightness=1.2,
    contrast=1.15,
    saturation=1.2,
    tint=1.08,
    blur=0.8,
)
# Phone photos vary more in light and framing than dermoscopy does.
WIDE = Augmentation(
    flips=True,
    rotation=180,
    zoom=1.35,
    stretch=1.15,
    shift=0.08,
    brightness=1.3,
    contrast=1.25,
    saturation=1.3,
    tint=1.12,
    blur=1.0,
)
MIXED = dataclasses.replace(WIDE, mixup=0.4)

RECIPE = Recipe(
    stages=(
        # All labelled images there are, the rare classes above all; the framing of thumbnails differs by class,
        # so that this stage only shapes the features.
        Stage(
            "thumbnails",
            84,
            epochs=2,
            batch_size=32,
            peak=8e-4,
            warmup=100,
            thumbnails=True,
            augmentation=MILD,
            phone_share=0.06,
        ),
        Stage("low", 128, epochs=3, batch_size=32, peak=7e-4, warmup=60, augmentation=MILD, phone_share=0.06),
        Stage("middle", 160, epochs=3, batch_size=32, peak=6e-4, warmup=60, augmentation=WIDE, phone_share=0.12),
        # The lower half of the network has learned what it can: frozen, it makes a step a third cheaper.
        Stage(
            "high",
            224,
            epochs=2,
            epoch_images=12000,
            batch_size=16,
            peak=3e-4,
            warmup=60,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        # After two epochs the loss was still falling. Smaller images than are asked about later let more of them
        # through in the same time (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
        Stage(
            "longer",
            192,
            epochs=2,
            epoch_images=12000,
            batch_size=32,
            peak=5e-4,
            warmup=100,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        Stage(
            "fine",
            224,
            epochs=1,
            batch_size=32,
            peak=2e-4,
            warmup=40,
            trainable_from="block4a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        # The loss on validation fell with every further pass, so two more cycles; each ends where its rate does, so
        # that their ends can be averaged (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima").
        Stage(
            "finer",
            224,
            epochs=2,
            batch_size=32,
            peak=4e-4,
            warmup=60,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        Stage(
            "finest",
            224,
            epochs=1,
            batch_size=32,
            peak=3e-4,
            warmup=60,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        Stage(
            "onward",
            192,
            epochs=4,
            batch_size=32,
            peak=5e-4,
            warmup=100,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        Stage(
            "final",
            224,
            epochs=1,
            batch_size=32,
            peak=2e-4,
            warmup=40,
            trainable_from="block4a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
        # By now the loss on training images fell faster than the one on validation images: mixed images cannot be
        # learnt by heart (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization").
        Stage(
            "mixed",
            192,
            epochs=3,
            batch_size=32,
            peak=5e-4,
            warmup=100,
            trainable_from="block3a",
            augmentation=MIXED,
            phone_share=0.12,
            starts_from=("fine", "finer", "finest", "onward", "final"),
        ),
        Stage(
            "unmixed",
            224,
            epochs=1,
            batch_size=32,
            peak=2e-4,
            warmup=40,
            trainable_from="block3a",
            augmentation=WIDE,
            phone_share=0.12,
        ),
    ),
    network_px=224,
    # Of the means that were tried, these seven had the smallest log loss on validation.
    average=("fine", "finer", "finest", "onward", "final", "mixed", "unmixed"),
    views=2,
    optimizer=Optimizer(weight_decay=1e-3, clip=1.0),
    class_power=0.5,
    logit_adjustment=True,
    drop_connect=0.1,
    validation_images=512,
)
