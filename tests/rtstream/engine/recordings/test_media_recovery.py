"""A file whose size reached the disk before its data is cut before the first page that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.engine.recordings.media_recovery import FILES, MediaRecovery
from rtstream.mp4.recovery import PAGE
from rtstream.rules.recording_log import LOG_FILE
from rtstream.storage.folder import FolderStorage

pytestmark = pytest.mark.anyio

FOLDER = "rts-1/rec-1"


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    (tmp_path / FOLDER).mkdir(parents=True)
    return FolderStorage(tmp_path)


async def cut(storage: FolderStorage) -> dict[str, int]:
    return await MediaRecovery(storage).cut([FOLDER], dict(await storage.list("rts-1")))


@pytest.mark.parametrize(
    ("pages", "wanted"),
    [([1, 1, 0, 1], 2), ([1, 0, 0], 1), ([0, 1], 0), ([1, 1, 1], None)],
    ids=["in between", "at the end", "at the beginning", "whole"],
)
async def test_a_file_is_cut_before_its_first_missing_page(
    storage: FolderStorage, tmp_path: Path, pages: list[int], wanted: int | None
) -> None:
    path = tmp_path / FOLDER / "000000.m4s"
    path.write_bytes(b"".join(bytes([page]) * PAGE for page in pages) + b"end")
    before = path.stat().st_size
    found = await cut(storage)
    assert found == ({} if wanted is None else {f"{FOLDER}/000000.m4s": wanted * PAGE})
    assert path.stat().st_size == (before if wanted is None else wanted * PAGE)


async def test_older_files_and_the_log_are_left_alone(storage: FolderStorage, tmp_path: Path) -> None:
    for number in range(FILES + 1):
        (tmp_path / FOLDER / f"{number:06}.m4s").write_bytes(bytes(PAGE))
    (tmp_path / FOLDER / LOG_FILE).write_bytes(bytes(PAGE))
    assert set(await cut(storage)) == {f"{FOLDER}/{number:06}.m4s" for number in range(1, FILES + 1)}
