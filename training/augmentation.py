"""Augmentation: chance is drawn on the host in numpy, the arithmetic (but for JPEG) runs on the device in keras.ops.

So a step's images depend on the seed and the step alone, whatever the backend and however often a run was killed.
"""

import io

import keras
import numpy as np
from keras import ops
from PIL import Image

from training.configs.recipe import Augmentation

_GREY = np.full((3, 3), 1 / 3)
_MID = 127.5


def draw(rng: np.random.Generator, count: int, side_px: int, spec: Augmentation) -> dict[str, np.ndarray]:
    """Draw the parameters for a batch.

    Args:
        rng: source of chance.
        count: N images.
        side_px: side of the images that `Augment` will get, pixels.
        spec: how far to go.

    Returns:
        transform: float32 (N, 8), projective, from output to input pixel coordinates.
        colour: float32 (N, 4, 3), RGB and 1 to RGB, in [0, 255].
        blur: float32 (N, 1, 1, 1), the share of a 3x3 mean; negative sharpens.
        levels: float32 (N, 3), only with `degrade`: shares of the image at full, half and quarter size.
        partner, mixed, box: only with `mixup` or `cutmix`: int32 (N,), the image that is mixed in; float32 (N,), how
            much of it; float32 (N, 4), where: top, left, bottom and right as shares of the side.
    """
    drawn = {
        "transform": _transforms(rng, count, side_px, spec),
        "colour": _colours(rng, count, spec),
        "blur": rng.uniform(-spec.blur / 2, spec.blur, (count, 1, 1, 1)).astype("float32"),
    }
    if spec.degrade > 1:
        drawn["levels"] = _levels(rng, count, spec)
    if spec.mixup or spec.cutmix:
        drawn |= _mixes(rng, count, spec)
    return drawn


def inputs(side_px: int, spec: Augmentation) -> dict[str, keras.KerasTensor]:
    """Keras inputs for what `Augment` gets: images of this side, pixels, and what `draw` draws for the spec."""
    drawn = draw(np.random.default_rng(0), 1, side_px, spec)
    images = {"images": keras.Input((side_px, side_px, 3), dtype="uint8", name="images")}
    return images | {
        name: keras.Input(array.shape[1:], dtype=str(array.dtype), name=name) for name, array in drawn.items()
    }


def compress(images: np.ndarray, qualities: np.ndarray) -> np.ndarray:
    """What is left of images (N, S, S, 3), uint8, after JPEG files of these qualities (N,), int; on the host."""
    out = np.empty_like(images)
    for i, (image, quality) in enumerate(zip(images, qualities, strict=True)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=int(quality))
        out[i] = np.asarray(Image.open(file))
    return out


def mix_targets(targets: np.ndarray, drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Mix one-hot targets, float32 (N, 8), in the proportion of the images' areas that `draw` drew."""
    if "partner" not in drawn:
        return targets
    top, left, bottom, right = drawn["box"].T
    share = (drawn["mixed"] * (bottom - top) * (right - left))[:, None]
    return (1 - share) * targets + share * targets[drawn["partner"]]


@keras.saving.register_keras_serializable("training")
class Augment(keras.layers.Layer):
    """Apply what `draw` drew, then resize.

    Call arguments: a dict with "images" (N, S, S, 3) uint8 and the arrays of `draw`.
    Output shape: (N, size_px, size_px, 3), float32 in [0, 255].
    """

    def __init__(self, size_px: int, **kwargs) -> None:
        super().__init__(trainable=False, **kwargs)
        self.size_px = size_px

    def call(self, inputs):
        images = ops.cast(inputs["images"], "float32")
        images = ops.image.affine_transform(
            images, inputs["transform"], interpolation="bilinear", fill_mode="reflect", data_format="channels_last"
        )
        images = ops.image.resize(
            images, (self.size_px, self.size_px), interpolation="bilinear", antialias=True, data_format="channels_last"
        )
        if "levels" in inputs:
            images = _degrade(images, inputs["levels"])
        blurred = ops.average_pool(images, 3, strides=1, padding="same", data_format="channels_last")
        images = images + inputs["blur"] * (blurred - images)
        colour = inputs["colour"]
        images = ops.einsum("nhwc,ncd->nhwd", images, colour[:, :3]) + colour[:, None, 3:]
        images = ops.clip(images, 0.0, 255.0)
        return _mix(images, inputs) if "partner" in inputs else images

    def compute_output_shape(self, input_shape):
        return (input_shape["images"][0], self.size_px, self.size_px, 3)

    def get_config(self):
        return {**super().get_config(), "size_px": self.size_px}


def _degrade(images, levels):
    """Blend each image with its halves and quarters, brought back to size: a mipmap's trilinear filter.

    Source: Williams 1983, "Pyramidal parametrics".
    """
    side = images.shape[1]
    versions = [images]
    for part in (2, 4):
        small = ops.image.resize(
            images, (max(side // part, 1),) * 2, interpolation="bilinear", antialias=True, data_format="channels_last"
        )
        back = ops.image.resize(small, (side, side), interpolation="bilinear", data_format="channels_last")
        versions.append(back)
    return sum(levels[:, k, None, None, None] * version for k, version in enumerate(versions))


def _mix(images, inputs):
    """Put a share of each image's partner into its box."""
    side = images.shape[1]
    centres = (ops.arange(side, dtype="float32") + 0.5) / side
    top, left, bottom, right = (inputs["box"][:, k, None] for k in range(4))
    rows = ops.cast(ops.logical_and(centres >= top, centres < bottom), "float32")
    columns = ops.cast(ops.logical_and(centres >= left, centres < right), "float32")
    share = (inputs["mixed"][:, None, None] * rows[:, :, None] * columns[:, None, :])[..., None]
    return images + share * (ops.take(images, inputs["partner"], axis=0) - images)


def _levels(rng: np.random.Generator, count: int, spec: Augmentation) -> np.ndarray:
    level = rng.uniform(0, np.log2(spec.degrade), count)  # 1 is half the size, 2 a quarter
    return np.maximum(1 - np.abs(level[:, None] - np.arange(3)), 0).astype("float32")


def _mixes(rng: np.random.Generator, count: int, spec: Augmentation) -> dict[str, np.ndarray]:
    """Source: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix", equation 2 for the box."""
    in_box = rng.uniform(size=count) < (0.5 if spec.mixup and spec.cutmix else float(spec.cutmix > 0))
    # The smaller share: the image's own label stays the first.
    share = [rng.beta(alpha, alpha, count) if alpha else np.zeros(count) for alpha in (spec.mixup, spec.cutmix)]
    share = np.minimum(share, 1 - np.array(share))
    half = np.sqrt(share[1])[:, None] / 2
    centre = rng.uniform(half, 1 - half, (count, 2))
    box = np.where(in_box[:, None], np.concatenate([centre - half, centre + half], axis=1), (0.0, 0.0, 1.0, 1.0))
    return {
        "partner": rng.permutation(count).astype("int32"),
        "mixed": np.where(in_box, 1.0, share[0]).astype("float32"),
        "box": box.astype("float32"),
    }


def _factor(rng: np.random.Generator, largest: float, shape: int | tuple[int, ...]) -> np.ndarray:
    return np.exp(rng.uniform(-1, 1, shape) * np.log(largest))


def _transforms(rng: np.random.Generator, count: int, side_px: int, spec: Augmentation) -> np.ndarray:
    angle = np.deg2rad(rng.uniform(-spec.rotation, spec.rotation, count))
    zoom, stretch = _factor(rng, spec.zoom, count), np.sqrt(_factor(rng, spec.stretch, count))
    mirror = rng.choice([-1.0, 1.0], (count, 2)) if spec.flips else np.ones((count, 2))
    x_scale, y_scale = mirror[:, 0] * stretch / zoom, mirror[:, 1] / stretch / zoom
    matrix = np.empty((count, 2, 2))
    matrix[:, 0, 0], matrix[:, 0, 1] = np.cos(angle) * x_scale, -np.sin(angle) * y_scale
    matrix[:, 1, 0], matrix[:, 1, 1] = np.sin(angle) * x_scale, np.cos(angle) * y_scale
    centre = np.full(2, (side_px - 1) / 2)
    offset = centre - matrix @ centre + rng.uniform(-spec.shift, spec.shift, (count, 2)) * side_px
    rows = np.concatenate([matrix, offset[:, :, None]], axis=2).reshape(count, 6)
    return np.concatenate([rows, np.zeros((count, 2))], axis=1).astype("float32")


def _colours(rng: np.random.Generator, count: int, spec: Augmentation) -> np.ndarray:
    gain = _factor(rng, spec.brightness, (count, 1)) * _factor(rng, spec.tint, (count, 3))
    contrast = _factor(rng, spec.contrast, (count, 1, 1))
    saturation = _factor(rng, spec.saturation, (count, 1, 1))
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * _GREY) * gain[:, None, :]
    offset = np.broadcast_to(_MID * (1 - contrast), (count, 1, 3))
    return np.concatenate([matrix, offset], axis=1).astype("float32")
