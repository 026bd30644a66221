"""A ZIP archive of photos is opened in memory, one photo after the other, within limits that a bomb does not pass."""

import io
import zipfile
from collections.abc import Iterator

from model_store.errors import PhotoError

MAX_ENTRIES = 500  # of the archive's list, folders and other files among them
MAX_RATIO = 50  # photos hardly shrink in an archive; a bomb shrinks a thousandfold
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_CODE_PAGE = "cp866"  # in which Windows writes names, where its language is Kazakh or Russian
_UTF8_FLAG = 0x800
_UNIX_SYSTEMS = (3, 19)  # Unix and macOS


class ArchiveError(PhotoError):
    """The archive cannot be opened; its sender can mend it."""


def is_archive(data: bytes) -> bool:
    """Whether a file begins as a ZIP archive does."""
    return data.startswith(b"PK\x03\x04")


def photos(data: bytes, limit_bytes: int) -> Iterator[tuple[str, bytes | PhotoError]]:
    """Give each file of an archive by its name: its bytes, or why it cannot be had.

    Folders, and what macOS and Windows put beside photos, are left out.

    Args:
        data: the archive.
        limit_bytes: what all its files together may unpack to; those after that are errors.

    Raises:
        ArchiveError: `damaged_archive`; `archive_too_large` with `limit`, the most entries.
    """
    # Counted by their signature, since reading a list of a few hundred thousand takes many seconds.
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise ArchiveError("archive_too_large", limit=MAX_ENTRIES)
    try:
        with zipfile.ZipFile(io.BytesIO(data), metadata_encoding=_CODE_PAGE) as archive:
            left = limit_bytes
            for entry in archive.infolist():
                if _is_photo(entry):
                    content = _read(archive, entry, left)
                    left -= len(content) if isinstance(content, bytes) else 0
                    yield _name(entry), content
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise ArchiveError("damaged_archive") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name; macOS writes UTF-8 without the flag that says so."""
    if entry.flag_bits & _UTF8_FLAG or entry.create_system not in _UNIX_SYSTEMS:
        return entry.filename
    return entry.filename.encode(_CODE_PAGE).decode("utf-8", "replace")


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.split("/")
    hidden = parts[0] == "__MACOSX" or parts[-1].startswith(".") or parts[-1].lower() == "thumbs.db"
    return not entry.is_dir() and not hidden


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit_bytes: int) -> bytes | PhotoError:
    # What the archive states is checked first; `read` then stops there, and a wrong statement fails its checksum.
    if entry.flag_bits & 0x1 or entry.compress_type not in _METHODS:
        return PhotoError("damaged_archive")
    if entry.file_size > limit_bytes or entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        return PhotoError("archive_too_large", limit=MAX_ENTRIES)
    try:
        return archive.read(entry)
    except Exception:  # on hostile bytes the unpacker raises whatever comes
        return PhotoError("damaged_image")
