"""Every image decoded once, by the serving code, into a memory-mapped array."""

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model_store.errors import PhotoError
from model_store.images import open_photo
from model_store.preprocessing import InputSpec, to_common

_READ = 1
_CHUNK = 512


def build(paths: Sequence[str], spec: InputSpec, cache: Path) -> tuple[np.memmap, np.ndarray]:
    """Decode images to the common square, or take what an earlier call has decoded.

    A file that was changed after that call is decoded again, as `make` would. One that is gone, or was put there with
    an older time, is taken for the one that was decoded. A kill loses at most one chunk: the state of each image lies
    beside the array.

    Args:
        paths: image files, N.
        spec: fit, common_px and resampling are used.
        cache: folder for the array; made when missing.

    Returns:
        pixels: shape (N, common_px, common_px, 3), uint8, read-only, on disk.
        readable: shape (N,), bool; where False the pixels are zero.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([spec.resampling, *paths]).encode()).hexdigest()[:12]
    stem = f"{spec.fit}_{spec.common_px}_{digest}"
    shape = (len(paths), spec.common_px, spec.common_px, 3)
    pixels = _array(cache / f"{stem}.npy", shape)
    state = _array(cache / f"{stem}.state.npy", shape[:1])
    decoded_at = (cache / f"{stem}.state.npy").stat().st_mtime
    state[[_changed_at(path) > decoded_at for path in paths]] = 0
    state.flush()  # at once: what is decoded next makes all that is marked as read look new
    todo = np.flatnonzero(state != _READ)  # what could not be read may have been mended
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(todo), desc="decoding", unit="image") as progress:
        for chunk in np.array_split(todo, range(_CHUNK, len(todo), _CHUNK)):
            read = list(pool.map(lambda i: _read_into(pixels, i, paths[i], spec), chunk))
            pixels.flush()
            state[chunk] = np.where(read, _READ, 0)
            state.flush()
            progress.update(len(chunk))
    return np.load(cache / f"{stem}.npy", mmap_mode="r"), np.asarray(state) == _READ


def _array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    if not path.exists():
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
    return np.load(path, mmap_mode="r+")


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return -math.inf


def _read_into(pixels: np.memmap, i: int, path: str, spec: InputSpec) -> bool:
    try:
        pixels[i] = to_common(open_photo(Path(path).read_bytes()).rgb, spec)
    except (PhotoError, OSError):
        pixels[i] = 0  # of the file that lay there before
        return False
    return True
