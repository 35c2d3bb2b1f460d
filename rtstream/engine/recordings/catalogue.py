"""Recorded files as a person looks for them: read from the logs of the recordings, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from rtstream.errors import Conflict, InvalidRequest, NotFound, Unavailable
from rtstream.mp4.progressive import FormatMismatch, plan
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.recording_log import LOG_FILE, FilesRemoved, RecordingOpened, SegmentWritten, decode
from rtstream.storage import Storage, joined
from rtstream.storage.assembly import assemble_or_remove


@dataclass(frozen=True)
class LoggedRecording:
    """A recording as its log describes it, without removed files."""

    stream_id: str
    stream_name: str
    opened: RecordingOpened
    segments: Sequence[SegmentWritten]


@dataclass(frozen=True)
class RecordedFile:
    """A recorded file. Times are Unix seconds."""

    stream_id: str
    stream_name: str
    key: str
    start: float
    end: float
    size: int


async def logged_recordings(media: Storage, stream: str | None = None) -> list[LoggedRecording]:
    """Read the logs of all recordings, or of the streams with an id or name, oldest recording first."""
    found: list[LoggedRecording] = []
    for stream_id in await media.folders():
        for key in sorted(await media.list(stream_id)):
            if not key.endswith(f"/{LOG_FILE}"):
                continue
            with suppress(NotFound):
                lines, _ = decode(await media.read(key))
                opened = next((line for line in lines if isinstance(line, RecordingOpened)), None)
                if opened is None or (stream is not None and stream not in (stream_id, opened.stream_name)):
                    continue
                gone = {path for line in lines if isinstance(line, FilesRemoved) for path in line.paths}
                segments = [line for line in lines if isinstance(line, SegmentWritten) and line.path not in gone]
                found.append(LoggedRecording(stream_id, opened.stream_name, opened, segments))
    return sorted(found, key=lambda recording: recording.opened.started_at)


async def recorded_files(media: Storage, stream: str | None = None) -> list[RecordedFile]:
    """Return the recorded files, oldest first; see ``logged_recordings``."""
    files: list[RecordedFile] = []
    for recording in await logged_recordings(media, stream):
        spans: dict[str, list[float]] = {}
        for segment in recording.segments:
            span = spans.setdefault(segment.path, [segment.start, 0.0, 0])
            span[1], span[2] = segment.start + segment.duration, max(span[2], segment.offset + segment.length)
        for path, (start, end, size) in spans.items():
            key = joined(recording.stream_id, path)
            files.append(RecordedFile(recording.stream_id, recording.stream_name, key, start, end, int(size)))
    return sorted(files, key=lambda file: (file.stream_name, file.stream_id, file.start))


async def copy_range(media: Storage, stream: str, start: float, end: float, target: Path) -> float:
    """Write a range of a stream to an MP4 file that begins at 0 and opens in any player. Gaps are closed.

    Args:
        media: Storage of the recordings.
        stream: Id or name of the stream.
        start: Unix seconds.
        end: Unix seconds.
        target: The new file, which must not exist.

    Returns:
        Its length in seconds.

    Raises:
        NotFound: There is no such stream, or nothing was recorded in the range.
        InvalidRequest: Several streams have this name, or the format changes within the range.
        Conflict: The file exists.
        Unavailable: The file cannot be written.
    """
    logged = await logged_recordings(media, stream)
    if len({recording.stream_id for recording in logged}) > 1:
        raise InvalidRequest(f"Several streams are called {stream!r}. Use the id of one.")
    stored = (_stored(recording, start, end) for recording in logged)
    wanted = [recording for recording in stored if recording.pieces]
    if not wanted:
        raise NotFound(f"Nothing of the stream {stream!r} is recorded in this range.")
    keys = [piece.key for recording in wanted for piece in recording.pieces]

    async with media.lease(keys) as files:

        def write() -> float:
            flat = plan(wanted, start, end, files.open)
            ranges = [(stretch.key, stretch.offset, stretch.length) for stretch in flat.stretches]
            assemble_or_remove(target, flat.header, ranges, flat.times, files.open)
            return flat.duration

        try:
            return await anyio.to_thread.run_sync(write)
        except FileExistsError:
            raise Conflict(f"{target} exists already. Choose another name with --to.") from None
        except FormatMismatch:
            raise InvalidRequest("The format of the stream changes within this range. Choose a shorter one.") from None
        except (OSError, ValueError) as exc:
            raise Unavailable(f"The copy could not be written: {getattr(exc, 'strerror', None) or exc}.") from exc


def _stored(recording: LoggedRecording, start: float, end: float) -> StoredRecording:
    """Return the segments of a recording that overlap a range."""
    pieces = [
        StoredSegment(joined(recording.stream_id, one.path), one.offset, one.length, one.start)
        for one in recording.segments
        if one.start < end and one.start + one.duration > start
    ]
    return StoredRecording(recording.opened.init, pieces)
