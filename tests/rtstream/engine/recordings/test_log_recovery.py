"""Logs are completed from the recorded files: by their last fragments, by their end, or as a whole."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rtstream.engine.recordings.log_recovery import LogRecovery
from rtstream.rules.recording_log import (
    LOG_FILE,
    FilesRemoved,
    LogLine,
    RecordingClosed,
    RecordingOpened,
    SegmentWritten,
    decode,
    encode,
)
from rtstream.storage.folder import FolderStorage
from tests.rtstream.recorder.recorder_sources import video_file
from tests.rtstream.recorder.test_writer import picture_file, record

pytestmark = pytest.mark.anyio

STREAM = "rts-0123456789abcdef"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds with a keyframe every second."""
    return picture_file(tmp_path_factory.mktemp("source") / "twelve.mkv", [n * 100 for n in range(120)], 10)


@pytest.fixture
def log(pictures: Path, tmp_path: Path) -> Path:
    """The log of a complete recording of three segments."""
    folder = tmp_path / STREAM
    folder.mkdir()
    record(pictures, folder, segment_s=4.0)
    (found,) = folder.glob(f"*/{LOG_FILE}")
    return found


async def sizes_of(storage: FolderStorage) -> dict[str, int]:
    return dict(await storage.list(STREAM))


def read(log: Path) -> list[LogLine]:
    """The lines of a log without torn ones at its end."""
    lines, whole = decode(log.read_bytes())
    assert whole == log.stat().st_size
    return lines


def segments(lines: list[LogLine]) -> list[SegmentWritten]:
    return [line for line in lines if isinstance(line, SegmentWritten)]


async def finish(log: Path) -> None:
    storage = FolderStorage(log.parents[2])
    await LogRecovery(storage).finish(STREAM, log.parent.name, await sizes_of(storage), log.read_bytes())


@pytest.mark.parametrize("lines_lost", [1, 2, 3])
@pytest.mark.parametrize("torn", [b"", b'\x00{"kind": "segm'], ids=["whole", "torn"])
async def test_fragments_after_the_last_line_are_added_with_an_end(log: Path, lines_lost: int, torn: bytes) -> None:
    complete = segments(read(log))
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-lines_lost]) + torn)
    await finish(log)
    found = read(log)
    assert isinstance(found[-1], RecordingClosed)
    added = segments(found)
    assert found[-1].ended_at == added[-1].start + added[-1].duration
    assert sum(one.length for one in added) == sum(one.length for one in complete)
    assert added[-1].start + added[-1].duration == pytest.approx(complete[-1].start + complete[-1].duration, abs=0.1)


async def test_a_log_with_an_end_or_without_a_beginning_is_not_changed(log: Path) -> None:
    before = log.read_bytes()
    await finish(log)
    assert log.read_bytes() == before
    log.write_bytes(b"")
    await finish(log)
    assert log.read_bytes() == b""


@pytest.mark.parametrize("from_rows", [False, True], ids=["files", "rows"])
async def test_a_lost_log_is_written_again(log: Path, from_rows: bool) -> None:
    complete = read(log)
    log.unlink()
    storage = FolderStorage(log.parents[2])
    known = complete[:-1] if from_rows else []
    size = await LogRecovery(storage).rebuild(STREAM, log.parent.name, await sizes_of(storage), known)
    assert size == log.stat().st_size
    found = read(log)
    assert isinstance(found[0], RecordingOpened)
    assert isinstance(complete[0], RecordingOpened)
    assert found[0].init == complete[0].init
    assert sum(one.length for one in segments(found)) == sum(one.length for one in segments(complete))
    assert found == known or not from_rows


@pytest.mark.parametrize("with_video", [True, False], ids=["with-video", "alone"])
@pytest.mark.parametrize("codec", ["mp2", "libmp3lame", "aac", "ac3", "flac"])
async def test_a_log_that_is_written_from_files_names_the_codec_of_the_audio(
    codec: str, with_video: bool, tmp_path: Path
) -> None:
    source = video_file(tmp_path / "a.mkv", "libx264", codec, preset="ultrafast", tune="zerolatency")
    if not with_video:
        with av.open(str(source)) as both, av.open(str(tmp_path / "sound.mkv"), "w") as out:
            copy = out.add_stream_from_template(both.streams.audio[0])
            for packet in both.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = copy
                    out.mux(packet)
        source = tmp_path / "sound.mkv"
    folder = tmp_path / STREAM
    folder.mkdir()
    record(source, folder)
    (log,) = folder.glob(f"*/{LOG_FILE}")
    opened = read(log)[0]
    log.unlink()
    storage = FolderStorage(tmp_path)
    assert await LogRecovery(storage).rebuild(STREAM, log.parent.name, await sizes_of(storage), [])
    again = read(log)[0]
    assert isinstance(opened, RecordingOpened)
    assert isinstance(again, RecordingOpened)
    assert again.codecs == opened.codecs
    expected = {"mp2": "mp4a.40.33", "libmp3lame": "mp4a.6B", "aac": "mp4a.40.2", "ac3": "ac-3", "flac": "fLaC"}
    assert again.codecs.split(",")[-1] == expected[codec]


async def test_a_recording_without_media_gets_no_log(log: Path) -> None:
    log.unlink()
    storage = FolderStorage(log.parents[2])
    recovery = LogRecovery(storage)
    for file in log.parent.iterdir():
        file.write_bytes(b"\x00" * 4096)
    assert await recovery.rebuild(STREAM, log.parent.name, await sizes_of(storage), []) == 0
    assert await recovery.rebuild(STREAM, log.parent.name, {}, []) == 0
    assert not log.exists()


@pytest.mark.parametrize("removes", [False, True])
async def test_removals_in_a_log_without_a_beginning_still_count(log: Path, removes: bool) -> None:
    first = segments(read(log))[0].path
    log.write_bytes(encode(FilesRemoved((first if removes else "rec-other/1.m4s",))))
    storage = FolderStorage(log.parents[2])
    size = await LogRecovery(storage).rebuild(STREAM, log.parent.name, await sizes_of(storage), [], log.read_bytes())
    assert bool(size) != removes
    assert sum(isinstance(line, FilesRemoved) for line in read(log)) == 1


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_fragments_of_a_line_that_was_lost_in_between_are_added(log: Path, lost: int) -> None:
    complete = segments(read(log))
    lines = log.read_bytes().splitlines(keepends=True)
    lines[lost] = bytes(len(lines[lost]) - 1) + b"\n"
    log.write_bytes(b"".join(lines[:-1]))
    await finish(log)
    found = sorted(segments(read(log)), key=lambda one: one.offset)
    assert [(one.path, one.offset, one.length) for one in found] == [
        (one.path, one.offset, one.length) for one in complete
    ]
    for one, wanted in zip(found, complete, strict=True):
        assert (one.start, one.duration) == pytest.approx((wanted.start, wanted.duration), abs=0.1)
