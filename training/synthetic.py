"""Generated pictures in the official layout: round spots on skin colours, a colour for each class.

They let the smoke recipe and the tests run where no real image is. They say nothing about skin.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter

from model_store.classes import CODES

_SKIN = (224, 180, 150)


def picture(rng: np.random.Generator, label: int, side_px: int = 256) -> Image.Image:
    """Draw one: a blurred spot whose hue tells the class, RGB, side_px square."""
    skin = tuple(int(channel + rng.integers(-20, 20)) for channel in _SKIN)
    image = Image.new("RGB", (side_px, side_px), skin)
    hue = Image.new("HSV", (1, 1), (label * 32, 150, int(rng.integers(70, 130)))).convert("RGB").getpixel((0, 0))
    radius = rng.uniform(0.15, 0.3, 2) * side_px
    centre = side_px / 2 + rng.uniform(-0.05, 0.05, 2) * side_px
    ImageDraw.Draw(image).ellipse([*(centre - radius), *(centre + radius)], fill=hue)
    image = image.filter(ImageFilter.GaussianBlur(side_px / 100))
    # Coarse mottling of its own for each picture: without it they would be near-duplicates of each other.
    mottling = rng.normal(0, 14, (6, 6, 3)).clip(-40, 40) + 40
    mottling = Image.fromarray(mottling.astype(np.uint8)).resize((side_px, side_px), Image.Resampling.BICUBIC)
    image = Image.fromarray((np.asarray(image).astype(int) + np.asarray(mottling) - 40).clip(0, 255).astype(np.uint8))
    noise = rng.normal(0, 4, (side_px, side_px, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def write_isic(folder: Path, per_class: int) -> Path:
    """Write a data set in the official ISIC 2019 layout, two images a lesion; returns the folder.

    One more row than images: a missing image is normal. What an earlier call wrote into the folder is left alone, so
    that nothing that was made of it has to be made again.
    """
    metadata = folder / "ISIC_2019_Training_Metadata.csv"
    if metadata.exists():  # written last
        return folder
    rng = np.random.default_rng(0)
    images = folder / "ISIC_2019_Training_Input"
    images.mkdir(parents=True, exist_ok=True)
    labels = np.repeat(np.arange(len(CODES)), per_class)
    names = [f"ISIC_{i:07d}" for i in range(len(labels) + 1)]
    for name, label in zip(names, labels, strict=False):
        picture(rng, int(label)).save(images / f"{name}.jpg", quality=90)
    labels = np.append(labels, CODES.index("NV"))
    truth = pd.DataFrame(np.eye(len(CODES))[labels], columns=CODES).assign(UNK=0.0)
    truth.insert(0, "image", names)
    truth.to_csv(folder / "ISIC_2019_Training_GroundTruth.csv", index=False)
    count = len(names)
    pd.DataFrame(
        {
            "image": names,
            "age_approx": rng.integers(4, 18, count) * 5,
            "anatom_site_general": rng.choice(["anterior torso", "head/neck", "lower extremity"], count),
            "lesion_id": [f"HAM_{i // 2:07d}" for i in range(count)],
            "sex": rng.choice(["male", "female"], count),
        }
    ).to_csv(metadata, index=False)
    return folder
