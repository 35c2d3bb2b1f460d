"""Starts, restarts and stops the recorder of each stream, and passes its messages on."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup

from rtstream import messages as m
from rtstream.errors import Unavailable
from rtstream.forkserver import start_recorder
from rtstream.rules.backoff import delay

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0
SNAPSHOT_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
STEADY_S = 30.0
"""A recorder that lived this long starts the back-off from the beginning when it dies."""

Handler = Callable[[str, m.Message], Awaitable[None]]


@dataclass
class RecorderRun:
    """One stream's recorder, through all its restarts."""

    spec: m.RecorderSpec
    stopping: bool = False
    connection: Connection | None = None
    process: BaseProcess | None = None
    snapshots: dict[int, tuple[anyio.Event, list[m.SnapshotTaken]]] = field(default_factory=dict)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Supervisor:
    """Owns the recorders. ``handle(stream_id, message)`` gets every message, one at a time per stream.

    While a message is being handled that recorder's next one waits in its pipe: a slow engine makes the recorder drop
    sampled pictures (it counts them), never segments.
    """

    def __init__(self, tasks: TaskGroup, handle: Handler) -> None:
        self._tasks = tasks
        self._handle = handle
        self._runs: dict[str, RecorderRun] = {}
        self._taps: dict[str, m.SetTaps] = {}
        self._numbers = itertools.count(1)
        # One thread a running stream sits in its pipe; the default limit of 40 would starve everything else.
        self._threads = anyio.CapacityLimiter(1_000_000)

    @property
    def running(self) -> set[str]:
        """Ids of the streams that have a recorder (or are between two)."""
        return set(self._runs)

    def start(self, spec: m.RecorderSpec) -> None:
        """Run this stream; nothing happens when it runs already."""
        if spec.stream_id not in self._runs:
            run = self._runs[spec.stream_id] = RecorderRun(spec)
            self._tasks.start_soon(self._supervise, run)

    async def stop(self, stream_id: str) -> None:
        """End the recorder: it finishes its segment, or is killed after a few seconds."""
        run = self._runs.get(stream_id)
        if run is None:
            return
        run.stopping = True
        await self._send(run, m.StopRecorder())
        with anyio.move_on_after(STOP_TIMEOUT_S):
            await run.ended.wait()
            return
        log.warning("recorder of %s did not stop in %.0f s and is killed", stream_id, STOP_TIMEOUT_S)
        self._kill(run)
        run.scope.cancel()
        await run.ended.wait()

    async def stop_all(self) -> None:
        """End all recorders at the same time."""
        async with anyio.create_task_group() as tasks:
            for stream_id in list(self._runs):
                tasks.start_soon(self.stop, stream_id)

    async def set_pictures(self, stream_id: str, taps: dict[str, dict[str, float]]) -> None:
        """Say which pictures the recorder should send (``messages.SetTaps``); remembered through restarts and stops."""
        await self._set_taps(stream_id, m.SetTaps(taps, self._wanted(stream_id).audio))

    async def set_audio(self, stream_id: str, on: bool) -> None:
        """Say whether the recorder should send audio; remembered through restarts and stops."""
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
        """The current picture. Raises Unavailable when the stream has none."""
        run = self._runs.get(stream_id)
        if run is None or run.connection is None:
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
        attempt = 0
        try:
            with run.scope:
                while not run.stopping:
                    began = time.monotonic()
                    try:
                        await self._live(run)
                    except Exception:
                        log.exception("recorder of %s could not be run", stream_id)
                    if run.stopping:
                        break
                    attempt = 0 if time.monotonic() - began > STEADY_S else attempt + 1
                    await self._handle(
                        stream_id,
                        m.RecorderHealth(
                            "reconnecting", "the recorder ended unexpectedly and is started again", attempt
                        ),
                    )
                    await anyio.sleep(delay(attempt, run.spec.reconnect_max_s, random.random()))  # noqa: S311
        finally:
            self._kill(run)
            self._runs.pop(stream_id, None)
            run.ended.set()

    async def _live(self, run: RecorderRun) -> None:
        """One recorder process from its start to its end."""
        run.process, run.connection = await anyio.to_thread.run_sync(start_recorder, run.spec, limiter=self._threads)
        try:
            if run.spec.stream_id in self._taps:
                await self._send(run, self._taps[run.spec.stream_id])
            if run.stopping:
                await self._send(run, m.StopRecorder())
            await anyio.to_thread.run_sync(self._read, run, abandon_on_cancel=True, limiter=self._threads)
        finally:
            self._kill(run)

    def _read(self, run: RecorderRun) -> None:
        """In a thread: hand every message to the event loop and wait until it is handled."""
        connection = run.connection
        assert connection is not None
        with contextlib.suppress(EOFError, OSError):
            while True:
                raw = connection.recv_bytes()
                try:
                    message = m.decode(raw)
                except ValueError:
                    log.warning("recorder of %s sent something that is not a message", run.spec.stream_id)
                    continue
                try:
                    anyio.from_thread.run(self._dispatch, run, message)
                except RuntimeError:  # the event loop is gone
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
                return  # as asked; whoever asked says why
            run.stopping = True  # the source ended by itself (a file): nothing to restart
        try:
            await self._handle(run.spec.stream_id, message)
        except Exception:
            log.exception("a message (%s) of stream %s could not be handled", message.kind, run.spec.stream_id)

    async def _send(self, run: RecorderRun, message: m.Message) -> None:
        if run.connection is None:
            return
        with anyio.move_on_after(SEND_TIMEOUT_S), contextlib.suppress(OSError, ValueError):
            await anyio.to_thread.run_sync(
                run.connection.send_bytes, m.encode(message), abandon_on_cancel=True, limiter=self._threads
            )

    @staticmethod
    def _kill(run: RecorderRun) -> None:
        process, connection = run.process, run.connection
        run.process = run.connection = None
        if process is not None:
            with contextlib.suppress(OSError, ValueError):
                process.kill()
                process.join(timeout=1.0)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
