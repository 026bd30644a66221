"""Finds the photos in files and folders, opens them, and names what is none."""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from model_store.errors import PhotoError
from model_store.images import SIGNATURE_BYTES, Photo, is_known, open_photo

# What is taken from a folder by its name alone; of other files their first bytes decide.
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".avif", ".dcm"}
# Pictures that cannot be read here: named, since whoever sends a folder of them expects a row for each.
OTHER_PICTURES = {".tif", ".tiff", ".bmp", ".gif", ".jp2", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".raw", ".psd"}
# What hospitals export beside their pictures: a table of contents, itself in DICOM (PS3.10, section 8.6).
DICOM_INDEX = "DICOMDIR"
LIMIT_BYTES = 256 * 2**20  # no photo within the pixel limit needs more, and a file is read as a whole


class Problems:
    """Names what could not be used, at once and above the progress bar, and counts it.

    Args:
        shard: the number of this command among those that share an archive.
    """

    def __init__(self, shard: int = 0) -> None:
        self.count = 0
        self._shard = shard

    def say(self, path: Path, reason: str) -> None:
        self.count += 1
        tqdm.write(f"{path}: {reason}", file=sys.stderr)

    def say_once(self, path: Path, reason: str) -> None:
        """Say what every command finds in the archive, whichever photos are its own: the first one does.

        What cannot be read is not said so: it may be this machine's disk, and moves photos between the shares.
        """
        if self._shard == 0:
            self.say(path, reason)


def find(paths: list[Path], problems: Problems) -> list[Path]:
    """Give every photo once, sorted by the name that its row gets; the order of the arguments does not matter."""
    found = [file for path in paths for file in (_photos_inside(path, problems) if path.is_dir() else [path])]
    photos: dict[str, Path] = {}
    for file in sorted(found, key=lambda file: (name_of(file), str(file))):
        other = photos.setdefault(name_of(file), file)
        if os.path.realpath(other) != os.path.realpath(file):
            problems.say_once(file, f"another photo has this name: {other}")
    return list(photos.values())


def name_of(photo: Path) -> str:
    """What a row is called: without the ending, but a DICOM file's 1.2.840.10008 has none."""
    return photo.stem if photo.suffix.lower() in SUFFIXES | OTHER_PICTURES else photo.name


def _photos_inside(folder: Path, problems: Problems) -> list[Path]:
    photos, before = [], problems.count
    for file in sorted(_files_inside(folder, problems)):
        try:
            if is_photo(file):
                photos.append(file)
            elif file.suffix.lower() in OTHER_PICTURES:
                problems.say_once(file, "unsupported_format")
        except FileNotFoundError as error:  # a link to nowhere
            problems.say_once(file, error.strerror)
        except OSError as error:  # a file of somebody else's
            problems.say(file, error.strerror or "cannot be read")
    if not photos and problems.count == before:
        problems.say_once(folder, "no photo in this folder")
    return photos


def _files_inside(folder: Path, problems: Problems) -> Iterator[Path]:
    """Search a folder to its depth, and say where that was not possible: photos may lie there."""
    for place, folders, files in os.walk(folder, onerror=lambda error: problems.say(error.filename, error.strerror)):
        for linked in filter(Path.is_symlink, (Path(place, name) for name in folders)):
            problems.say_once(linked, "a link to a folder is not followed: name the folder itself")
        yield from (Path(place, name) for name in files)


def is_photo(file: Path) -> bool:
    """Tell a photo by its name, or else by its first bytes: DICOM files often have no suffix."""
    if not stat.S_ISREG(file.stat().st_mode) or file.name.upper() == DICOM_INDEX:
        return False
    if file.suffix.lower() in SUFFIXES:
        return True
    with file.open("rb") as opened:
        return is_known(opened.read(SIGNATURE_BYTES))


def opened(paths: Iterable[Path], problems: Problems) -> Iterator[tuple[Path, Photo]]:
    """Open each photo as its turn comes; one that cannot be used is named by `problems` and left out."""
    for path in paths:
        try:
            yield path, open_photo(_read(path))
        except PhotoError as error:
            problems.say(path, str(error))
        except OSError as error:
            problems.say(path, error.strerror or "cannot be read")


def _read(path: Path) -> bytes:
    if path.stat().st_size > LIMIT_BYTES:
        raise OSError(errno.EFBIG, f"larger than {LIMIT_BYTES // 2**20} MiB")
    return path.read_bytes()
