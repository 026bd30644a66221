"""What the served network says of images, asked once: logits and pooled features, kept in the run's folder.

The file's name holds a digest of the network, of the table and of the preparation, and each answer stands with a
checksum of its image, so that it can never be taken for that of another network or another image.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from model_store.classes import CODES
from model_store.prediction import pooled
from model_store.preprocessing import InputSpec, prepare, to_input
from training import pixels, record
from training.prepare import Data

_BATCH = 16
_MARKS = 2**23


@dataclass(frozen=True)
class Answers:
    """Of N images: `logits` float32 (N, 8) and `features` float32 (N, C), the feature map's mean over its places."""

    logits: np.ndarray
    features: np.ndarray


def of_rows(model_file: Path, data: Data, rows: np.ndarray, spec: InputSpec, folder: Path) -> Answers:
    """Ask about images of the data set; what was asked before is read.

    Args:
        model_file: a `.keras` file with the outputs [logits, feature map].
        data: from `prepare`.
        rows: row numbers of the images.
        spec: how they are prepared.
        folder: the run's.

    Raises:
        OtherSplit: the run trained with other images, labels or another split.
    """
    record.check_split(data.table, folder)
    digest = network_digest(model_file)
    asked = f"{digest} {record.split_digest(data.table)} {spec}"
    key = hashlib.sha256(asked.encode()).hexdigest()[:12]
    file = folder / f"answers_{key}.npy"
    if not file.exists():
        width = len(CODES) + _network(model_file, digest).outputs[1].shape[-1]
        empty = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(len(data.table), 1 + width))
        empty.flush()  # a file of zeros takes no room on the disk
    kept = np.load(file, mmap_mode="r+")
    # Column 0 tells of which image: a whole number from 1 on that float32 can hold, and 0 where nobody asked.
    asked_of = 1 + pixels.checksums(data.pixels[row] for row in rows) % _MARKS
    todo, marks = rows[kept[rows, 0] != asked_of], asked_of[kept[rows, 0] != asked_of]
    if len(todo):
        model = _network(model_file, digest)
        with tqdm(total=len(todo), desc="answers", unit="image", mininterval=5) as progress:
            for start in range(0, len(todo), _BATCH):
                batch = todo[start : start + _BATCH]
                answers = _ask(model, [to_input(data.pixels[row], spec) for row in batch])
                mark = marks[start : start + _BATCH, None]
                kept[batch] = np.concatenate([mark, answers.logits, answers.features], axis=1)
                kept.flush()
                progress.update(len(batch))
    found = np.asarray(kept[rows])
    return Answers(found[:, 1 : 1 + len(CODES)], found[:, 1 + len(CODES) :])


def of_photos(model_file: Path, photos: Sequence[np.ndarray], spec: InputSpec, folder: Path) -> Answers:
    """Ask about photos of any size, each uint8 (H, W, 3); what was asked before is read from the run's folder."""
    network = network_digest(model_file)
    digest = hashlib.sha256(f"{network} {spec}".encode())
    for photo in photos:
        digest.update(photo.tobytes())
    file = folder / f"answers_photos_{digest.hexdigest()[:12]}.npz"
    if file.exists():
        with np.load(file) as kept:
            return Answers(kept["logits"], kept["features"])
    model = _network(model_file, network)
    parts = [
        _ask(model, [prepare(photo, spec) for photo in photos[start : start + _BATCH]])
        for start in tqdm(range(0, len(photos), _BATCH), desc="photos", unit="batch", mininterval=5)
    ]
    found = Answers(np.concatenate([p.logits for p in parts]), np.concatenate([p.features for p in parts]))
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, logits=found.logits, features=found.features)
    part.replace(file)
    return found


@functools.lru_cache(maxsize=1)  # the steps ask one network again and again; to load and compile it takes long
def _network(file: Path, digest: str) -> keras.Model:
    """The network in a file of this SHA-256."""
    return keras.saving.load_model(file, compile=False)


def _ask(model: keras.Model, inputs: list[np.ndarray]) -> Answers:
    batch = np.pad(np.stack(inputs), ((0, _BATCH - len(inputs)), (0, 0), (0, 0), (0, 0)))  # one shape, compiled once
    logits, maps = (keras.ops.convert_to_numpy(output)[: len(inputs)] for output in model.predict_on_batch(batch))
    return Answers(logits, pooled(maps))


def network_digest(file: Path) -> str:
    """SHA-256 of a network's file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
