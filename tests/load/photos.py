"""What the load test sends: good photos of every format and size, and files that must be refused."""

from PIL import Image

from benchmarks.photos import encode, lesion


def good() -> dict[str, bytes]:
    """Lesions, each another one, as phones and cameras send them."""
    return {
        "256 px JPEG": encode(lesion(0, (256, 256)), "JPEG"),
        "1 megapixel JPEG": encode(lesion(1, (1152, 864)), "JPEG"),
        "progressive JPEG": encode(lesion(2, (800, 600)), "JPEG", progressive=True),
        "PNG": encode(lesion(3, (640, 480)), "PNG"),
        "WebP": encode(lesion(4, (640, 480)), "WEBP"),
        "HEIC": encode(lesion(5, (800, 600)), "HEIF"),
        "AVIF": encode(lesion(6, (640, 480)), "AVIF"),
        "12 megapixels JPEG": encode(lesion(7, (4000, 3000)), "JPEG", quality=85),
    }


def bad() -> dict[str, bytes]:
    """Files that are no photos, or broken ones."""
    whole = encode(lesion(8, (640, 480)), "JPEG")
    return {
        "empty": b"",
        "text": b"this is no photo" * 100,
        "PDF": b"%PDF-1.7\n" + b"0" * 1000,
        "cut off": whole[: len(whole) // 2],
        "too small": encode(lesion(9, (40, 40)), "PNG"),
        "too large": encode(Image.new("1", (60_000, 1_000)), "PNG"),
    }
