"""The recorder process, which reads one stream, records it and sends frames and audio to the engine.

Where the system allows (see ``rtstream.ipc``), it listens on a private socket, outlives the engine and is taken over by
the next one. Elsewhere, it ends with the engine, to which a pipe connects it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import math
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from av.error import FFmpegError

from rtstream.ipc import restart
from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import OTHER, STALE, Refused
from rtstream.ipc.lock import ProcessLock
from rtstream.ipc.sockets import SOCKET_SUFFIX, publisher_socket
from rtstream.messages import (
    RecorderHealth,
    RecorderSpec,
    ReleaseRecorder,
    SetTaps,
    SnapshotTaken,
    StopRecorder,
    TakeSnapshot,
    decode,
)
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.failures import FormatChanged, SourceFailed
from rtstream.recorder.frames import JpegEncoder
from rtstream.recorder.heartbeat import Heartbeat
from rtstream.recorder.limits import Attendance, limit_log, limit_memory, trim_memory
from rtstream.recorder.outbox import MessageSource, Outbox
from rtstream.recorder.server import RecorderServer
from rtstream.recorder.session import Session
from rtstream.recorder.source import Source, open_source
from rtstream.recorder.source_tracks import TracksChanged, TrackWatch, read_again
from rtstream.recorder.statistics import Statistics
from rtstream.recorder.steady_clock import SteadyClock
from rtstream.rules.backoff import ReconnectBackoff
from rtstream.rules.track_flow import LOOK_S, TrackFlow
from rtstream.states import HealthCode

log = logging.getLogger(__name__)

MARGIN_S = 3.0  # how long a call may exceed its own timeout before the process is ended
TICK_S = LOOK_S  # interval at which the recorder checks itself
FROZEN_S = 1.0  # a tick that lasts this much longer shows that the whole process stood still
STATS_TICKS = 2  # interval between statistics
STOP_WITHIN_S = 1.0
TRIM_S = 5.0  # after this time of a connection, memory that only opening it needed is returned
EXIT_HUNG = 3


def main(connection: Connection, spec: RecorderSpec) -> None:
    """Run a recorder until it is stopped, its source ends or the engine is gone."""
    recorder = Recorder(spec)
    recorder.end_with(connection)
    _run(recorder)


def main_surviving(listener: socket.socket, lock: ProcessLock, spec: RecorderSpec, heartbeat: Heartbeat) -> None:
    """Run a recorder that outlives the engine, until it is stopped or one of its limits is reached.

    Args:
        listener: Its listening socket in ``spec.run_folder``.
        lock: Its lock in the same folder. Both are removed at the end.
        spec: The stream.
        heartbeat: Shows the fork server that it lives.
    """
    recorder = Recorder(spec, heartbeat)
    recorder.outlive_engines(listener, lock)
    _run(recorder)


def _run(recorder: Recorder) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group, but the engine decides
    limit_memory()
    faulthandler.enable()
    try:
        recorder.run()
    except Exception:
        log.exception("recorder of %s failed", recorder.spec.stream_id)
        recorder.outbox.drain(1.0)
        recorder.exit(1)
    recorder.outbox.drain(2.0)
    recorder.exit(0)


class Recorder:
    """The threads of the process. The main thread reads the source; others receive, send and watch for hangs."""

    def __init__(self, spec: RecorderSpec, heartbeat: Heartbeat | None = None) -> None:
        self.spec = spec
        self._heartbeat = heartbeat or Heartbeat()
        self.outbox = Outbox()
        self._sync = DiskSync()
        self._steady = SteadyClock()
        self.stopping = threading.Event()
        self._ended = threading.Event()
        self._clean_up: Callable[[], None] = lambda: None
        self._attendance: Attendance | None = None
        self._attaching = threading.Lock()
        self._engine: Channel | None = None
        self._engine_came = threading.Event()
        self._note: Path | None = None
        self._new_engine: int | None = None
        self._epoch = 0
        self._taps = SetTaps({})
        self._session: Session | None = None
        self._processing = threading.Lock()  # held while packets are processed, not while waiting for them
        self._deadline = math.inf  # monotonic time by which the codec library must have returned
        self._trim_at = math.inf  # monotonic
        self._flows = {kind: TrackFlow(kind, time.monotonic()) for kind in ("video", "audio")}
        self._adds_tracks = False  # the source sent a track that it did not have when it was opened
        self._next_try: dict[str, tuple[float, float]] = {}  # by kind of track
        self._encoder = JpegEncoder()

    def end_with(self, connection: Connection) -> None:
        """Serve the engine at the other end of a pipe, and end with it."""

        def listen() -> None:
            self._obey(connection)
            self.stop()

        self.outbox.attach(connection)
        threading.Thread(target=listen, name="listen", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def outlive_engines(self, listener: socket.socket, lock: ProcessLock) -> None:
        """Serve any engine that connects to the socket, one after the other."""
        self._attendance = Attendance(Path(self.spec.run_folder), lock)
        names = f"{self.spec.stream_id}{SOCKET_SUFFIX}", publisher_socket(self.spec.stream_id)

        def clean_up() -> None:
            for name in names if not lock.lost else ():
                with contextlib.suppress(OSError):
                    Path(self.spec.run_folder, name).unlink()
            lock.release()

        self._clean_up = clean_up
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self.stop, daemon=True).start())
        RecorderServer(listener, self).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def attach(self, channel: Channel, epoch: int, spec: RecorderSpec) -> None:
        """Serve an engine until its connection ends. It replaces one with a lower epoch, or an earlier connection.

        Raises:
            Refused: A newer engine was here, or this engine wants another source recorded.
        """
        with self._attaching:
            if epoch < self._epoch:
                raise Refused("a newer engine records this stream", STALE)
            if not self.spec.records_the_same(spec):
                raise Refused("this recorder reads the source with other settings", OTHER)
            channel.send_json({"accepted": True})
            self._epoch = epoch
            before, self._engine = self._engine, channel
            if before is not None:
                before.close()
            self._adjust(spec)
            self.outbox.attach(channel)
            if self._attendance is not None:
                self._attendance.attached()
        self._engine_came.set()
        note, self._note = self._note, None
        if note is not None:
            note.unlink(missing_ok=True)  # the engine has written its own
        try:
            self._obey(channel)
        finally:
            self._detach(channel)

    def _adjust(self, spec: RecorderSpec) -> None:
        """Take over the limits of the next engine."""
        with self._processing:
            self.spec = spec
            if self._session is not None:
                self._session.adjust(spec)

    def _detach(self, channel: Channel) -> None:
        with self._attaching:
            self.outbox.detach(channel)
            if self._engine is not channel:
                return  # replaced by a newer one
            self._engine = None
            if not self.stopping.is_set():
                self._engine_came.clear()
            if self._attendance is not None:
                self._attendance.detached()
            self._set_taps(SetTaps({}))  # recording alone is the cheapest

    def exit(self, status: int) -> None:
        """End the process. Not a normal return, because threads of the codec library could block the exit."""
        self._clean_up()
        os._exit(status)

    def run(self) -> None:
        """Connect and read, with reconnects, until the recorder is stopped or the source has ended."""
        self._backoff = ReconnectBackoff(time.monotonic())
        self._health("connecting")
        while not self.stopping.is_set():
            try:
                self._connect_and_read()
                break
            except FormatChanged as changed:
                reason = str(changed) or "the format of the stream changed"
                self._health("reconnecting", reason, code=HealthCode.FORMAT_CHANGED)
            except SourceFailed as failed:
                if self.stopping.is_set():
                    break
                longest = self.spec.reconnect_max_s
                wait_s = self._backoff.failed(time.monotonic(), longest, random.random())  # noqa: S311
                state = "error" if failed.lasting else "reconnecting"
                self._health(state, failed.reason, self._backoff.attempts, code=failed.code)
                self.stopping.wait(longest if failed.lasting else wait_s)
        self._health("stopped", "" if self.stopping.is_set() else "end of file")
        self._sync.drain(STOP_WITHIN_S)
        self._ended.set()
        if self._attendance is not None and not self.stopping.is_set():
            self._engine_came.wait()  # the next engine must know that the source has ended, or it would begin again

    def _connect_and_read(self) -> None:
        """Run one connection.

        Returns at the end of a recorded file or when the recorder is stopped. Otherwise, it raises.
        """
        self._deadline = time.monotonic() + self.spec.open_timeout_s + MARGIN_S
        source = open_source(self.spec, in_bytes=self._adds_tracks)
        change = ""
        while True:
            again = self._read_tracks(source, change)
            if again is None:
                break
            source, change = again
        if not source.paced and not self.stopping.is_set():
            raise SourceFailed("the source ended the stream", code=HealthCode.SOURCE_ENDED)

    def _read_tracks(self, source: Source, change: str) -> tuple[Source, str] | None:
        """Read a source until it ends (None), or until its tracks change. Then, return it opened again, and the change.

        ``change`` is the one that led to this reading.
        """
        self._deadline = math.inf
        self._backoff.opened(time.monotonic())
        session = Session(self.spec, source, self.outbox, self._sync, self._flows, self._steady)
        with self._processing:
            self._session = session
            session.set_taps(self._taps)
        session.health.publish()
        if change:
            session.health.note(HealthCode.FORMAT_CHANGED, f"{change}, so a new recording began")
        self._trim_at = time.monotonic() + TRIM_S
        try:
            self._read(session)
        except TracksChanged as changed:
            log.info("%s", changed)
            if not source.rereadable:
                self._adds_tracks = True
                self._close(session)
                raise FormatChanged(f"{changed}, so it is connected again") from None
            source.resumes_at = session.reached
            self._finish(session)
            self._deadline = time.monotonic() + self.spec.open_timeout_s + MARGIN_S
            return read_again(source, session.media, self.spec, changed), str(changed)
        except BaseException:
            self._close(session)
            raise
        self._close(session)
        return None

    def _finish(self, session: Session) -> None:
        with self._processing:
            self._session = None
            session.finish()

    def _close(self, session: Session) -> None:
        """Close the recording and the source."""
        self._finish(session)
        self._deadline = time.monotonic() + MARGIN_S
        session.source.close()
        self._deadline = math.inf

    def _read(self, session: Session) -> None:
        """Read and process packets until the source ends or the recorder is stopped."""
        source = session.source
        watch = TrackWatch(source, self.spec, self._next_try)
        patience = watch.patience_s + MARGIN_S
        if watch.buffer is not None:
            watch.buffer.arrived = lambda: setattr(self, "_deadline", time.monotonic() + patience)
        packets = source.packets(watch.streams)
        while not self.stopping.is_set():
            began = time.monotonic()
            self._deadline = began + patience
            try:
                packet = next(packets)
            except (StopIteration, IndexError):
                # The flush at the end raises IndexError if a stream appeared midway.
                watch.ended()
                return
            except (FFmpegError, OSError) as exc:
                raise watch.failed(exc) from None
            finally:
                self._deadline = math.inf
            if not packet.size:
                continue
            ended = time.monotonic()
            if watch.is_simple and ended < watch.next_look:
                watch.arrivals[packet.stream_index] = ended
            elif watch.passes_over(packet, ended):
                continue
            arrival, blocked = self._steady.at(ended), ended - began
            try:
                with self._processing:
                    session.process(packet, arrival, blocked, repeated=watch.is_repeated)
            except FormatChanged as changed:
                raise watch.following(changed, packet) from None
            wait = session.pause(arrival, blocked)
            if wait > 0:
                self.stopping.wait(wait)

    def _health(self, state: str, reason: str = "", attempts: int = 0, code: str = "") -> None:
        self.outbox.send(RecorderHealth(state, reason, attempts, None, code))

    def _obey(self, connection: MessageSource) -> None:
        """Carry out the engine's requests until its connection ends."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                try:
                    message = decode(connection.recv_bytes())
                except ValueError:
                    log.warning("the engine sent an invalid message")
                    continue
                if isinstance(message, SetTaps):
                    self._set_taps(message)
                elif isinstance(message, TakeSnapshot):
                    self.outbox.send(self._snapshot(message))
                elif isinstance(message, ReleaseRecorder):
                    if self._attendance is not None:
                        self._attendance.released(message.limit_s)
                elif isinstance(message, StopRecorder):
                    self.stop()

    def _set_taps(self, taps: SetTaps) -> None:
        with self._processing:
            self._taps = taps
            if self._session is not None:
                self._session.set_taps(taps)

    def _snapshot(self, request: TakeSnapshot) -> SnapshotTaken:
        session = self._session
        if session is None:
            return SnapshotTaken(request.request, reason="the source is not connected")
        try:
            return session.snapshot(request.request, request.max_side, self._encoder)
        except (FFmpegError, ValueError) as exc:
            log.warning("no snapshot: %s", type(exc).__name__)
            return SnapshotTaken(request.request, reason="the current picture could not be decoded")

    def stop(self) -> None:
        """Finish the current segment and exit, even while the reading thread is blocked in the codec library."""
        self.stopping.set()
        self._engine_came.set()  # nothing waits for one any more
        if self._ended.wait(STOP_WITHIN_S):
            return
        if self._close_recording():
            self._health("stopped")
        self.outbox.drain(STOP_WITHIN_S)
        self._sync.drain(STOP_WITHIN_S)
        self.exit(0)

    def _close_recording(self) -> bool:
        """Close the open recording before the process ends. Returns False if a packet is being processed for long."""
        if not self._processing.acquire(timeout=STOP_WITHIN_S):
            return False
        # Never released, because the reading thread must not use the session that is closed here.
        if self._session is not None:
            self._session.finish()
        return True

    def _watch(self) -> None:
        """Report statistics, in a thread, and end the process if the codec library does not return.

        A call that hangs while it holds the interpreter lock stops this thread as well; see ``Heartbeat``. After the
        process stood still as a whole, as in a paused container, the library gets more time: data may be waiting.
        """
        ticks = 0
        statistics = Statistics(self.outbox, self._flows)
        resumed = -math.inf
        while True:
            self._heartbeat.beat()
            ticks += 1
            began = time.monotonic()
            time.sleep(TICK_S)
            now = time.monotonic()
            if now - began > TICK_S + FROZEN_S:
                resumed = now  # the process stood still, and the codec library with it
            if now > max(self._deadline, resumed + MARGIN_S):
                self._close_recording()
                self._health("reconnecting", "the source stopped answering", code=HealthCode.SOURCE_UNREACHABLE)
                self.outbox.drain(1.0)
                self.exit(EXIT_HUNG)
            if time.monotonic() > self._trim_at:
                self._trim_at = math.inf
                trim_memory()
            self._check_engine()
            session = self._session
            if session is not None:
                session.check()
            if ticks % STATS_TICKS == 0:
                statistics.report(0.0 if session is None else session.lag_s)

    def _check_engine(self) -> None:
        """End the process when no engine has been there for too long."""
        if self._attendance is None:
            if not self.outbox.attached:
                self.stop()
        elif reason := self._attendance.reason_to_end():
            log.warning("recorder of %s ends: %s", self.spec.stream_id, reason)
            self.stop()
        else:
            limit_log()
            if self._attendance.engine_overdue():
                self._restart_engine()

    def _restart_engine(self) -> None:
        """Start a crashed engine again, unless another recorder does, or its service will."""
        if self._new_engine is not None:
            restart.collect(self._new_engine)
        if self._note is None:
            self._note = restart.claim_note(Path(self.spec.run_folder))
        if self._note is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                self._new_engine = restart.start_engine(self._note)
                log.warning("no engine came back, so one is started (process %d)", self._new_engine)
