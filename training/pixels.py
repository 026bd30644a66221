"""Every image decoded once, by the serving code, into a memory-mapped array."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model_store.errors import PhotoError
from model_store.images import open_photo
from model_store.preprocessing import InputSpec, to_common

_UNREAD = 0
_CHUNK = 512


def build(paths: Sequence[str], spec: InputSpec, cache: Path) -> tuple[np.memmap, np.ndarray]:
    """Decode images to the common square, or take what an earlier call has decoded.

    A file whose time or size is not that of the one that was decoded is decoded again. One that is gone is taken for
    the one that was decoded. A kill loses at most one chunk: what was read of each image lies beside the array.

    Args:
        paths: image files, N.
        spec: fit, common_px and resampling are used.
        cache: folder for the array; made when missing.

    Returns:
        pixels: shape (N, common_px, common_px, 3), uint8, read-only, on disk.
        files: shape (N,), uint64, what tells each file from another of its name; 0 where it could not be read, and the
            pixels are zero.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([spec.resampling, *paths]).encode()).hexdigest()[:12]
    stem = f"{spec.fit}_{spec.common_px}_{digest}"
    shape = (len(paths), spec.common_px, spec.common_px, 3)
    pixels = _array(cache / f"{stem}.npy", np.uint8, shape)
    state = _array(cache / f"{stem}.files.npy", np.uint64, shape[:1])
    files = np.array([_file(path) for path in paths], np.uint64)
    files[files == _UNREAD] = state[files == _UNREAD]
    todo = np.flatnonzero((state == _UNREAD) | (state != files))  # what could not be read may have been mended
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(todo), desc="decoding", unit="image") as progress:
        for chunk in np.array_split(todo, range(_CHUNK, len(todo), _CHUNK)):
            read = list(pool.map(lambda i: _read_into(pixels, i, paths[i], spec), chunk))
            pixels.flush()
            state[chunk] = np.where(read, files[chunk], _UNREAD)
            state.flush()
            progress.update(len(chunk))
    return np.load(cache / f"{stem}.npy", mmap_mode="r"), np.array(state)


def checksums(images: Iterable[np.ndarray]) -> np.ndarray:
    """A number for each image that another image would hardly have: shape (N,), int."""
    return np.array([zlib.crc32(np.ascontiguousarray(image)) for image in images], dtype=int)


def _array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    if not path.exists():
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
    return np.load(path, mmap_mode="r+")


def _file(path: str) -> int:
    """A number from a file's time and size; 0 where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return _UNREAD
    return 1 + zlib.crc32(f"{status.st_mtime_ns} {status.st_size}".encode())


def _read_into(pixels: np.memmap, i: int, path: str, spec: InputSpec) -> bool:
    try:
        pixels[i] = to_common(open_photo(Path(path).read_bytes()).rgb, spec)
    except (PhotoError, OSError):
        pixels[i] = 0  # of the file that lay there before
        return False
    return True
