"""The data folder as a few files of limited size, to bring it to a machine that takes no more at a time."""

import random
import tarfile
from pathlib import Path

from tqdm import tqdm

from training.errors import TrainingError

_BLOCK = 512  # what a tar file consists of, bytes
_IMAGES = {".jpg", ".jpeg", ".png"}


def pack(folder: Path, out: Path, megabytes: int) -> list[Path]:
    """Write every file of a folder, as it lies there, into tar files `shard_000.tar` and so on.

    The first begins with the tables, and images follow in random order; they are unpacked into one folder (`tar xf`).
    The same folder always gives the same bytes.

    Args:
        folder: see `dataset.read`.
        out: made when missing; shards that an earlier call left there are replaced.
        megabytes: size of each shard at most, in millions of bytes.

    Returns:
        The shards.

    Raises:
        TrainingError: `out` lies inside `folder`, or a file alone is larger than a shard may be.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise TrainingError(f"{out} lies inside {folder}: it would be packed too; take a folder elsewhere")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("shard_*.tar"):
        old.unlink()
    shards = []
    for number, files in enumerate(_shares(_in_order(folder), megabytes * 10**6)):
        shards.append(out / f"shard_{number:03}.tar")
        with tarfile.open(shards[-1], "w", format=tarfile.USTAR_FORMAT) as shard:
            for file in tqdm(files, desc=shards[-1].name, unit="file", mininterval=5):
                with file.open("rb") as stream:
                    shard.addfile(_header(file, folder), stream)
    return shards


def _in_order(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    images = [path for path in files if path.suffix.lower() in _IMAGES]
    tables = [path for path in files if path.suffix.lower() not in _IMAGES]
    random.Random(0).shuffle(images)
    return tables + images


def _shares(files: list[Path], limit: int) -> list[list[Path]]:
    shares, room = [], 0
    for file in files:
        needed = _BLOCK * (1 + -(-file.stat().st_size // _BLOCK))
        if needed > limit - tarfile.RECORDSIZE:
            raise TrainingError(f"{file} alone is larger than a shard of {limit} bytes")
        if needed > room:
            shares.append([])
            room = limit - tarfile.RECORDSIZE  # the end of the archive fills its last record
        shares[-1].append(file)
        room -= needed
    return shares


def _header(file: Path, folder: Path) -> tarfile.TarInfo:
    header = tarfile.TarInfo(file.relative_to(folder).as_posix())
    header.size = file.stat().st_size
    return header
