"""A folder as a storage: whole files, exact ranges, no way out of the folder, nothing half after a crash."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from rtstream.errors import NotFound
from rtstream.forkserver import context
from rtstream.storage import Draft, Storage
from rtstream.storage.folder import FolderStorage

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 1000


@pytest.fixture
async def storage(tmp_path: Path) -> Storage:
    (tmp_path / "secret").write_bytes(b"secret")
    return FolderStorage.create(tmp_path / "media")


async def collected(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_a_file_is_read_whole_and_in_ranges(storage: Storage) -> None:
    await storage.put("rts-1/rec-1/000001.m4s", DATA)
    file = await storage.get("rts-1/rec-1/000001.m4s")
    assert file.size == len(DATA)
    assert await storage.read(file.key) == DATA
    assert await storage.read(file.key, 100, 7) == DATA[100:107]
    assert await collected(file.open_range(0, file.size)) == DATA
    assert await collected(file.open_range(1000, 200_000)) == DATA[1000:201_000]


async def test_a_range_beyond_the_end_ends_with_the_file(storage: Storage) -> None:
    await storage.put("a/b", b"short")
    assert await storage.read("a/b", 3, 100) == b"rt"
    assert await collected(storage.open_range("a/b", 3, 100)) == b"rt"
    assert await collected(storage.open_range("a/b", 100, 100)) == b""
    assert await collected(storage.open_range("a/gone", 0, 100)) == b""


async def test_putting_a_file_again_replaces_it_and_leaves_no_other(storage: Storage) -> None:
    await storage.put("a/b", b"old")
    await storage.put("a/b", b"new")
    assert await storage.read("a/b") == b"new"
    assert await storage.list("a") == {"a/b": 3}


@pytest.mark.parametrize(
    "key",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/./b",
        "",
        ".",
        "..",
        "a/",
        "a\\..\\..\\secret",
        "C:secret",
        "a/b\0",
        "x" * 3000,
        "a/" + "x" * 300,
        "a/" + "ü" * 130,
        "a/\ud800",
    ],
)
async def test_no_key_leads_out_of_the_storage(storage: Storage, tmp_path: Path, key: str) -> None:
    await storage.put("a/b", b"inside")
    with pytest.raises(NotFound):
        await storage.get(key)
    assert await collected(storage.open_range(key, 0, 10)) == b""
    with pytest.raises(NotFound):
        await storage.read(key)
    with pytest.raises(NotFound):
        await storage.put(key, b"outside")
    await storage.delete_folder(key)
    assert await storage.list(key) == {}
    await storage.delete([key])
    assert await storage.read("a/b") == b"inside"
    assert (tmp_path / "secret").read_bytes() == b"secret"


async def test_a_link_in_the_folder_does_not_lead_out_of_it(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "media" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "media" / "up").symlink_to(tmp_path)
    for key in ("link", "up/secret"):
        with pytest.raises(NotFound):
            await storage.get(key)
        with pytest.raises(NotFound):
            await storage.read(key)
        await storage.delete([key])
    await storage.delete_folder("up")
    assert (tmp_path / "secret").exists()


async def test_deleting_what_is_not_there_is_no_error(storage: Storage) -> None:
    await storage.put("a/b", b"1")
    await storage.put("a/c/d", b"22")
    await storage.delete(["a/b", "a/b", "gone"])
    assert await storage.list("a") == {"a/c/d": 2}
    await storage.delete_folder("a")
    await storage.delete_folder("a")
    assert await storage.list("a") == {}
    assert await storage.folders() == []


async def test_free_space_is_that_of_the_disk(storage: Storage) -> None:
    assert 0 < await storage.free() < 1 << 60


async def test_a_recorder_gets_a_folder_of_its_own(storage: Storage) -> None:
    folder = Path(await storage.spool("rts-1"))
    (folder / "000001.m4s").write_bytes(b"123")
    assert await storage.spool("rts-1") == str(folder)
    assert await storage.list("rts-1") == {"rts-1/000001.m4s": 3}
    with pytest.raises(NotFound):
        await storage.spool("../rts-1")


async def test_leased_files_are_read_by_another_process(storage: Storage) -> None:
    await storage.put("a/b", DATA)
    async with storage.lease(["a/b"]) as files:
        with ProcessPoolExecutor(1, mp_context=context()) as pool:
            assert pool.submit(files.read, "a/b", 10, 5).result(30) == DATA[10:15]
        with files.open("a/b") as file:
            assert file.read() == DATA
        with pytest.raises(NotFound):
            files.open("../secret")


async def test_a_draft_appears_when_it_is_published(storage: Storage) -> None:
    await storage.put("source", DATA)
    async with storage.lease(["source"]) as files:
        with storage.draft("m-1") as draft:
            draft.write("index.json", b"{}")
            draft.assemble("video.mp4", b"head", [("source", 10, 20), ("source", 0, 5)], [(0, b"H")], files)
            with pytest.raises(NotFound):
                await storage.get("m-1/video.mp4")
            assert draft.free() > 0
            draft.publish()
    assert await storage.read("m-1/video.mp4") == b"Head" + DATA[10:30] + DATA[:5]
    assert await storage.folders() == ["m-1"]


async def test_a_draft_that_fails_leaves_nothing(storage: Storage) -> None:
    await storage.put("source", b"short")
    async with storage.lease(["source"]) as files:
        with pytest.raises(ValueError, match="truncated"), storage.draft("m-1") as draft:
            draft.assemble("video.mp4", b"head", [("source", 0, 100)], [], files)
    assert await storage.folders() == []


async def test_a_draft_left_by_a_crash_is_found_and_deleted(storage: Storage, tmp_path: Path) -> None:
    draft = Draft(str(tmp_path / "media" / "m-1"))
    draft.__enter__().write("video.mp4", b"half")
    assert await storage.folders() == ["m-1.partial"]
    await storage.delete_folder("m-1")
    assert await storage.folders() == []


async def test_a_stored_file_is_on_the_disk_before_it_has_its_name(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((tmp_path / "media" / "a" / "b").exists())

    monkeypatch.setattr(os, "fsync", spy)
    monkeypatch.setattr(os, "fdatasync", spy, raising=False)
    await storage.put("a/b", b"data")
    assert synced[0] is False
    assert os.name != "posix" or synced[-1] is True


async def test_several_files_are_read_from_an_offset_each(storage: Storage) -> None:
    await storage.put("a/one.log", b"0123456789")
    await storage.put("a/two.log", b"abc")
    offsets = {"a/one.log": 4, "a/two.log": 3, "a/missing.log": 0, "../a/one.log": 0}
    assert await storage.read_from(offsets, 3) == {"a/one.log": b"456", "a/two.log": b""}
