"""An archive is opened in memory, and none can make that expensive."""

import io
import zipfile

import pytest

from app import archives
from app.archives import ArchiveError, Budget, photos
from model_store.errors import PhotoError

MEGABYTE = 1_000_000


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
    assert list(photos(data, Budget(MEGABYTE))) == [("a.jpg", b"one"), ("folder/b.png", b"two")]


@pytest.mark.parametrize(("system", "encoding"), [(0, "cp866"), (3, "utf-8"), (19, "utf-8")])
def test_a_name_without_the_flag_of_utf8_is_read_as_its_system_writes_it(system, encoding):
    name = "рак кожи.jpg".encode(encoding)
    entry = zipfile.ZipInfo("x" * len(name))
    entry.create_system = system
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, b"one")
    data = buffer.getvalue().replace(entry.filename.encode(), name)
    assert list(photos(data, Budget(MEGABYTE))) == [("рак кожи.jpg", b"one")]


def test_a_photo_is_no_archive(photo):
    assert not archives.is_archive(photo)


def test_an_entry_that_unpacks_to_far_more_than_it_takes_is_refused_without_unpacking():
    data = packed({"bomb.jpg": bytes(10 * MEGABYTE), "a.jpg": b"one"}, zipfile.ZIP_DEFLATED)
    (_, bomb), (_, content) = photos(data, Budget(100 * MEGABYTE))
    assert isinstance(bomb, PhotoError)
    assert bomb.code == "archive_too_large"
    assert content == b"one"


def test_once_the_budget_of_bytes_is_spent_nothing_more_is_read_and_that_is_said_once():
    data = packed({"a.jpg": bytes(600), "b.jpg": bytes(600), "c.jpg": bytes(300)})
    budget, found = Budget(1000), []
    with pytest.raises(ArchiveError, match="archive_too_large"):
        found.extend(photos(data, budget))
    assert [name for name, _ in found] == ["a.jpg"]
    with pytest.raises(ArchiveError, match="archive_too_large"):
        list(photos(packed({"d.jpg": b"one"}), budget))


def test_the_lists_of_all_archives_share_one_budget():
    data, budget = packed({f"{number}.jpg": b"one" for number in range(archives.MAX_ENTRIES - 10)}), Budget(MEGABYTE)
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
        list(photos(twice, Budget(MEGABYTE)))
    assert list(photos(packed({}), Budget(MEGABYTE))) == []


def test_a_list_of_too_many_entries_is_refused_before_it_is_read(monkeypatch):
    data = packed({f"{number}.jpg": b"" for number in range(archives.MAX_ENTRIES + 1)})
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list is being read"))
    with pytest.raises(ArchiveError, match="archive_too_large"):
        list(photos(data, Budget(MEGABYTE)))


def test_an_entry_that_understates_its_size_is_damaged_and_never_read_past_what_it_states():
    data = bytearray(packed({"a.jpg": bytes(range(256)) * 40}, zipfile.ZIP_DEFLATED))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    ((_, content),) = photos(bytes(data), Budget(MEGABYTE))
    assert isinstance(content, PhotoError)


@pytest.mark.parametrize("cut", [10, 60, -5])
def test_a_cut_off_archive_is_damaged(cut):
    data = packed({"a.jpg": bytes(500)})
    with pytest.raises(ArchiveError, match="damaged_archive"):
        list(photos(data[:cut], Budget(MEGABYTE)))


def test_an_encrypted_entry_is_told_apart():
    data = bytearray(packed({"a.jpg": b"one"}))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    ((_, content),) = photos(bytes(data), Budget(MEGABYTE))
    assert isinstance(content, PhotoError)
    assert content.code == "damaged_archive"
