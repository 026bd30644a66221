"""A ZIP archive of photos is opened in memory, one photo after the other, within limits that a bomb does not pass."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from model_store.errors import PhotoError

MAX_ENTRIES = 500  # of the archive's list, folders and other files among them
MAX_RATIO = 50  # photos hardly shrink in an archive; a bomb shrinks a thousandfold
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_PIECE_BYTES = 65_536
_CODE_PAGE = "cp866"  # in which Windows writes names, where its language is Kazakh or Russian
_UTF8_FLAG = 0x800
_UNIX_SYSTEMS = (3, 19)  # Unix and macOS
_LOCKED_FLAGS = 0x1 | 0x20 | 0x40  # protected by a password, a patch for another file, strongly encrypted


class ArchiveError(PhotoError):
    """The archive cannot be opened, or not to its end; its sender can mend it."""


@dataclass
class Budget:
    """What all archives of one request may still hold together; `photos` takes from it.

    Attributes:
        bytes: of all their files, unpacked.
        largest_mb: what one file may unpack to: no more than an upload, since it is in memory beside its archive.
        entries: that they may list.
    """

    bytes: int
    largest_mb: int
    entries: int = MAX_ENTRIES


def is_archive(data: bytes) -> bool:
    """Whether a file begins as a ZIP archive does, one of nothing too; `isArchive` in static/unzip.js says the same."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def listed(data: bytes) -> int:
    """How many entries an archive lists; by their signature, since reading a list of a few 100,000 takes seconds."""
    return data.count(b"PK\x01\x02")


def photos(data: bytes, budget: Budget) -> Iterator[tuple[str, bytes | PhotoError]]:
    """Give each file of an archive by its name: its bytes, or why it cannot be had.

    Folders, and what macOS and Windows put beside photos, are left out.

    Args:
        data: the archive.
        budget: how many entries it may list, and how much its files, each and together, may unpack to.

    Raises:
        ArchiveError: `damaged_archive`; `empty_archive`: no file is in it; `archive_too_large` with `limit`, the most
            entries: before the first file, or in place of the one with which the budget is spent and of all after it.
    """
    entries = listed(data)
    if entries > budget.entries:
        raise ArchiveError("archive_too_large", limit=MAX_ENTRIES)
    budget.entries -= entries
    try:
        with zipfile.ZipFile(io.BytesIO(data), metadata_encoding=_CODE_PAGE) as archive:
            if _overlap(archive):
                raise ArchiveError("damaged_archive")
            found = list(filter(_is_photo, archive.infolist()))
            if not found:
                raise ArchiveError("empty_archive")
            for entry in found:
                yield _name(entry), _read(archive, entry, budget)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise ArchiveError("damaged_archive") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name; macOS writes UTF-8 without the flag that says so."""
    if entry.flag_bits & _UTF8_FLAG or entry.create_system not in _UNIX_SYSTEMS:
        return entry.filename
    return entry.filename.encode(_CODE_PAGE).decode("utf-8", "replace")


def _overlap(archive: zipfile.ZipFile) -> bool:
    """Whether entries share bytes, as those of a bomb do; Python refuses that from 3.11.8 on."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in entries[1:]), archive.start_dir]
    return any(
        entry.header_offset + zipfile.sizeFileHeader + entry.compress_size > end
        for entry, end in zip(entries, ends, strict=False)  # an empty archive has one end too many
    )


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.split("/")
    hidden = parts[0] == "__MACOSX" or parts[-1].startswith(".") or parts[-1].lower() == "thumbs.db"
    return not entry.is_dir() and not hidden


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> bytes | PhotoError:
    # What the archive states is checked first, and hardly more than that is ever unpacked: without a size, `read` would
    # unpack whatever comes, and only then cut it. A wrong statement fails the checksum.
    if entry.flag_bits & _LOCKED_FLAGS or entry.compress_type not in _METHODS:
        return PhotoError("packed_otherwise")
    if entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        return PhotoError("archive_too_large", limit=MAX_ENTRIES)
    if entry.file_size > budget.largest_mb * 1_000_000:
        return PhotoError("body_too_large", limit_mb=budget.largest_mb)
    if entry.file_size > budget.bytes:
        budget.bytes = 0
        raise ArchiveError("archive_too_large", limit=MAX_ENTRIES)
    budget.bytes -= entry.file_size
    try:
        with archive.open(entry) as file:
            unpacked = io.BytesIO()
            while piece := file.read(_PIECE_BYTES):  # read at once it would be held three times
                unpacked.write(piece)
            return unpacked.getvalue()
    except Exception:  # on hostile bytes the unpacker raises whatever comes
        return PhotoError("damaged_image")
