"""Photos drawn in code, since a real one would need its owner's licence here."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def jpeg(megapixels: float, quality: int = 90) -> bytes:
    """Draw a brown spot on skin as a camera would store it: 4 to 3, JPEG, with a sensor's noise.

    Returns:
        A file of about 0.15 MB for each megapixel; phones write more, since skin has more detail.
    """
    height = math.isqrt(round(megapixels * 1_000_000 * 3 / 4))
    width = height * 4 // 3
    image = Image.new("RGB", (width, height), (222, 178, 156))
    pen = ImageDraw.Draw(image)
    for radius, colour in ((0.24, (150, 96, 70)), (0.17, (118, 70, 50)), (0.1, (92, 52, 40))):
        r = radius * height
        pen.ellipse((width / 2 - 1.2 * r, height / 2 - r, width / 2 + 1.2 * r, height / 2 + r), fill=colour)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(height / 200)), np.float32)
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.clip(soft + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()
