"""Pictures that are no lesions, as people upload them by mistake: photos that packages ship, and drawn ones.

Half of the pictures choose the out-of-distribution score and its probe; the other half, of other motifs and in part of
other kinds altogether, only measures. No photo of a person's skin lesion is among them.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# (package, file inside it, kind). Each photo gives itself and a few crops.
_CHOOSING_PHOTOS = (
    ("skimage", "data/astronaut.png", "face"),
    ("skimage", "data/camera.png", "person"),
    ("skimage", "data/motorcycle_left.png", "thing"),
    ("skimage", "data/rocket.jpg", "thing"),
    ("skimage", "data/coins.png", "thing"),
    ("skimage", "data/clock_motion.png", "thing"),
    ("skimage", "data/brick.png", "material"),
    ("skimage", "data/gravel.png", "material"),
    ("skimage", "data/page.png", "text"),
    ("skimage", "data/retina.jpg", "other medical picture"),
    ("skimage", "data/hubble_deep_field.jpg", "sky"),
    ("sklearn", "datasets/images/flower.jpg", "plant"),
    ("foolbox", "data/imagenet_02_438.jpg", "thing"),
    ("foolbox", "data/imagenet_03_990.jpg", "plant"),
    ("foolbox", "data/imagenet_04_949.jpg", "food"),
    ("foolbox", "data/imagenet_05_853.jpg", "landscape"),
    ("foolbox", "data/imagenet_07_609.jpg", "thing"),
    ("foolbox", "data/imagenet_08_915.jpg", "landscape"),
    ("foolbox", "data/imagenet_10_541.jpg", "thing"),
    ("foolbox", "data/imagenet_12_741.jpg", "material"),
    ("foolbox", "data/imagenet_14_129.jpg", "bird"),
    ("foolbox", "data/imagenet_16_251.jpg", "pet"),
    ("foolbox", "data/imagenet_17_22.jpg", "bird"),
)
_MEASURING_PHOTOS = (
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "face"),
    ("mahotas", "demos/data/luispedro.jpg", "face"),
    ("skimage", "data/chelsea.png", "pet"),
    ("skimage", "data/coffee.png", "food"),
    ("mahotas", "demos/data/DepartmentStore.jpg", "street"),
    ("sklearn", "datasets/images/china.jpg", "landscape"),
    ("skimage", "data/grass.png", "plant"),
    ("skimage", "data/text.png", "text"),
    ("skimage", "data/ihc.png", "other medical picture"),
    ("skimage", "data/moon.png", "sky"),
    ("skimage", "data/color.png", "drawing"),
    ("skimage", "data/logo.png", "drawing"),
    ("foolbox", "data/imagenet_00_243.jpg", "pet"),
    ("foolbox", "data/imagenet_01_559.jpg", "thing"),
    ("foolbox", "data/imagenet_06_609.jpg", "thing"),
    ("foolbox", "data/imagenet_09_455.jpg", "thing"),
    ("foolbox", "data/imagenet_11_630.jpg", "thing"),
    ("foolbox", "data/imagenet_13_471.jpg", "thing"),
    ("foolbox", "data/imagenet_15_99.jpg", "bird"),
    ("foolbox", "data/imagenet_18_317.jpg", "insect"),
    ("foolbox", "data/imagenet_19_305.jpg", "insect"),
)
_CROPS = 11
_DRAWN = 12  # of each kind, for choosing and again for measuring
_SKINS = ((255, 224, 196), (234, 192, 160), (198, 144, 112), (150, 98, 70), (96, 60, 44), (238, 180, 168))


@dataclass(frozen=True)
class Stranger:
    """One picture: `kind` in words, `motif` tells pictures of one origin, `rgb` uint8 (H, W, 3); drawn or a photo."""

    kind: str
    motif: str
    rgb: np.ndarray
    drawn: bool = False


def choosing() -> list[Stranger]:
    """The pictures that the score and the probe may learn from."""
    return [*_crops(_CHOOSING_PHOTOS), *_small_faces(slice(0, 50)), *_drawn(0)]


def measuring() -> list[Stranger]:
    """The pictures that only measure: no photo, no face and no drawing of `choosing` is among them."""
    return [*_crops(_MEASURING_PHOTOS), *_small_faces(slice(50, 100)), *_drawn(1)]


def _crops(photos: tuple) -> Iterator[Stranger]:
    for package, name, kind in photos:
        with Image.open(_folder(package) / name) as image:
            whole = image.convert("RGB")
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        yield Stranger(kind, name, np.asarray(whole))
        for _ in range(_CROPS):
            side = int(min(whole.size) * rng.uniform(0.4, 1.0))
            left, top = (int(rng.integers(0, extent - side + 1)) for extent in whole.size)
            crop = whole.crop((left, top, left + side, top + side))
            if rng.random() < 0.5:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            yield Stranger(kind, name, np.asarray(crop.resize((512, 512), Image.Resampling.BICUBIC)))


def _folder(package: str) -> Path:
    """Where a package's files lie; importing it could need more than its pictures do."""
    return Path(find_spec(package).origin).parent


def _small_faces(which: slice) -> Iterator[Stranger]:
    """Sheets of four of the 25-pixel faces that scikit-image ships (the first 100 of the file are faces)."""
    faces = np.load(_folder("skimage") / "data" / "lfw_subset.npy")[:100][which]
    for sheet in range(0, len(faces) - 3, 4):
        four = np.vstack([np.hstack(faces[sheet : sheet + 2]), np.hstack(faces[sheet + 2 : sheet + 4])])
        grey = Image.fromarray((255 * four / four.max()).astype(np.uint8)).resize((400, 400), Image.Resampling.BICUBIC)
        tinted = np.asarray(grey, dtype=np.float32)[..., None] / 255 * np.array([250, 205, 180], dtype=np.float32)
        yield Stranger("face", f"lfw_subset {which.start + sheet}", tinted.astype(np.uint8))


def _drawn(series: int) -> Iterator[Stranger]:
    for kind, draw in _DRAWINGS.items():
        for number in range(_DRAWN):
            rng = np.random.default_rng((series, number, zlib.crc32(kind.encode())))
            size = tuple(int(side) for side in rng.choice([400, 512, 640, 900], 2))
            yield Stranger(kind, f"{kind} {series}.{number}", np.asarray(draw(rng, size).convert("RGB")), drawn=True)


def _plain(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, tuple(int(channel) for channel in rng.integers(0, 256, 3)))


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    corners = Image.fromarray(rng.integers(0, 256, (2, 2, 3)).astype(np.uint8))
    return corners.resize(size, Image.Resampling.BICUBIC)


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 256, (*rng.integers(4, 120, 2), 3)).astype(np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def _bare_skin(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Skin without any spot: a tone, soft shading, pores and a few fine lines."""
    tone = np.array(_SKINS[rng.integers(len(_SKINS))]) * rng.uniform(0.85, 1.05)
    shade = Image.fromarray(rng.integers(0, 256, (3, 3)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pores = Image.fromarray(rng.normal(128, 40, (size[1], size[0])).clip(0, 255).astype(np.uint8))
    pores = pores.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 4))))
    lines = Image.new("L", size, 128)
    pen = ImageDraw.Draw(lines)
    for _ in range(int(rng.integers(0, 25))):
        ends = rng.uniform(0, 1, 4) * [size[0], size[1], size[0], size[1]]
        pen.line([float(end) for end in ends], fill=int(rng.integers(100, 128)), width=int(rng.integers(1, 3)))
    lines = lines.filter(ImageFilter.GaussianBlur(1.5))
    light = 1 + (np.asarray(shade, dtype=float) - 128) / 900
    light += (np.asarray(pores, dtype=float) - 128) / 400 + (np.asarray(lines, dtype=float) - 128) / 200
    return Image.fromarray((light[..., None] * tone).clip(0, 255).astype(np.uint8))


def _document(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    paper = int(rng.integers(215, 256))
    image = Image.new("RGB", size, (paper, paper, int(paper * rng.uniform(0.9, 1))))
    pen, height = ImageDraw.Draw(image), int(rng.integers(12, 30))
    for top in range(height, size[1] - height, int(height * 1.5)):
        if rng.random() < 0.88:
            pen.text((height, top), _words(rng, int(size[0] / height * 1.6)), fill=(30, 30, 40), font=_font(height))
    return image.rotate(float(rng.uniform(-6, 6)), fillcolor=(150, 140, 130), resample=Image.Resampling.BICUBIC)


def _screenshot(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    dark = rng.random() < 0.4
    image = Image.new("RGB", size, (28, 30, 36) if dark else (248, 248, 250))
    pen = ImageDraw.Draw(image)
    ink, accent = ((230, 230, 235) if dark else (30, 30, 35)), tuple(int(c) for c in rng.integers(40, 220, 3))
    pen.rectangle((0, 0, size[0], 44), fill=accent)
    pen.text((14, 12), _words(rng, 18), fill=(255, 255, 255), font=_font(18))
    top = 60
    while top < size[1] - 60:
        if rng.random() < 0.3:
            pen.rounded_rectangle((14, top, size[0] - 14, top + 40), 8, outline=accent, width=2)
        pen.ellipse((20, top + 6, 48, top + 34), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
        pen.text((60, top + 10), _words(rng, int(size[0] / 14)), fill=ink, font=_font(16))
        top += int(rng.integers(44, 70))
    return image


def _chart(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "white")
    pen, count = ImageDraw.Draw(image), int(rng.integers(3, 12))
    width = (size[0] - 80) / count
    for bar in range(count):
        top = size[1] - 40 - rng.uniform(0.1, 1) * (size[1] - 100)
        colour = tuple(int(c) for c in rng.integers(0, 230, 3))
        pen.rectangle((50 + bar * width, top, 50 + (bar + 0.8) * width, size[1] - 40), fill=colour)
    pen.line((50, 20, 50, size[1] - 40, size[0] - 20, size[1] - 40), fill="black", width=2)
    pen.text((60, 10), _words(rng, 24), fill="black", font=_font(18))
    return image


def _drawn_face(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, tuple(int(c) for c in rng.integers(90, 256, 3)))
    pen, skin = ImageDraw.Draw(image), _SKINS[rng.integers(len(_SKINS))]
    x, y, r = size[0] / 2, size[1] / 2, min(size) * rng.uniform(0.3, 0.45)
    pen.ellipse(
        (x - r * 0.85, y - r * 1.1, x + r * 0.85, y + r * 0.7), fill=tuple(int(c) for c in rng.integers(10, 120, 3))
    )
    pen.ellipse((x - r * 0.75, y - r * 0.9, x + r * 0.75, y + r), fill=skin)
    for side in (-1, 1):
        eye = x + side * r * 0.3
        pen.ellipse((eye - r * 0.14, y - r * 0.2, eye + r * 0.14, y), fill="white")
        pen.ellipse((eye - r * 0.06, y - r * 0.16, eye + r * 0.06, y - r * 0.04), fill=(40, 30, 20))
        pen.arc((eye - r * 0.2, y - r * 0.4, eye + r * 0.2, y - r * 0.1), 200, 340, fill=(50, 35, 25), width=5)
    pen.polygon((x, y, x - r * 0.1, y + r * 0.3, x + r * 0.1, y + r * 0.3), fill=tuple(int(c * 0.85) for c in skin))
    pen.arc((x - r * 0.35, y + r * 0.2, x + r * 0.35, y + r * 0.65), 20, 160, fill=(170, 50, 60), width=8)
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2))))


def _drawn_landscape(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    sky = Image.fromarray(np.array([[[90, 150, 220]], [[200, 220, 240]]], dtype=np.uint8)).resize(size)
    pen, image = ImageDraw.Draw(sky), sky
    for ridge in range(int(rng.integers(2, 5))):
        base = size[1] * (0.45 + 0.13 * ridge)
        steps = np.cumsum(rng.normal(0, size[1] / 40, 30)) + base
        points = [(float(i) * size[0] / 29, float(height)) for i, height in enumerate(steps)]
        colour = tuple(int(c) for c in np.array([60, 120, 60]) * rng.uniform(0.6, 1.4))
        pen.polygon([(0, size[1]), *points, (size[0], size[1])], fill=colour)
    grain = rng.normal(0, 8, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def _plate(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Food, roughly: a plate on a table with coloured pieces."""
    image = Image.new("RGB", size, tuple(int(c) for c in rng.integers(60, 200, 3)))
    pen, r = ImageDraw.Draw(image), min(size) * 0.45
    x, y = size[0] / 2, size[1] / 2
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(240, 240, 238), outline=(200, 200, 200), width=6)
    for _ in range(int(rng.integers(6, 25))):
        a, d, s = rng.uniform(0, 2 * np.pi), rng.uniform(0, r * 0.7), rng.uniform(0.08, 0.25) * r
        colour = tuple(int(c) for c in rng.uniform([90, 40, 10], [250, 200, 90]))
        cx, cy = x + d * np.cos(a), y + d * np.sin(a)
        pen.ellipse((cx - s, cy - s * 0.7, cx + s, cy + s * 0.7), fill=colour)
    grain = rng.normal(0, 6, (size[1], size[0], 3))
    return Image.fromarray(
        (np.asarray(image.filter(ImageFilter.GaussianBlur(2))) + grain).clip(0, 255).astype(np.uint8)
    )


def _fur(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """An animal's fur: many hairs along a slowly turning direction, in patches of colour."""
    small = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    patches = Image.fromarray(rng.integers(0, 256, (4, 4)).astype(np.uint8)).resize(small, Image.Resampling.BICUBIC)
    shares = np.asarray(patches, dtype=float)[..., None] / 255
    tones = rng.uniform([60, 40, 20], [245, 215, 180], (2, 3))
    image = Image.fromarray((shares * tones[0] + (1 - shares) * tones[1]).clip(0, 255).astype(np.uint8))
    pen, pixels = ImageDraw.Draw(image), np.asarray(image).astype(float)
    bends = rng.uniform(-2, 2, 3)
    for _ in range(int(small[0] * small[1] / rng.integers(25, 60))):
        x, y = (float(rng.uniform(0, side)) for side in small)
        angle = bends[0] + bends[1] * x / small[0] + bends[2] * y / small[1] + rng.normal(0, 0.25)
        length = rng.uniform(6, 22)
        colour = pixels[int(y), int(x)] * rng.uniform(0.6, 1.35)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        pen.line((x, y, *end), fill=tuple(int(c) for c in colour.clip(0, 255)), width=1)
    return image.resize(size, Image.Resampling.BICUBIC)


def _tissue(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A stained section under the microscope: pale tissue with holes, full of small dark nuclei."""
    stain, nucleus = rng.uniform([205, 150, 180], [245, 200, 225]), rng.uniform([70, 40, 90], [150, 110, 170])
    density = Image.fromarray(rng.integers(0, 256, (6, 6)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    shares = np.asarray(density, dtype=float)[..., None] / 255
    image = Image.fromarray((stain * (0.8 + 0.2 * shares) + 10).clip(0, 255).astype(np.uint8))
    pen, r = ImageDraw.Draw(image), rng.uniform(3, 9)
    for _ in range(int(rng.integers(2, 12))):
        x, y, hole = *(rng.uniform(0, size)), rng.uniform(15, 80)
        pen.ellipse((x - hole, y - hole * 0.7, x + hole, y + hole * 0.7), fill=(242, 238, 242))
    for _ in range(int(size[0] * size[1] / r**2 / rng.uniform(12, 40))):
        (x, y), (a, b) = rng.uniform(0, size), r * rng.uniform(0.6, 1.3, 2)
        if rng.random() < shares[int(y), int(x), 0]:
            colour = tuple(int(c) for c in (nucleus * rng.uniform(0.8, 1.3)).clip(0, 255))
            pen.ellipse((x - a, y - b, x + a, y + b), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5))))


_DRAWINGS: dict[str, Callable] = {
    "plain colour": _plain,
    "colour gradient": _gradient,
    "noise": _noise,
    "bare skin, drawn": _bare_skin,
    "text": _document,
    "screenshot": _screenshot,
    "chart": _chart,
    "face, drawn": _drawn_face,
    "landscape, drawn": _drawn_landscape,
    "food, drawn": _plate,
    "fur, drawn": _fur,
    "tissue, drawn": _tissue,
}


def _words(rng: np.random.Generator, letters: int) -> str:
    alphabet = list("aaabcdeeefghiiijklmnooopqrstuuvwxyz     аәбвгғдеёжзийкқлмноөпрстуұүхцчшыіэюя     0123456789.,")
    return "".join(rng.choice(alphabet, letters))


def _font(height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), height)
