"""An archive is opened in memory, and none can make that expensive."""

import io
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from app import archives
from app.archives import ArchiveError, Budget, photos
from model_store.errors import PhotoError

MEGABYTE = 1_000_000
LARGEST_MB = 20  # of one file


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_every_photo_comes_out_with_its_name_and_nothing_else():
    data = packed(
        {"a.jpg": b"one", "folder/b.png": b"two", "folder/": b"", "__MACOSX/._a.jpg": b"x", ".DS_Store": b"x"}
    )
    assert archives.is_archive(data)
    assert list(photos(data, Budget(MEGABYTE, LARGEST_MB))) == [("a.jpg", b"one"), ("folder/b.png", b"two")]


@pytest.mark.parametrize(("system", "encoding"), [(0, "cp866"), (3, "utf-8"), (19, "utf-8")])
def test_a_name_without_the_flag_of_utf8_is_read_as_its_system_writes_it(system, encoding):
    name = "рак кожи.jpg".encode(encoding)
    entry = zipfile.ZipInfo("x" * len(name))
    entry.create_system = system
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, b"one")
    data = buffer.getvalue().replace(entry.filename.encode(), name)
    assert list(photos(data, Budget(MEGABYTE, LARGEST_MB))) == [("рак кожи.jpg", b"one")]


def test_a_photo_is_no_archive(photo):
    assert not archives.is_archive(photo)


def test_an_entry_that_unpacks_to_far_more_than_it_takes_is_refused_without_unpacking():
    data = packed({"bomb.jpg": bytes(10 * MEGABYTE), "a.jpg": b"one"}, zipfile.ZIP_DEFLATED)
    (_, bomb), (_, content) = photos(data, Budget(100 * MEGABYTE, LARGEST_MB))
    assert isinstance(bomb, PhotoError)
    assert bomb.code == "archive_too_large"
    assert content == b"one"


def test_once_the_budget_of_bytes_is_spent_nothing_more_is_read_and_that_is_said_once():
    data = packed({"a.jpg": bytes(600), "b.jpg": bytes(600), "c.jpg": bytes(300)})
    budget, found = Budget(1000, LARGEST_MB), []
    with pytest.raises(ArchiveError, match="archive_too_large"):
        found.extend(photos(data, budget))
    assert [name for name, _ in found] == ["a.jpg"]
    with pytest.raises(ArchiveError, match="archive_too_large"):
        list(photos(packed({"d.jpg": b"one"}), budget))


def test_the_lists_of_all_archives_share_one_budget():
    data, budget = (
        packed({f"{number}.jpg": b"one" for number in range(archives.MAX_ENTRIES - 10)}),
        Budget(MEGABYTE, LARGEST_MB),
    )
    assert len(list(photos(data, budget))) == archives.MAX_ENTRIES - 10
    with pytest.raises(ArchiveError, match="archive_too_large"):
        list(photos(data, budget))
    assert len(list(photos(packed({"a.jpg": b"one"}), budget))) == 1


def test_entries_that_share_bytes_are_refused():
    data = packed({"a.jpg": bytes(600), "b.jpg": bytes(600)})
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    second = data.rindex(b"PK\x01\x02")
    twice = data[:second] + data[start:second] + data[end:]  # both names in the list lead to the first file
    with pytest.raises(ArchiveError, match="damaged_archive"):
        list(photos(twice, Budget(MEGABYTE, LARGEST_MB)))


@pytest.mark.parametrize("files", [{}, {"folder/": b""}, {"__MACOSX/._a.jpg": b"x"}])
def test_an_archive_without_a_photo_says_so(files):
    data = packed(files)
    assert archives.is_archive(data)
    with pytest.raises(ArchiveError, match="empty_archive"):
        list(photos(data, Budget(MEGABYTE, LARGEST_MB)))


def test_a_list_of_too_many_entries_is_refused_before_it_is_read(monkeypatch):
    data = packed({f"{number}.jpg": b"" for number in range(archives.MAX_ENTRIES + 1)})
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list is being read"))
    with pytest.raises(ArchiveError, match="archive_too_large"):
        list(photos(data, Budget(MEGABYTE, LARGEST_MB)))


def test_an_entry_that_understates_its_size_is_damaged_and_never_read_past_what_it_states():
    data = bytearray(packed({"a.jpg": bytes(range(256)) * 40}, zipfile.ZIP_DEFLATED))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    ((_, content),) = photos(bytes(data), Budget(MEGABYTE, LARGEST_MB))
    assert isinstance(content, PhotoError)


def stating(data: bytes, size: int, checksum: int) -> bytes:
    """The archive of one file with another size and checksum of it, in its list and before the file."""
    changed = bytearray(data)
    for at in (14, data.rindex(b"PK\x01\x02") + 16):
        changed[at : at + 4] = checksum.to_bytes(4, "little")
        changed[at + 8 : at + 12] = size.to_bytes(4, "little")
    return bytes(changed)


def test_of_an_entry_that_understates_its_size_not_even_the_memory_is_taken():
    data = packed({"bomb.jpg": bytes(50 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        ((_, content),) = photos(stating(data, MEGABYTE, zlib.crc32(bytes(7))), Budget(100 * MEGABYTE, LARGEST_MB))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(content, PhotoError)
    assert peak < 5 * MEGABYTE
    ((_, content),) = photos(stating(data, MEGABYTE, zlib.crc32(bytes(MEGABYTE))), Budget(100 * MEGABYTE, LARGEST_MB))
    assert content == bytes(MEGABYTE)  # with the checksum of its beginning it is a file of what it states


def test_an_empty_entry_and_one_that_overstates_its_size_give_what_they_hold():
    data = packed({"a.jpg": b"one", "empty.jpg": b""}, zipfile.ZIP_DEFLATED)
    assert list(photos(data, Budget(MEGABYTE, LARGEST_MB))) == [("a.jpg", b"one"), ("empty.jpg", b"")]
    overstated = stating(packed({"a.jpg": b"one"}, zipfile.ZIP_DEFLATED), 100, zlib.crc32(b"one"))
    assert list(photos(overstated, Budget(MEGABYTE, LARGEST_MB))) == [("a.jpg", b"one")]


def test_an_entry_larger_than_an_upload_may_be_is_refused_and_the_others_are_read():
    data = packed({"large.jpg": bytes(2 * MEGABYTE + 1), "a.jpg": bytes(2 * MEGABYTE)})
    budget = Budget(10 * MEGABYTE, largest_mb=2)
    (_, large), (_, content) = photos(data, budget)
    assert isinstance(large, PhotoError)
    assert (large.code, large.details) == ("body_too_large", {"limit_mb": 2})
    assert content == bytes(2 * MEGABYTE)
    assert budget.bytes == 8 * MEGABYTE


@pytest.mark.parametrize("cut", [10, 60, -5])
def test_a_cut_off_archive_is_damaged(cut):
    data = packed({"a.jpg": bytes(500)})
    with pytest.raises(ArchiveError, match="damaged_archive"):
        list(photos(data[:cut], Budget(MEGABYTE, LARGEST_MB)))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_entry_packed_by_another_method_is_told_apart_and_the_others_are_read(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", b"one", compress_type=method)
        archive.writestr("b.jpg", b"two")
    (_, refused), (_, content) = photos(buffer.getvalue(), Budget(MEGABYTE, LARGEST_MB))
    assert refused.code == "packed_otherwise"
    assert content == b"two"


@pytest.mark.parametrize("flag", [0x1, 0x20, 0x40])
def test_an_encrypted_entry_is_told_apart(flag):
    data = bytearray(packed({"a.jpg": b"one"}))
    data[data.rindex(b"PK\x01\x02") + 8] |= flag
    data[6] |= flag
    ((_, content),) = photos(bytes(data), Budget(MEGABYTE, LARGEST_MB))
    assert isinstance(content, PhotoError)
    assert content.code == "packed_otherwise"


def test_a_photo_in_an_archive_is_held_once_beside_its_archive():
    content = np.random.default_rng(0).bytes(5_000_000)
    data = packed({"a.jpg": content}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert list(photos(data, Budget(10_000_000, 20))) == [("a.jpg", content)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * len(content)
