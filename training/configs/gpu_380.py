"""The GPU recipe: the whole network at 380 px from the first step, strong augmentation, averaged weights.

Expected: not yet run: no figure, no spread.
Cost:     not yet run: no figure. TensorFlow on two CPU cores would need weeks.
Command:  KERAS_BACKEND=jax python -m training train --config gpu_380 --data DIR --weights PATH
          (more than one GPU: --devices N)
          Where a command may last ten minutes: --minutes 9, and the same command again. README.md says what to bring.
          Where only small files leave the machine: there `tar -cz runs/gpu_380 | split -b 15M - run_`, and here
          `cat run_* | tar -xz`. Of a finished run that is 66 MB. One that still trains has its checkpoint there, which
          also holds the optimizer and is far larger, and goes on from it anywhere. Whoever has too little time for
          that lowers `epochs` before the first call: the rate must come to its end.
"""

from training.configs.recipe import Augmentation, Optimizer, Recipe, Stage

_STRONG = Augmentation(
    flips=True,
    rotation=180,
    zoom=1.4,
    stretch=1.2,
    shift=0.1,
    brightness=1.35,
    contrast=1.3,
    saturation=1.4,
    tint=1.15,
    blur=1.0,
    degrade=3.0,
    mixup=0.2,
    cutmix=1.0,
)

RECIPE = Recipe(
    stages=(
        Stage(
            "full",
            380,
            epochs=30,
            batch_size=64,
            peak=5e-4,
            warmup=300,
            batch_norm_momentum=0.99,
            augmentation=_STRONG,
            phone_share=0.1,
        ),
    ),
    optimizer=Optimizer(weight_decay=2e-2, clip=1.0, ema=0.999),
    class_power=0.5,
    logit_adjustment=True,
    label_smoothing=0.1,
    precision="mixed_bfloat16",
    drop_connect=0.2,
)
