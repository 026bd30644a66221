"""Progressive B4 for two CPU cores: thumbnails at 84 px, then 128 px, then 224 px.

Cost:     see `minutes` in the run's history.csv.
Command:  python -m training reproduce --config progressive --data DIR --weights PATH
"""

from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage

RECIPE = Recipe(
    stages=(
        # All labelled images there are, the rare classes above all; the framing of thumbnails differs by class,
        # so that this stage only shapes the features.
        Stage("thumbnails", 84, epochs=2, batch_size=32, peak=8e-4, warmup=100, thumbnails=True),
        Stage("low", 128, epochs=3, batch_size=32, peak=7e-4, warmup=60),
        # Few images each, since a step costs three times that at 128 px.
        Stage("middle", 224, epochs=2, epoch_images=2560, batch_size=16, peak=4e-4, warmup=20),
        Stage("last", 224, epochs=1, epoch_images=3840, batch_size=16, peak=3e-4, warmup=20),
    ),
    # A short stage at 380 px (1,280 images) left validation clearly worse than 224 px before it: so few steps cannot
    # teach the network how large lesions look there. With more time, end with a long stage at 380 px and drop this.
    network_px=224,
    optimizer=Optimizer(weight_decay=1e-3, clip=1.0),
    augmentation=Augmentation(
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
    ),
    class_power=0.5,
    phone_share=0.06,
    logit_adjustment=True,
    drop_connect=0.1,
    validation_images=512,
)
