"""What the load test sends: good photos of every format and size, and files that must be refused."""

import io

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFilter


def good() -> dict[str, bytes]:
    """Drawn lesions, each another one, as phones and cameras send them."""
    return {
        "256 px JPEG": _encode(_lesion(0, (256, 256)), "JPEG"),
        "1 megapixel JPEG": _encode(_lesion(1, (1152, 864)), "JPEG"),
        "progressive JPEG": _encode(_lesion(2, (800, 600)), "JPEG", progressive=True),
        "PNG": _encode(_lesion(3, (640, 480)), "PNG"),
        "WebP": _encode(_lesion(4, (640, 480)), "WEBP"),
        "HEIC": _encode(_lesion(5, (800, 600)), "HEIF"),
        "AVIF": _encode(_lesion(6, (640, 480)), "AVIF"),
        "12 megapixels JPEG": _encode(_lesion(7, (4000, 3000)), "JPEG", quality=85),
    }


def bad() -> dict[str, bytes]:
    """Files that are no photos, or broken ones."""
    whole = _encode(_lesion(8, (640, 480)), "JPEG")
    return {
        "empty": b"",
        "text": b"this is no photo" * 100,
        "PDF": b"%PDF-1.7\n" + b"0" * 1000,
        "cut off": whole[: len(whole) // 2],
        "too small": _encode(_lesion(9, (40, 40)), "PNG"),
        "too large": _encode(Image.new("1", (60_000, 1_000)), "PNG"),
    }


def _lesion(seed: int, size: tuple[int, int]) -> Image.Image:
    generator = np.random.default_rng(seed)
    width, height = size
    image = Image.new("RGB", size, (222, 178, 156))
    pen = ImageDraw.Draw(image)
    for step, colour in enumerate([(150, 96, 70), (118, 70, 50), (92, 52, 40)]):
        x, y = width / 2 + generator.normal(0, 6), height / 2 + generator.normal(0, 6)
        radius = min(size) * generator.uniform(0.2, 0.28) * (1 - 0.28 * step)
        pen.ellipse((x - 1.2 * radius, y - radius, x + 1.2 * radius, y + radius), fill=colour)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(min(size) / 200)), dtype=float)
    return Image.fromarray(np.clip(soft + generator.normal(0, 5, (height, width, 1)), 0, 255).astype(np.uint8))


def _encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(buffer)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()
