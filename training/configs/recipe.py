"""What a recipe may say. A variant is a value here, never a subclass."""

from dataclasses import dataclass, field

from model_store.preprocessing import InputSpec
from training.augmentation import Augmentation


@dataclass(frozen=True)
class Optimizer:
    """Adam, or AdamW where `weight_decay` is above 0.

    `clip` limits the norm of each step's whole gradient; `ema` is the momentum of the averaged weights that a stage
    ends with. None leaves either out.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    clip: float | None = None
    ema: float | None = None


@dataclass(frozen=True)
class Stage:
    """A part of a run with a resolution, a learning rate and a trainable part of its own.

    Attributes:
        name: also the name of its weights file.
        size_px: side of the images in this stage, pixels.
        epochs: at most so many; an epoch ends with a validation.
        epoch_images: images drawn for an epoch; None: as many as there are.
        batch_size: images a step.
        peak: highest learning rate.
        warmup: steps of linear warm-up before the cosine; None: a constant rate.
        trainable_from: "all", or the first layer (by the start of its name) that learns; "logits" is the head alone.
        thumbnails: train at the size of the thumbnails, with them: every image is degraded alike.
        batch_norm_momentum: of the moving statistics; short stages need less than Keras's 0.99.
    """

    name: str
    size_px: int
    epochs: int
    batch_size: int
    peak: float
    epoch_images: int | None = None
    warmup: int | None = None
    trainable_from: str = "all"
    thumbnails: bool = False
    batch_norm_momentum: float = 0.95


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        seed: of the weights' head, of every draw and of every batch.
        stages: one after the other, each from the weights that the last ended with.
        class_power: an image is drawn in proportion to (images of its class) ** -class_power: 0 as they come,
            1 all classes alike.
        phone_share: share of the draws that are phone photos; 0 leaves them out.
        logit_adjustment: add the logarithm of the drawn class shares to the logits in the loss.
        label_smoothing: share of the target spread over all classes.
        dropout, drop_connect: rates before the head and of whole residual branches.
        early_stopping_patience, reduce_lr_patience: epochs without a better validation loss before a stage stops,
            or its rate is divided by ten; None: never. With either, a stage ends with its best epoch's weights.
        validation_images: at most so many are used after an epoch; None: all.
    """

    stages: tuple[Stage, ...]
    seed: int = 0
    input: InputSpec = field(default_factory=InputSpec)
    optimizer: Optimizer = field(default_factory=Optimizer)
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_power: float = 0.0
    phone_share: float = 0.0
    logit_adjustment: bool = False
    label_smoothing: float = 0.0
    dropout: float = 0.2
    drop_connect: float = 0.2
    early_stopping_patience: int | None = None
    reduce_lr_patience: int | None = None
    validation_images: int | None = None
