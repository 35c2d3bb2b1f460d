"""Completes logs of recordings from the recorded files.

A recorder that was killed leaves a log without its last lines. A log that was lost is written again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import anyio

from rtstream.mp4.edit_list import without_edit_list
from rtstream.mp4.fragments import codecs
from rtstream.mp4.recovery import FoundFragments, find_fragments, has_layer_2, header_length
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
        added = await self._unlogged(stream_id, recording_id, opened, lines, sizes)
        written = [line for line in [*lines, *added] if isinstance(line, SegmentWritten)]
        end = max((line.start + line.duration for line in written), default=opened.started_at)
        closed = RecordingClosed(end, "the recorder ended before it could close the recording")
        torn = b"\n" if whole < len(raw) else b""
        key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
        await self._media.append(key, torn + b"".join(map(encode, [*added, closed])))

    async def rebuild(
        self, stream_id: str, recording_id: str, sizes: dict[str, int], known: Sequence[LogLine], raw: bytes = b""
    ) -> int:
        """Write a log that was lost or has no beginning again, from the rows of its recording, else from its files.

        Args:
            stream_id: Id of the stream.
            recording_id: Id of the recording.
            sizes: Sizes in bytes of the files of the stream.
            known: Lines that stand for the rows of the recording; empty if there are none.
            raw: The rest of the log, of which removals still count.

        Returns:
            The size of the log in bytes; 0 if the recording has no media and its log was not written.
        """
        folder = joined(stream_id, recording_id)
        key = f"{folder}/{LOG_FILE}"
        files = {one: size for one, size in sizes.items() if one.startswith(f"{folder}/") and one != key}
        removed = [line for line in decode(raw)[0] if isinstance(line, FilesRemoved)]
        gone = {joined(stream_id, path) for line in removed for path in line.paths}
        if not files.keys() - gone:
            return 0
        lines = [*known, *removed] if known else await self._lines_of_files(stream_id, recording_id, files, removed)
        if not lines:
            return 0
        content = b"".join(map(encode, lines))
        await self._media.put(key, content)
        log.warning("the log of recording %s was missing and was written again", recording_id)
        return len(content)

    async def _lines_of_files(
        self, stream_id: str, recording_id: str, files: dict[str, int], removed: list[FilesRemoved]
    ) -> list[LogLine]:
        for key in sorted(files):
            head = await self._media.read(key, 0, HEADER_BYTES)
            length = header_length(head)
            media = head[length:]
            found = find_fragments(media, head[:length]) if length else None
            if found is None and length:
                media = await self._media.read(key, length, MAX_TAIL)
                found = find_fragments(media, head[:length])
            if found is not None:
                first, init = found.first_time, without_edit_list(head[:length])
                names = codecs(init, layer_2=has_layer_2(media[found.offset :], init))
                opened = RecordingOpened(recording_id, stream_id, first, names, init, media_start=first)
                segments = await self._unlogged(stream_id, recording_id, opened, removed, files)
                return [opened, *removed, *segments] if segments else []
        return []

    async def _unlogged(
        self,
        stream_id: str,
        recording_id: str,
        opened: RecordingOpened,
        lines: Sequence[LogLine],
        sizes: dict[str, int],
    ) -> list[SegmentWritten]:
        """Return segments of the whole fragments that no line of a log names.

        They are at the end, or in between if a power cut took a page of the log.
        """
        removed = {path for line in lines if isinstance(line, FilesRemoved) for path in line.paths}
        logged: dict[str, list[SegmentWritten]] = {}
        for line in lines:
            if isinstance(line, SegmentWritten):
                logged.setdefault(line.path, []).append(line)
        keys = {key.removeprefix(f"{stream_id}/"): key for key in sizes}
        paths = {path for path in keys if path.startswith(f"{recording_id}/") and not path.endswith(LOG_FILE)}
        added: list[SegmentWritten] = []
        until = opened.started_at
        for path in sorted(paths.union(logged)):
            reached = 0
            for known in sorted(logged.get(path, []), key=lambda one: one.offset):
                if path in paths - removed and known.offset > reached:
                    found = await self._search(keys[path], reached, known.offset, opened.init)
                    if found is not None and known.start > until:
                        added.append(SegmentWritten(until, known.start - until, path, found.offset, found.length))
                reached, until = known.offset + known.length, max(until, known.start + known.duration)
            if path in paths - removed:
                found = await self._search(keys[path], reached, sizes[keys[path]], opened.init)
                if found is not None:
                    duration = found.end_time - found.first_time
                    added.append(SegmentWritten(until, duration, path, found.offset, found.length))
                    until += duration
        return added

    async def _search(self, key: str, begin: int, end: int, init: bytes) -> FoundFragments | None:
        """Find the whole fragments in a part of a file. Their offset is that in the file."""
        if not 0 < end - begin <= MAX_TAIL:
            return None
        data = await self._media.read(key, begin, end - begin)
        skipped = header_length(data) if begin == 0 else 0
        found = await anyio.to_thread.run_sync(find_fragments, data[skipped:], init)
        return found and replace(found, offset=begin + skipped + found.offset)
