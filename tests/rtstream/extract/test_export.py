"""An export is published whole or not at all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.extract.export import ExportJob, export
from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import Draft
from rtstream.storage.keys import DRAFT
from tests.rtstream.mp4.test_progressive import START, b_frames, recording
from tests.sources import FILES, path_of

__all__ = ["b_frames", "recording"]


def job(recording: StoredRecording, folder: Path, *, room: int = 0) -> ExportJob:
    return ExportJob(FILES, [recording], "avc1", START, START + 8, Draft(str(folder)), room)


def test_an_export_is_there_whole_or_not_at_all(recording: StoredRecording, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    index = export(job(recording, tmp_path / "m-1"), lambda done, total: heard.append((done, total)))
    assert heard[-1] == (index["size"], index["size"])
    assert sorted(path.name for path in (tmp_path / "m-1").iterdir()) == ["index.json", "video.mp4"]
    with pytest.raises(OSError, match="not enough free space"):
        export(job(recording, tmp_path / "m-3", room=1 << 60), lambda *_: None)
    path_of(recording.pieces[-1].key).write_bytes(b"")
    with pytest.raises(ValueError, match="truncated"):
        export(job(recording, tmp_path / "m-2"), lambda done, total: None)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("m-")] == ["m-1"]


def test_an_export_gets_its_name_when_the_disk_has_it_all(
    recording: StoredRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("what a descriptor stands for is only told by Linux")
    synced: list[tuple[str, int, bool]] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, path.stat().st_size, (tmp_path / "m-1").exists()))

    monkeypatch.setattr(os, "fsync", spy)
    monkeypatch.setattr(os, "fdatasync", spy, raising=False)
    index = export(job(recording, tmp_path / "m-1"), lambda *_: None)
    assert ("video.mp4", index["size"], False) in synced
    names = [(name, named) for name, _, named in synced]
    assert names[-3:] == [("index.json", False), (f"m-1{DRAFT}", False), (tmp_path.name, True)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_while_writing_keeps_nothing(recording: StoredRecording, small_disk: Path) -> None:
    # The check before writing passes, because other programs also write.
    with pytest.raises(OSError, match="No space"):
        export(job(recording, small_disk / "m-1", room=-(1 << 40)), lambda *_: None)
    assert list(small_disk.iterdir()) == []
    assert not (small_disk / f"m-1{DRAFT}").exists()
