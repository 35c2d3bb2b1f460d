"""Runs one recorder per stream, which it starts or takes over, restarts after a crash, and stops."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup

from rtstream import messages as m
from rtstream.engine.streams.launcher import RecorderLauncher, RecorderLink, Superseded
from rtstream.errors import Unavailable
from rtstream.rules.backoff import delay

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0
SNAPSHOT_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
STEADY_S = 30.0
"""Lifetime in seconds after which the crash of a recorder resets the back-off."""
RESTARTED = "the recorder ended unexpectedly and is started again"
SUPERSEDED = "another engine of this data folder has taken the recorder over"

Handler = Callable[[str, m.Message], Awaitable[None]]


@dataclass
class RecorderRun:
    """The recorder of one stream, across its restarts."""

    spec: m.RecorderSpec
    stopping: bool = False
    released: bool = False
    link: RecorderLink | None = None
    snapshots: dict[int, tuple[anyio.Event, list[m.SnapshotTaken]]] = field(default_factory=dict)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Supervisor:
    """Owns the connections to the recorders.

    While a message is being handled, the recorder's next one waits. A slow engine makes the recorder drop sampled
    frames, which it counts, and never segments.

    Args:
        tasks: Runs one task per stream.
        handle: Called as ``handle(stream_id, message)`` with every message, one at a time per stream.
        taken_over: Called with the id of a stream whose recorder was already running, before its first message.
        launcher: Starts the recorders.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        handle: Handler,
        taken_over: Callable[[str], Awaitable[None]],
        launcher: RecorderLauncher,
    ) -> None:
        self._tasks = tasks
        self._handle = handle
        self._taken_over = taken_over
        self._launcher = launcher
        self._runs: dict[str, RecorderRun] = {}
        self._taps: dict[str, m.SetTaps] = {}
        self._numbers = itertools.count(1)
        # One thread per running stream waits for messages. The default limit of 40 would starve everything else.
        self._threads = anyio.CapacityLimiter(1_000_000)

    @property
    def outlives(self) -> bool:
        """Whether recorders continue when this engine ends."""
        return self._launcher.outlives

    @property
    def running(self) -> set[str]:
        """Ids of the streams that have a recorder or are waiting for its restart."""
        return set(self._runs)

    def start(self, spec: m.RecorderSpec) -> None:
        """Run a stream. Has no effect if it is already running."""
        if spec.stream_id not in self._runs:
            run = self._runs[spec.stream_id] = RecorderRun(spec)
            self._tasks.start_soon(self._supervise, run)

    async def stop(self, stream_id: str) -> None:
        """Stop a recorder. It finishes its segment, or is killed after a few seconds."""
        run = self._runs.get(stream_id)
        if run is None:
            return
        run.stopping = True
        await self._send(run, m.StopRecorder())
        with anyio.move_on_after(STOP_TIMEOUT_S):
            await run.ended.wait()
            return
        log.warning("the recorder of %s did not stop in %.0f s and is killed", stream_id, STOP_TIMEOUT_S)
        await self._kill(run)
        run.scope.cancel()
        await run.ended.wait()

    async def stop_all(self) -> None:
        """Stop all recorders concurrently."""
        async with anyio.create_task_group() as tasks:
            for stream_id in list(self._runs):
                tasks.start_soon(self.stop, stream_id)

    async def release_all(self, limit_s: float | None) -> None:
        """Leave all recorders to the next engine. Those that cannot outlive this one end.

        Args:
            limit_s: Seconds after which they end unless an engine has attached. None applies their own limit.
        """
        if not self._launcher.outlives:
            await self.stop_all()
            return
        for run in list(self._runs.values()):
            run.stopping = run.released = True
        async with anyio.create_task_group() as tasks:
            for run in list(self._runs.values()):
                tasks.start_soon(self._release, run, limit_s)

    async def _release(self, run: RecorderRun, limit_s: float | None) -> None:
        if limit_s is not None:
            await self._send(run, m.ReleaseRecorder(limit_s))
        run.scope.cancel()
        await run.ended.wait()

    async def living(self) -> set[str]:
        """Return the streams whose recorders an earlier engine left behind and that this one has not taken over."""
        found = await anyio.to_thread.run_sync(self._launcher.living, limiter=self._threads)
        return set(found) - self._runs.keys()

    async def stop_unwanted(self) -> None:
        """Stop the recorders of an earlier engine whose streams should no longer run."""
        async with anyio.create_task_group() as tasks:
            for stream_id in await self.living():
                log.warning("stopping the recorder of %s, because the stream should not run", stream_id)
                tasks.start_soon(
                    partial(anyio.to_thread.run_sync, limiter=self._threads), self._launcher.stop, stream_id
                )

    async def set_pictures(self, stream_id: str, taps: dict[str, dict[str, float]]) -> None:
        """Set the frames that the recorder sends (``messages.SetTaps``). Remembered through restarts and stops."""
        await self._set_taps(stream_id, m.SetTaps(taps, self._wanted(stream_id).audio))

    async def set_audio(self, stream_id: str, on: bool) -> None:
        """Set whether the recorder sends audio. Remembered through restarts and stops."""
        await self._set_taps(stream_id, m.SetTaps(self._wanted(stream_id).taps, on))

    def _wanted(self, stream_id: str) -> m.SetTaps:
        return self._taps.get(stream_id) or m.SetTaps({})

    async def _set_taps(self, stream_id: str, wanted: m.SetTaps) -> None:
        if wanted.taps or wanted.audio:
            self._taps[stream_id] = wanted
        else:
            self._taps.pop(stream_id, None)
        run = self._runs.get(stream_id)
        if run is not None:
            await self._send(run, wanted)

    async def snapshot(self, stream_id: str, max_side: int) -> m.SnapshotTaken:
        """Return the current picture. Raises Unavailable if the stream has none."""
        run = self._runs.get(stream_id)
        if run is None or run.link is None:
            raise Unavailable(
                "The stream is not running, so it has no current picture. Start it, or ask for a recorded moment."
            )
        number = next(self._numbers)
        got = anyio.Event()
        box: list[m.SnapshotTaken] = []
        run.snapshots[number] = (got, box)
        try:
            await self._send(run, m.TakeSnapshot(number, max_side))
            with anyio.move_on_after(SNAPSHOT_TIMEOUT_S):
                await got.wait()
        finally:
            del run.snapshots[number]
        if not box:
            raise Unavailable("The stream has not sent a picture yet. Try again in a few seconds.")
        if not box[0].payload:
            raise Unavailable(f"There is no current picture: {box[0].reason or 'the stream has not sent one yet'}.")
        return box[0]

    async def _supervise(self, run: RecorderRun) -> None:
        stream_id = run.spec.stream_id
        attempt, began = 0, time.monotonic()
        try:
            with run.scope:
                while not run.stopping:
                    try:
                        await self._live(run, attempt)
                    except Superseded:
                        log.warning("%s: %s", stream_id, SUPERSEDED)
                        await self._handle(stream_id, m.RecorderHealth("error", SUPERSEDED))
                        return
                    except Exception:
                        log.exception("the recorder of %s could not be run", stream_id)
                    if run.stopping:
                        break
                    attempt = 1 if time.monotonic() - began > STEADY_S else attempt + 1
                    if attempt > 1:
                        await anyio.sleep(delay(attempt - 1, run.spec.reconnect_max_s, random.random()))  # noqa: S311
                    began = time.monotonic()
        finally:
            await self._let_go(run)
            self._runs.pop(stream_id, None)
            run.ended.set()

    async def _live(self, run: RecorderRun, attempt: int) -> None:
        """Run one recorder process from its start, or from its take-over, to its end.

        Args:
            run: The stream.
            attempt: The number of recorders that ended unexpectedly before it.
        """
        stream_id = run.spec.stream_id
        reported = anyio.Event()
        # Concurrent with the start of the recorder, which a slow database must not delay.
        self._tasks.start_soon(self._report_restart, run, attempt, reported)
        run.link = await anyio.to_thread.run_sync(self._launcher.open, run.spec, limiter=self._threads)
        try:
            await reported.wait()
            if run.link.taken_over:
                await self._taken_over(stream_id)
            if stream_id in self._taps:
                await self._send(run, self._taps[stream_id])
            if run.stopping and not run.released:
                await self._send(run, m.StopRecorder())
            await anyio.to_thread.run_sync(self._read, run, abandon_on_cancel=True, limiter=self._threads)
        finally:
            await self._let_go(run)

    async def _report_restart(self, run: RecorderRun, attempt: int, reported: anyio.Event) -> None:
        try:
            if attempt:
                await self._report(run, m.RecorderHealth("reconnecting", RESTARTED, attempt))
        finally:
            reported.set()

    def _read(self, run: RecorderRun) -> None:
        """Pass every message to the event loop and wait until it is handled. Runs in a thread."""
        link = run.link
        assert link is not None
        with contextlib.suppress(EOFError, OSError):
            while True:
                raw = link.recv_bytes()
                try:
                    message = m.decode(raw)
                except ValueError:
                    log.warning("the recorder of %s sent an invalid message", run.spec.stream_id)
                    continue
                try:
                    anyio.from_thread.run(self._dispatch, run, message)
                except RuntimeError:  # the event loop has been closed
                    return

    async def _dispatch(self, run: RecorderRun, message: m.Message) -> None:
        if isinstance(message, m.SnapshotTaken):
            waiting = run.snapshots.get(message.request)
            if waiting:
                waiting[1].append(message)
                waiting[0].set()
            return
        if isinstance(message, m.RecorderHealth) and message.state == "stopped":
            if run.stopping:
                return  # as requested, and the caller of stop reports the reason
            run.stopping = True  # the source has ended, as a file does, so there is nothing to restart
        await self._report(run, message)

    async def _report(self, run: RecorderRun, message: m.Message) -> None:
        try:
            await self._handle(run.spec.stream_id, message)
        except Exception:
            log.exception("a message (%s) of stream %s could not be handled", message.kind, run.spec.stream_id)

    async def _send(self, run: RecorderRun, message: m.Message) -> None:
        if run.link is None:
            return
        with anyio.move_on_after(SEND_TIMEOUT_S), contextlib.suppress(OSError, ValueError):
            await anyio.to_thread.run_sync(
                run.link.send_bytes, m.encode(message), abandon_on_cancel=True, limiter=self._threads
            )

    async def _let_go(self, run: RecorderRun) -> None:
        """End the connection. A recorder that outlives engines continues."""
        link, run.link = run.link, None
        if link is not None:
            link.leave()

    async def _kill(self, run: RecorderRun) -> None:
        if run.link is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(run.link.kill, limiter=self._threads)
