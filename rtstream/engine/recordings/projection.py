"""Projects the logs of recordings onto rows. Each line is applied once and in order.

The logs are the source of truth. A recorder writes a line before it announces anything, so the announcement is only a
cue and may be lost. While the database is unavailable, logs grow and nothing is lost. The rows follow later.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio

from rtstream import disk
from rtstream.engine.recordings.log_recovery import LogRecovery
from rtstream.engine.recordings.media_recovery import MediaRecovery
from rtstream.errors import DatabaseUnavailable, NotFound
from rtstream.mp4.recovery import ZEROS_ARE_MEDIA
from rtstream.rules.backoff import delay
from rtstream.rules.recording_log import (
    LOG_FILE,
    FilesRemoved,
    LogLine,
    RecordingClosed,
    RecordingOpened,
    SegmentWritten,
    decode,
    encode,
    is_whole,
)
from rtstream.storage import Storage, joined
from rtstream.store import recording_logs as rows
from rtstream.store import recordings as recording_rows
from rtstream.store import values
from rtstream.store.database import Database
from rtstream.store.recording_logs import LogPiece

log = logging.getLogger(__name__)

READ_BYTES = 1 << 20
"""Bytes of a log that are read and applied at a time; about 7,000 segments."""
RETRY_MAX_S = 10.0
GATHER_S = 0.1
"""Seconds within which cues are applied in one transaction, because the cost is per transaction, not per line."""
LOGS_AT_ONCE = 32
"""Logs in one transaction, so that a write of another part of the engine does not wait for hundreds of them."""


BOOT_ID = "boot_id"
"""Key of the run of the operating system in which the files were last compared with the rows."""
NEWEST = 3
"""Recordings of a stream that may have been written when the power was cut, besides those without an end."""


@dataclass(frozen=True)
class ScanResult:
    """Result of a scan of the folders of all streams."""

    streams: int
    """Streams that the database did not know."""
    segments: int
    """Segments that had no row."""
    missing: int
    """Segments whose bytes are gone."""


class RecordingProjection:
    """Applies logs to rows.

    ``on_failure(reason)`` is called when recorded files cannot be read, and with "" once they can.
    """

    def __init__(
        self, db: Database, media: Storage, on_failure: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self._db = db
        self._media = media
        self._recovery = LogRecovery(media)
        self._on_failure = on_failure
        self._positions: dict[tuple[str, str], int] = {}
        self._due: dict[tuple[str, str], None] = {}
        self._unsettled: dict[str, None] = {}
        self._entering: dict[tuple[str, str], None] = {}
        self._scanned = False
        self._unreadable = False  # the last attempt failed because of recorded files, and not of the database
        self._changed = anyio.Event()
        self._turn = anyio.Lock()

    def cue(self, stream_id: str, recording_id: str) -> None:
        """Record that the log of a recording has grown."""
        self._due[stream_id, recording_id] = None
        self._changed.set()

    def behind(self, stream_id: str) -> bool:
        """Return whether footage of a stream is known that is not in the database yet, but will be soon.

        It may be called in any thread. False while files cannot be read, which may last forever.
        """
        if self._unreadable:
            return False
        due = any(owner == stream_id for owner, _ in (*self._due, *self._entering))
        return due or stream_id in self._unsettled or not self._scanned

    async def run(self) -> None:
        """Follow cues until cancelled. Retries without limit while the database fails."""
        attempt = 0
        while True:
            await self._changed.wait()
            if not attempt:
                await anyio.sleep(GATHER_S)
            self._changed = anyio.Event()
            due = self._entering = self._due
            self._due = {}
            try:
                for stream_id in list(self._unsettled):
                    await self.settle(stream_id)
                await self.catch_up(due)
            except (DatabaseUnavailable, OSError) as exc:
                attempt += 1
                self._unreadable = isinstance(exc, OSError)
                if attempt == 1:
                    log.warning("recordings cannot be entered into the database at the moment: %s", exc)
                if isinstance(exc, OSError):
                    failing = f"Recorded files cannot be read or written: {exc.strerror or type(exc).__name__}."
                    await self._report(failing)
                self._due = due | self._due
                self._entering = {}
                self._changed.set()
                await anyio.sleep(delay(attempt, RETRY_MAX_S, 0.5))
                continue
            self._entering = {}
            self._unreadable = False
            if attempt:
                log.info("recordings are entered into the database again")
                await self._report("")
            attempt = 0

    async def _report(self, failing: str) -> None:
        if self._on_failure is not None:
            await self._on_failure(failing)

    async def catch_up(self, due: Iterable[tuple[str, str]]) -> int:
        """Apply the lines that these logs have gained since they were last read. Returns the number of segments.

        Raises DatabaseUnavailable or OSError. Nothing is lost then, and the next call resumes at the same line.
        """
        logs = list(due)
        async with self._turn:
            return sum([await self._apply(logs[at : at + LOGS_AT_ONCE]) for at in range(0, len(logs), LOGS_AT_ONCE)])

    async def _apply(self, logs: Iterable[tuple[str, str]]) -> int:
        """Apply further lines of several logs, in one transaction while they are short."""
        count = 0
        waiting = {joined(log[0], f"{log[1]}/{LOG_FILE}"): log for log in logs}
        while waiting:
            offsets = await self._offsets(waiting)
            found = await self._media.read_from(offsets, READ_BYTES)
            pieces: list[LogPiece] = []
            for key, raw in found.items():
                lines, length = decode(raw)
                if length:
                    pieces.append(LogPiece(*waiting[key], lines, offsets[key] + length))
                if not length or len(raw) < READ_BYTES:
                    del waiting[key]
            waiting = {key: log for key, log in waiting.items() if key in found}
            if pieces:
                await self._db.write(rows.apply, pieces)
            for piece in pieces:
                await self._note_applied(piece)
                count += sum(isinstance(line, SegmentWritten) for line in piece.lines)
        return count

    async def _offsets(self, logs: Mapping[str, tuple[str, str]]) -> dict[str, int]:
        """Return how many bytes of each log are applied."""
        unread = {
            stream_id for stream_id, recording_id in logs.values() if (stream_id, recording_id) not in self._positions
        }
        known = {stream_id: await self._db.read(rows.positions, stream_id) for stream_id in unread}
        return {
            key: known[log[0]].get(log[1], (0, False))[0]
            if (position := self._positions.get(log)) is None
            else position
            for key, log in logs.items()
        }

    async def _note_applied(self, piece: LogPiece) -> None:
        await self._delete_removed(piece.stream_id, piece.lines)
        if any(isinstance(line, RecordingClosed) for line in piece.lines):
            self._positions.pop((piece.stream_id, piece.recording_id), None)
        else:
            self._positions[piece.stream_id, piece.recording_id] = piece.position

    async def _delete_removed(self, stream_id: str, lines: Iterable[LogLine]) -> None:
        """Delete the files that a log lists as removed. After a crash, some of them may still exist."""
        paths = [path for line in lines if isinstance(line, FilesRemoved) for path in line.paths]
        if paths:
            await self._media.delete([joined(stream_id, path) for path in paths])

    async def settle(self, stream_id: str) -> None:
        """Bring the rows of a stream up to date after its recorder has ended, cleanly or not.

        Fragments after the last line of a log are added to it, and logs without an end are closed.

        Raises:
            DatabaseUnavailable, OSError: Nothing is lost. The work is retried in the background.
        """
        self._unsettled[stream_id] = None
        self._changed.set()
        sizes = await self._media.list(stream_id)
        known = await self._db.read(rows.positions, stream_id)
        await self._enter(stream_id, sizes, known)
        self._unsettled.pop(stream_id, None)

    async def _enter(
        self, stream_id: str, sizes: dict[str, int], known: Mapping[str, tuple[int, bool]], *, finish: bool = True
    ) -> int:
        """Apply what the logs of a stream hold beyond its rows. Returns the number of segments.

        Args:
            stream_id: The stream.
            sizes: Sizes in bytes of its files.
            known: Bytes of each log that are applied, and whether its end is among them.
            finish: Whether logs without an end get one, unless they are still written.

        Raises:
            OSError: A recording cannot be read. All others are entered.
        """
        due: list[tuple[str, str]] = []
        failure: OSError | None = None
        for recording_id, size in _logs(stream_id, sizes).items():
            position, closed = known.get(recording_id, (0, False))
            if closed and position == size:
                continue
            try:
                if finish:
                    await self._finish(stream_id, recording_id, sizes, position)
                due.append((stream_id, recording_id))
            except OSError as exc:
                failure = failure or exc
        count = await self.catch_up(due)
        if failure is not None:
            raise failure
        return count

    async def _finish(self, stream_id: str, recording_id: str, sizes: dict[str, int], position: int) -> None:
        """Complete a log whose recorder has ended, so that it can be applied from a position on."""
        key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
        if await self._media.is_written(key):  # by a recorder that outlived its engine and will close it
            return
        raw = await self._media.read(key)
        if not any(isinstance(line, RecordingOpened) for line in decode(raw)[0]):
            raw = await self._rebuild(stream_id, recording_id, sizes, raw)
        elif position > len(raw) or not is_whole(raw[:position]):
            # A power cut lost lines that were already applied. The media is intact and is found again.
            log.warning("lines of the log of recording %s were lost, applying the log again", recording_id)
            self._positions.pop((stream_id, recording_id), None)
            await self._db.write(rows.start_over, stream_id, recording_id)
        await self._recovery.finish(stream_id, recording_id, sizes, raw)

    async def _rebuild(self, stream_id: str, recording_id: str, sizes: dict[str, int], raw: bytes = b"") -> bytes:
        """Write the log of a recording again, and let it be applied from the beginning. Returns its content."""
        known = await self._db.read(rows.lines, stream_id, recording_id)
        size = await self._recovery.rebuild(stream_id, recording_id, sizes, known, raw)
        self._positions.pop((stream_id, recording_id), None)
        if known:
            again = rows.start_over if size else rows.forget
            await self._db.write(again, stream_id, recording_id)
        if not size:
            return raw
        key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
        sizes[key] = size
        return await self._media.read(key)

    async def remove(self, stream_id: str, paths: Collection[str]) -> None:
        """Delete files of a stream. The removal is logged first, so that no later scan restores them."""
        by_recording: dict[str, list[str]] = {}
        for path in paths:
            by_recording.setdefault(path.partition("/")[0], []).append(path)
        for recording_id, removed in by_recording.items():
            key = joined(stream_id, f"{recording_id}/{LOG_FILE}")
            with suppress(NotFound):  # recordings of earlier versions have no log
                size = (await self._media.get(key)).size
                torn = size > 0 and await self._media.read(key, size - 1, 1) != b"\n"
                line = encode(FilesRemoved(tuple(removed)))
                await self._log_removal(stream_id, removed, key, b"\n" + line if torn else line)
        try:
            await self._db.write(recording_rows.remove_segments, stream_id, paths)
        except DatabaseUnavailable as exc:
            if exc.disk_full:  # deleting the files frees space, and the log removes the rows later
                await self._media.delete([joined(stream_id, path) for path in paths])
                for recording_id in by_recording:
                    self.cue(stream_id, recording_id)
            raise
        await self._media.delete([joined(stream_id, path) for path in paths])
        for recording_id in by_recording:
            await self._forget_empty(stream_id, recording_id)

    async def _log_removal(self, stream_id: str, removed: list[str], key: str, line: bytes) -> None:
        """Log a removal.

        On a full disk, the files are deleted first, because a scan cannot restore them without their bytes.
        """
        try:
            await self._media.append(key, line)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            await self._media.delete([joined(stream_id, path) for path in removed])
            await self._media.append(key, b"\n" + line)  # a part of the line may have been written

    async def _forget_empty(self, stream_id: str, recording_id: str) -> None:
        """Delete the log of a recording that has no media left. A log with a row may still grow."""
        self._positions.pop((stream_id, recording_id), None)
        if recording_id in await self._db.read(rows.positions, stream_id):
            return
        left = await self._media.list(joined(stream_id, recording_id))
        if len(left) <= 1:
            await self._media.delete_folder(joined(stream_id, recording_id))

    async def scan(self, running: frozenset[str] = frozenset()) -> ScanResult:
        """Compare the rows with the files on the disk and add the missing rows.

        Footage whose rows are missing is entered again, even into an empty database. Footage that was deleted on
        purpose stays deleted. Rows whose bytes are missing are removed. No file with media is deleted.

        Args:
            running: Streams whose recorders are running: their logs have no end yet.

        Raises:
            OSError: A recording cannot be read. All others are entered.
        """
        known = await self._db.read(rows.known_streams)
        boot = disk.boot_id()
        rebooted = not running and (not boot or await self._db.read(values.get, BOOT_ID) != boot)
        results: list[ScanResult] = []
        failure: OSError | None = None
        for stream_id in sorted(known.union(await self._media.folders())):
            try:
                sizes = dict(await self._media.list(stream_id))
                if rebooted:
                    await self._cut(stream_id, sizes)
                finish = stream_id not in running
                results.append(await self._scan_stream(stream_id, sizes, known=stream_id in known, finish=finish))
            except OSError as exc:
                failure = failure or exc
        self._scanned = True
        if failure is not None:
            raise failure
        if rebooted and boot:
            await self._db.write(values.put, BOOT_ID, boot)
        return ScanResult(
            sum(one.streams for one in results),
            sum(one.segments for one in results),
            sum(one.missing for one in results),
        )

    async def _scan_stream(self, stream_id: str, sizes: dict[str, int], *, known: bool, finish: bool) -> ScanResult:
        if finish:
            await self._rebuild_lost(stream_id, sizes)
        positions = await self._db.read(rows.positions, stream_id)
        if not known and not await self._add_stream(stream_id, _logs(stream_id, sizes)):
            return ScanResult(0, 0, 0)
        found = await self._enter(stream_id, sizes, positions, finish=finish)
        prefix = f"{stream_id}/"
        files = {key.removeprefix(prefix): size for key, size in (await self._media.list(stream_id)).items()}
        lost = await self._db.write(rows.remove_missing, stream_id, files)
        if lost:
            log.warning("%d recorded segments of %s are missing from the disk", lost, stream_id)
        return ScanResult(0 if known else 1, found, lost)

    async def _cut(self, stream_id: str, sizes: dict[str, int]) -> None:
        """Cut files whose end was not on the disk when the computer lost its power."""
        positions = await self._db.read(rows.positions, stream_id)
        closed = {recording_id for recording_id, (_, closed) in positions.items() if closed}
        newest = dict(await self._db.read(rows.newest, stream_id, NEWEST))
        unknown = await self._read_unknown(stream_id, _logs(stream_id, sizes).keys() - positions.keys())
        closed |= {opened.recording_id for opened, ended in unknown if ended}
        latest = sorted(unknown, key=lambda one: one[0].media_start or one[0].started_at)[-NEWEST:]
        newest |= {opened.recording_id: opened.codecs for opened, ended in unknown if not ended}
        newest |= {opened.recording_id: opened.codecs for opened, _ in latest}
        wanted = [
            joined(stream_id, recording_id)
            for recording_id in {key.split("/")[1] for key in sizes if key.count("/") == 2}
            if not newest.get(recording_id, "").startswith(ZEROS_ARE_MEDIA)
            and (recording_id in newest or recording_id not in closed)
        ]
        sizes.update(await MediaRecovery(self._media).cut(wanted, sizes))

    async def _read_unknown(self, stream_id: str, recordings: Iterable[str]) -> list[tuple[RecordingOpened, bool]]:
        """Return the first line of the logs of recordings without a row, and whether each log has its end."""
        found: list[tuple[RecordingOpened, bool]] = []
        for recording_id in recordings:
            with suppress(OSError):  # reported where the recording is entered
                lines, _ = decode(await self._media.read(joined(stream_id, f"{recording_id}/{LOG_FILE}")))
                opened = next((line for line in lines if isinstance(line, RecordingOpened)), None)
                if opened is not None:
                    found.append((opened, any(isinstance(line, RecordingClosed) for line in lines)))
        return found

    async def _rebuild_lost(self, stream_id: str, sizes: dict[str, int]) -> None:
        """Write the logs again that are missing, of recordings with files or with rows that came from a log."""
        logs = _logs(stream_id, sizes)
        known = await self._db.read(rows.positions, stream_id)
        found = {key.split("/")[1] for key in sizes if key.count("/") == 2}
        lost = found - logs.keys() - known.keys()
        lost |= await self._db.read(rows.logged, stream_id) - logs.keys()
        for recording_id in sorted(lost):
            await self._rebuild(stream_id, recording_id, sizes)

    async def _add_stream(self, stream_id: str, logs: dict[str, int]) -> bool:
        for recording_id in logs:
            for opened, _ in await self._read_unknown(stream_id, [recording_id]):
                await self._db.write(rows.add_found_stream, stream_id, opened)
                log.warning("stream %s was not in the database, restoring its recordings", stream_id)
                return True
        return False


def _logs(stream_id: str, sizes: dict[str, int]) -> dict[str, int]:
    """Return the size of the log of each recording of a stream in bytes, oldest first."""
    suffix = f"/{LOG_FILE}"
    prefix = f"{stream_id}/"
    return {
        key.removeprefix(prefix).removesuffix(suffix): size
        for key, size in sorted(sizes.items())
        if key.endswith(suffix) and key.count("/") == 2
    }
