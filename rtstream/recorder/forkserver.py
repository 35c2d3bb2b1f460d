"""The fork server: a program that has loaded the codec library and forks one recorder per request (Linux).

Run it as ``python -m rtstream.recorder.forkserver RUN_FOLDER``. It has no threads, holds no secret and belongs to no
terminal. Recorders outlive the engine, the terminal and the fork server, which ends a minute after its last recorder.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import logging
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rtstream.ipc.channel import MAX_REQUEST, Channel
from rtstream.ipc.handshake import HELD, PROTOCOL, TIMEOUT_S, Greeting, program_identity
from rtstream.ipc.lock import LockHeld, ProcessLock
from rtstream.ipc.sockets import FORKSERVER, LOCK_SUFFIX, SOCKET_SUFFIX, listen, private_folder, trusted
from rtstream.json_types import JsonObject
from rtstream.logs import log_to_stderr
from rtstream.messages import RecorderSpec
from rtstream.recorder.heartbeat import LOOK_S, Heartbeat, HeartbeatWatch

log = logging.getLogger(__name__)

IDLE_S = 60.0
LOCK_WAIT_S = 5.0
MAX_WAIT_S = 30.0
"""Most seconds that a new recorder waits for the lock of the one that it replaces."""
PR_SET_NAME = 15
_NOT_PRELOADED = ("rtstream.recorder.forkserver", "rtstream.recorder.tether")
_LATER = ("m3u8", "certifi", "resource", "fcntl", "termios", "encodings.idna", "encodings.latin_1", "stringprep")
"""Modules that recorders import late. An upgrade may have removed or replaced their files by then."""


def main(run_folder: Path) -> None:
    """Serve until there has been no recorder for a minute."""
    os.chdir("/")  # no disk is kept from being unmounted
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stderr("WARNING")
    program_identity()  # of the files that are loaded now
    private_folder(run_folder)
    try:
        lock = ProcessLock.acquire(run_folder / f"{FORKSERVER}{LOCK_SUFFIX}", LOCK_WAIT_S)
    except LockHeld:
        return  # another engine or thread started one as well
    _preload()
    ForkServer(run_folder, lock).run()


def _preload() -> None:
    """Load everything that a recorder may need, so that recorders share it."""
    package = importlib.import_module("rtstream.recorder")
    for module in pkgutil.iter_modules(package.__path__, "rtstream.recorder."):
        if module.name not in _NOT_PRELOADED:
            importlib.import_module(module.name)
    for name in _LATER:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # collections in the recorders would otherwise touch, and so copy, every shared page


class ForkServer:
    """Forks recorders on request and collects those that have ended."""

    def __init__(self, run_folder: Path, lock: ProcessLock) -> None:
        self._folder = run_folder
        self._lock: ProcessLock | None = lock
        self._listener: socket.socket | None = listen(run_folder, f"{FORKSERVER}{SOCKET_SUFFIX}")
        self._wake_up, self._woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)  # noticed by the loop below
        self._children: set[int] = set()
        self._heartbeats = HeartbeatWatch()
        self._last_used = time.monotonic()

    def run(self) -> None:
        """Serve requests until there is nothing left to do."""
        while True:
            self._collect()
            left_s = self._last_used + IDLE_S - time.monotonic()
            if not self._children and (self._listener is None or left_s <= 0):
                break
            ready, _, _ = select.select(self._watched(), [], [], LOOK_S if self._children else left_s)
            for pid in self._heartbeats.end_hung(time.monotonic()):
                log.error("the recorder in process %d hangs and is ended", pid)
            if self._wake_up in ready:
                with suppress(BlockingIOError):
                    if signal.SIGTERM in os.read(self._wake_up, 4096):
                        self._retire()
            if self._listener in ready:
                self._accept()
        self._retire()

    def _watched(self) -> list[int | socket.socket]:
        return [self._wake_up] if self._listener is None else [self._wake_up, self._listener]

    def _collect(self) -> None:
        while self._children:
            with suppress(ChildProcessError):
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid:
                    self._children.discard(pid)
                    self._heartbeats.remove(pid)
                    self._last_used = time.monotonic()
                    continue
                return
            self._children.clear()

    def _retire(self) -> None:
        """Let another fork server begin. Recorders continue."""
        if self._listener is None or self._lock is None:
            return
        if not self._lock.lost:
            with suppress(OSError):
                (self._folder / f"{FORKSERVER}{SOCKET_SUFFIX}").unlink()
        self._listener.close()
        self._lock.release()
        self._listener = self._lock = None

    def _accept(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            connection, _ = self._listener.accept()
            try:
                if trusted(connection):
                    self._serve(Channel(connection, MAX_REQUEST))
            except (EOFError, OSError, ValueError) as exc:
                log.info("a request failed: %s", exc or type(exc).__name__)
            finally:
                connection.close()

    def _serve(self, channel: Channel) -> None:
        self._last_used = time.monotonic()
        Greeting(PROTOCOL, program_identity(), os.getpid()).send(channel)
        request = channel.recv_json(TIMEOUT_S)
        match request.get("request"):
            case "start":
                self._fork(channel, request)
            case "retire":
                self._retire()
                channel.send_json({"accepted": True})
            case _:
                channel.send_json({"refused": "unknown request"})

    def _fork(self, channel: Channel, request: JsonObject) -> None:
        heartbeat = Heartbeat()
        try:
            pid = os.fork()
        except OSError as exc:
            channel.send_json({"refused": f"no process can be started: {exc.strerror}"})
            return
        if pid:
            self._children.add(pid)
            self._heartbeats.add(pid, heartbeat)
        else:
            self._become_recorder(channel, request, heartbeat)

    def _become_recorder(self, channel: Channel, request: JsonObject, heartbeat: Heartbeat) -> NoReturn:
        """Run a recorder in the forked process. Never returns."""
        status = 1
        try:
            self._let_go()
            _record(self._folder, channel, request, heartbeat)
            status = 0
        except BaseException:
            log.exception("a recorder could not be started")
        finally:
            os._exit(status)

    def _let_go(self) -> None:
        """Close what belongs to the fork server, and leave its session and its signals."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._wake_up)
        os.close(self._woken)
        if self._listener is not None:
            self._listener.close()
        if self._lock is not None:
            self._lock.forget()


def _record(folder: Path, channel: Channel, request: JsonObject, heartbeat: Heartbeat) -> None:
    """Take the lock of the stream, listen, and only then tell the engine that the recorder is there."""
    from rtstream.recorder.process import main_surviving

    spec, wait_s = _requested(request)
    _set_name(f"rtrec-{spec.stream_id.removeprefix('rts-')[:9]}")
    try:
        lock = ProcessLock.acquire(folder / f"{spec.stream_id}{LOCK_SUFFIX}", wait_s)
    except LockHeld:
        channel.send_json({"refused": "another recorder records this stream", "code": HELD})
        return
    listener = listen(folder, f"{spec.stream_id}{SOCKET_SUFFIX}")
    with suppress(OSError):  # an engine that is gone meanwhile, or its successor, connects all the same
        channel.send_json({"started": os.getpid()})
    channel.close()
    main_surviving(listener, lock, spec, heartbeat)


def _requested(request: JsonObject) -> tuple[RecorderSpec, float]:
    from rtstream.recorder.server import read_spec

    spec = read_spec(request["spec"])
    if not spec.stream_id.replace("-", "").isalnum():
        raise ValueError("the id of the stream is not a file name")
    return spec, min(float(request.get("wait_s", 0.0)), MAX_WAIT_S)


def _set_name(name: str) -> None:
    """Name this process in lists such as that of ``top`` (15 bytes)."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
