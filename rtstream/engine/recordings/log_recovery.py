"""Completes logs of recordings from the recorded files.

A recorder that was killed leaves a log without its last lines. A log that was lost is written again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import anyio

from rtstream.mp4.edit_list import without_edit_list
from rtstream.mp4.fragments import codecs
from rtstream.mp4.recovery import find_fragments, header_length
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
from rtstream.storage import Storage, joined

log = logging.getLogger(__name__)

MAX_TAIL = 512 << 20
"""Bytes of a file after the last line of its log that are searched for fragments."""
HEADER_BYTES = 1 << 20
"""Bytes at the beginning of a file in which its header must end."""


class LogRecovery:
    """Adds to logs what the recorded files contain and the logs do not."""

    def __init__(self, media: Storage) -> None:
        self._media = media

    async def finish(self, stream_id: str, recording_id: str, sizes: dict[str, int], raw: bytes) -> None:
        """Complete the log of a killed recorder with its last fragments and its end.

        Does nothing if the log has its end, or not even its first line.

        Args:
            stream_id: Id of the stream.
            recording_id: Id of the recording.
            sizes: Sizes in bytes of the files of the stream.
            raw: Content of the log.
        """
        lines, whole = decode(raw)
        opened = next((line for line in lines if isinstance(line, RecordingOpened)), None)
        if opened is None or any(isinstance(line, RecordingClosed) for line in lines):
            return
        added = await self._tail(stream_id, recording_id, opened, lines, sizes)
        written = [line for line in [*lines, *added] if isinstance(line, SegmentWritten)]
        end = max((line.start + line.duration for line in written), default=opened.started_at)
        added.append(RecordingClosed(end, "the recorder ended before it could close the recording"))
        torn = b"\n" if whole < len(raw) else b""
        key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
        await self._media.append(key, torn + b"".join(map(encode, added)))

    async def rebuild(self, stream_id: str, sizes: dict[str, int], known: Collection[str]) -> dict[str, int]:
        """Write the logs of recordings that have neither a log nor a row, from their files.

        Args:
            stream_id: Id of the stream.
            sizes: Sizes in bytes of the files of the stream.
            known: Ids of the recordings that have a row.

        Returns:
            The sizes in bytes of the new logs.
        """
        recordings: dict[str, dict[str, int]] = {}
        for key, size in sizes.items():
            _, recording_id, *rest = key.split("/")
            if rest and recording_id not in known:
                recordings.setdefault(recording_id, {})[key] = size
        written: dict[str, int] = {}
        for recording_id, files in recordings.items():
            key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
            if key in files:
                continue
            lines = await self._lines_of_files(stream_id, recording_id, files)
            if lines:
                raw = b"".join(map(encode, lines))
                await self._media.put(key, raw)
                written[key] = len(raw)
                log.warning("the log of recording %s was missing and was rebuilt from its files", recording_id)
        return written

    async def _lines_of_files(self, stream_id: str, recording_id: str, files: dict[str, int]) -> list[LogLine]:
        for key in sorted(files):
            head = await self._media.read(key, 0, HEADER_BYTES)
            length = header_length(head)
            found = find_fragments(head[length:], head[:length]) if length else None
            if found is None and length:
                found = find_fragments(await self._media.read(key, length, MAX_TAIL), head[:length])
            if found is not None:
                first, init = found.first_time, without_edit_list(head[:length])
                opened = RecordingOpened(recording_id, stream_id, first, codecs(init), init, media_start=first)
                segments = await self._tail(stream_id, recording_id, opened, [], files)
                return [opened, *segments] if segments else []
        return []

    async def _tail(
        self, stream_id: str, recording_id: str, opened: RecordingOpened, lines: list[LogLine], sizes: dict[str, int]
    ) -> list[LogLine]:
        """Return segments of the complete fragments after the last line of a log."""
        ends: dict[str, int] = {}
        removed: set[str] = set()
        until = opened.started_at
        for line in lines:
            if isinstance(line, SegmentWritten):
                ends[line.path] = max(ends.get(line.path, 0), line.offset + line.length)
                until = max(until, line.start + line.duration)
            elif isinstance(line, FilesRemoved):
                removed.update(line.paths)
        added: list[LogLine] = []
        prefix = f"{stream_id}/"
        newest = max(ends, default="")
        for key in sorted(sizes):
            path = key.removeprefix(prefix)
            if not path.startswith(f"{recording_id}/") or path.endswith(LOG_FILE) or path in removed or path < newest:
                continue
            start = ends.get(path, 0)
            if not 0 < sizes[key] - start <= MAX_TAIL:
                continue
            data = await self._media.read(key, start)
            skipped = 0 if path in ends else header_length(data)
            found = await anyio.to_thread.run_sync(find_fragments, data[skipped:], opened.init)
            if found is None:
                continue
            duration = found.end_time - found.first_time
            added.append(SegmentWritten(until, duration, path, start + skipped + found.offset, found.length))
            until += duration
        return added
