"""What a recipe may say. A variant is a value here, never a subclass.

Keras is not imported here, so that recipes are read at once.
"""

from dataclasses import dataclass, field

from model_store.preprocessing import InputSpec

# The networks, by the names that `training.network` builds them with.
B4, LITE2 = "efficientnet_b4", "efficientnet_lite2"


@dataclass(frozen=True)
class Augmentation:
    """How far each draw may go; every default is "leave alone".

    Attributes:
        flips: mirror left-right and up-down, each for half of the images.
        rotation: degrees either way, uniform.
        zoom: largest factor either way, log-uniform (1.2 means 1/1.2 to 1.2).
        stretch: largest change of the aspect ratio, as `zoom`.
        shift: share of the side, either way, uniform.
        brightness, contrast, saturation: largest factor either way, log-uniform.
        tint: largest gain of each colour channel of its own, as above: the colour of light and of cameras.
        blur: up to this share of a 3x3 mean is mixed in; up to half of it is taken away (sharper) instead.
        degrade: the image loses detail as if it had been that many times smaller, at most: 1 to 4, log-uniform.
        jpeg: lowest quality of the JPEG file that each image is saved as, uniform up to 100; 100 leaves it out.
        mixup, cutmix: parameter of the Beta distribution that says how much of another image is mixed in, all over
            or in a rectangle; 0 leaves it out; with both, each image gets one of them.
    """

    flips: bool = False
    rotation: float = 0.0
    zoom: float = 1.0
    stretch: float = 1.0
    shift: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    tint: float = 1.0
    blur: float = 0.0
    degrade: float = 1.0
    jpeg: int = 100
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.degrade <= 4:
            raise ValueError(f"degrade must lie in 1 to 4, not at {self.degrade}")
        if not 1 <= self.jpeg <= 100:
            raise ValueError(f"jpeg must lie in 1 to 100, not at {self.jpeg}")


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
        augmentation: how far each draw may go; stages at a higher resolution bear more.
        phone_share: share of the draws that are phone photos; 0 leaves them out.
        thumbnail_share: share of the draws that are thumbnails, at this stage's size. Their sharpness and framing
            tell that they are none of the diagnoses of which there are no thumbnails; so they are only told from each
            other: the logarithm of their own class shares takes the place of that of the other draws in the loss.
        starts_from: names of earlier stages, whose mean weights it starts from; empty: from where the last one ended.
        network: what it trains, B4, or first the smaller LITE2 (`--weights lite2`), from
            which the next stage's B4 is grown (`net2net`).
        teacher_share: share of each target that is what the run's teacher (`--teacher`) answers to the same image; the
            rest is the label.
        to_swish: turn Lite2's activations from ReLU6 to the Swish of B4 over the first half of the stage.
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
    augmentation: Augmentation = field(default_factory=Augmentation)
    phone_share: float = 0.0
    thumbnail_share: float = 0.0
    starts_from: tuple[str, ...] = ()
    network: str = B4
    to_swish: bool = False
    teacher_share: float = 0.0

    def __post_init__(self) -> None:
        if self.network not in (B4, LITE2):
            raise ValueError(f"stage {self.name!r} trains {self.network}, which is neither {B4} nor {LITE2}")
        if not 0 <= self.teacher_share <= 1:
            raise ValueError(f"stage {self.name!r} learns a share of {self.teacher_share} from its teacher")
        if self.thumbnails and self.thumbnail_share:
            raise ValueError(f"stage {self.name!r} has thumbnails among its images already: no share of their own")
        if self.teacher_share and (self.thumbnails or self.thumbnail_share):
            raise ValueError(f"stage {self.name!r} has thumbnails, which are too small for a teacher")
        if self.to_swish and self.network != LITE2:
            raise ValueError(f"stage {self.name!r} trains {self.network}, which has Swish already")


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        seed: of the weights' head, of every draw and of every batch.
        stages: one after the other, each from the weights that the last ended with.
        input: how photos are prepared, for training and serving alike.
        network_px: side that the served network works at, pixels: its first layer brings the input to it. None: the
            input's own. Lesions must look as large as in the last stage: a network that learned at 224 px and is
            asked at 380 px is worse than one that is asked at 224 px.
        views: so often the served network looks at a photo, turned by other quarters each time, and takes the mean: 1,
            2 or 4. It costs as many times the time.
        average: names of stages; the run ends with the mean of their weights, chosen on validation after training
            (Wortsman et al. 2022, "Model soups"). Empty: with the last one's.
        class_power: an image is drawn in proportion to (images of its class) ** -class_power: 0 as they come,
            1 all classes alike.
        logit_adjustment: add the logarithm of the drawn class shares to the logits in the loss.
        class_balanced_loss: weigh the loss of an image by one over its class's share of the draws.
        label_smoothing: share of the target spread over all classes.
        precision: of the network's arithmetic in training: "float32", or "mixed_bfloat16", which is faster on a GPU.
            The weights and the loss are float32 either way.
        dropout, drop_connect: rates before the head and of whole residual branches.
        early_stopping_patience, reduce_lr_patience: epochs without a better validation loss before a stage stops,
            or its rate is divided by ten; None: never. With either, a stage ends with its best epoch's weights.
        validation_images: at most so many are used after an epoch; None: all.
    """

    stages: tuple[Stage, ...]
    seed: int = 0
    input: InputSpec = field(default_factory=InputSpec)
    network_px: int | None = None
    views: int = 1
    average: tuple[str, ...] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    class_power: float = 0.0
    logit_adjustment: bool = False
    class_balanced_loss: bool = False
    label_smoothing: float = 0.0
    precision: str = "float32"
    dropout: float = 0.2
    drop_connect: float = 0.2
    early_stopping_patience: int | None = None
    reduce_lr_patience: int | None = None
    validation_images: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError at once rather than hours later, where a stage is to start from one that is not there."""
        if self.class_balanced_loss and any(stage.thumbnail_share for stage in self.stages):
            raise ValueError("thumbnail_share takes its own class shares off the logits: not with class_balanced_loss")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages of one name write the same weights file: {names}")
        for number, stage in enumerate(self.stages):
            if unknown := set(stage.starts_from) - set(names[:number]):
                raise ValueError(f"stage {stage.name!r} starts from {sorted(unknown)}, no earlier stages")
        if unknown := set(self.average) - set(names):
            raise ValueError(f"the run ends with the mean of {sorted(unknown)}, no stages of it")
        if self.is_taught and not self.balances:
            raise ValueError("a teacher answers as if all diagnoses were equally common: balance the loss, as it did")
        self._check_networks()

    def _check_networks(self) -> None:
        trained = {stage.name: stage.network for stage in self.stages}
        for names in (self.average, *(stage.starts_from for stage in self.stages)):
            if len({trained[name] for name in names}) > 1:
                raise ValueError(f"weights of different networks have no mean: {names}")
        first_b4 = list(trained.values()).index(B4) if B4 in trained.values() else len(trained)
        if set(list(trained.values())[first_b4:]) != {B4} or any(trained[name] != B4 for name in self.average):
            raise ValueError(f"a run ends with {B4}, and nothing smaller comes after it")
        if first_b4 and not any(stage.to_swish for stage in self.stages):
            raise ValueError(f"no stage turns {LITE2} to the Swish of {B4}, which is grown from it: set its to_swish")

    @property
    def is_taught(self) -> bool:
        """Whether some stage learns from a teacher beside the labels."""
        return any(stage.teacher_share for stage in self.stages)

    @property
    def balances(self) -> bool:
        """Whether the loss makes up for how often each class is drawn, so that the logits hold no class shares."""
        return self.logit_adjustment or self.class_balanced_loss

    @property
    def keeps_best(self) -> bool:
        """Whether a stage ends with the weights of its best epoch rather than its last."""
        return self.early_stopping_patience is not None or self.reduce_lr_patience is not None


def from_dict(fields: dict) -> Recipe:
    """A recipe from what `dataclasses.asdict` gave, perhaps before some field was added: that one has its default.

    Raises:
        ValueError: a field is unknown or was one that every recipe needs.
    """
    try:
        stages = tuple(
            Stage(
                **{
                    **stage,
                    "augmentation": Augmentation(**stage["augmentation"]),
                    "starts_from": tuple(stage.get("starts_from", ())),
                }
            )
            for stage in fields["stages"]
        )
        parts = {"input": InputSpec(**fields["input"]), "optimizer": Optimizer(**fields["optimizer"])}
        average = tuple(fields.get("average", ()))
        return Recipe(**{**fields, "stages": stages, "average": average, **parts})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a recipe of this version: {error}") from error
