"""Recorded files are listed from the logs on the disk, and a range is copied to a file that any player opens."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rtstream.engine.recordings.catalogue import copy_range, logged_recordings, recorded_files
from rtstream.errors import Conflict, InvalidRequest, NotFound
from rtstream.messages import SegmentClosed
from rtstream.rules.recording_log import FilesRemoved, encode
from rtstream.storage.folder import FolderStorage
from tests.rtstream.recorder.test_writer import picture_file, record, segments_of

pytestmark = pytest.mark.anyio

STREAM = "rts-0123456789abcdef"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds with a keyframe every second."""
    return picture_file(tmp_path_factory.mktemp("source") / "twenty.mkv", [n * 100 for n in range(200)], 10)


@pytest.fixture
def recorded(pictures: Path, tmp_path: Path) -> tuple[Path, list[SegmentClosed]]:
    folder = tmp_path / "media" / STREAM
    folder.mkdir(parents=True)
    return tmp_path / "media", segments_of(record(pictures, folder, segment_s=4.0))


async def test_files_are_listed_with_their_times_by_id_or_name(recorded: tuple[Path, list[SegmentClosed]]) -> None:
    media, segments = recorded
    storage = FolderStorage(media)
    (file,) = await recorded_files(storage)
    assert (file.stream_name, file.start) == ("Door", segments[0].start)
    assert file.end == pytest.approx(segments[0].start + 20, abs=0.2)
    assert (media / file.key).stat().st_size == file.size
    assert [await recorded_files(storage, name) for name in ("Door", STREAM)] == [[file], [file]]
    assert await recorded_files(storage, "Yard") == []


async def test_removed_files_and_damaged_logs_are_not_listed(recorded: tuple[Path, list[SegmentClosed]]) -> None:
    media, segments = recorded
    (log,) = media.glob("*/*/recording.log")
    with log.open("ab") as file:
        file.write(encode(FilesRemoved((segments[0].path,))))
    assert await recorded_files(FolderStorage(media)) == []
    log.write_bytes(b"\xff" * 1000)
    assert await logged_recordings(FolderStorage(media)) == []


@pytest.mark.parametrize(("start", "end", "length"), [(0.0, 1e12, 20.0), (5.0, 10.0, 5.0), (18.0, 1e12, 2.0)])
async def test_a_copy_begins_at_zero_and_has_the_right_length(
    recorded: tuple[Path, list[SegmentClosed]], tmp_path: Path, start: float, end: float, length: float
) -> None:
    media, segments = recorded
    target = tmp_path / "copy.mp4"
    first = segments[0].start
    start, end = (first + start if start else 0.0), (end if end == 1e12 else first + end)
    assert await copy_range(FolderStorage(media), STREAM, start, end, target) == pytest.approx(length, abs=1.1)
    with av.open(str(target)) as opened:
        assert opened.start_time == pytest.approx(0, abs=200_000)
        assert opened.duration is not None
        assert opened.duration / 1e6 == pytest.approx(length, abs=1.1)
        assert sum(1 for _ in opened.decode(video=0)) == pytest.approx(length * 10, abs=11)


async def test_what_cannot_be_copied_is_one_sentence_and_leaves_nothing(
    recorded: tuple[Path, list[SegmentClosed]], tmp_path: Path, pictures: Path
) -> None:
    media, segments = recorded
    storage, target = FolderStorage(media), tmp_path / "copy.mp4"
    with pytest.raises(NotFound, match="Nothing"):
        await copy_range(storage, "Door", 1.0, 2.0, target)
    with pytest.raises(NotFound, match="Nothing"):
        await copy_range(storage, "Yard", 0.0, 1e12, target)
    assert not target.exists()
    target.write_bytes(b"mine")
    with pytest.raises(Conflict, match="exists already"):
        await copy_range(storage, "Door", 0.0, 1e12, target)
    assert target.read_bytes() == b"mine"
    other = media / "rts-fedcba9876543210"
    other.mkdir()
    record(pictures, other, segment_s=4.0)
    with pytest.raises(InvalidRequest, match="Use the id"):
        await copy_range(storage, "Door", segments[0].start, 1e12, tmp_path / "other.mp4")
