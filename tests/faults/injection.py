"""Carries out the faults of a plan, and notes which frames each of them may cost."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import av
from av.error import FFmpegError

from rtstream.ipc.sockets import SUPPORTED
from tests.faults.footage import media_offset
from tests.faults.plan import NEED_DISK, NEED_SHIM, NEED_SURVIVING_RECORDERS, Fault, Kind
from tests.faults.rig import GOP_S, Injected, Rig, Watched
from tests.faults.shim import unavailable
from tests.integration.recorder_processes import alive, fork_server_of, recorder_of, until
from tests.rtstream.engine.streams.disks import fill

FRAGMENT_S = 2.0
"""Longest fragment. A recorder that is killed loses the one that is open."""
RECONNECT_S = 5.0
"""Seconds within which a source that is back is recorded again: a pause of 1 s, opening it, and a GOP."""
RETRY_S = 10.0
"""Seconds after which a recorder tries a disk again that refused its data."""
RESTART_S = 4.0
"""Seconds within which a killed recorder is replaced and records (about 2 s on an idle computer)."""


def slowed(seconds: float) -> float:
    """Return a duration on this computer, which other work may slow down."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def possible(rig: Rig, kinds: list[Kind]) -> tuple[list[Kind], list[str]]:
    """Return the kinds of faults that can be carried out here, and why the others cannot."""
    missing: dict[str, set[Kind]] = {}
    if rig.shim is None:
        missing[unavailable()] = NEED_SHIM
    if not rig.small_disk:
        missing["a full disk needs root, to mount a small one"] = NEED_DISK
    if not SUPPORTED:
        missing["recorders end with the engine here"] = NEED_SURVIVING_RECORDERS
    left_out = {kind for some in missing.values() for kind in some}
    reasons = [
        f"{', '.join(sorted(some & set(kinds)))}: {reason}" for reason, some in missing.items() if some & set(kinds)
    ]
    return [kind for kind in kinds if kind not in left_out], reasons


def inject(rig: Rig, fault: Fault) -> Injected:
    """Carry out one fault. Returns when it is over and the engine runs."""
    time.sleep(fault.pause_s)
    stream = rig.streams[int(fault.target * len(rig.streams))]
    done = Injected(fault, time.time())
    rig.injected.append(done)
    _ACTIONS[fault.kind](rig, fault, done, stream)
    done.ended = time.time()
    done.step_s = rig.shim.step_s if rig.shim else 0.0
    rig.ensure_running()
    return done


def _engine_killed(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    rig.engine.kill()
    rig.ended()
    time.sleep(fault.duration_s)
    rig.start()


def _engine_ended(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    rig.engine.end(signal.SIGTERM)
    rig.ended()
    time.sleep(fault.duration_s)
    rig.start()


def _engine_frozen(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    with _stopped([rig.engine.process.pid]):
        time.sleep(fault.duration_s)


def _database_locked(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    with closing(sqlite3.connect(rig.data_dir / "rtstream.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(fault.duration_s)
        other.execute("ROLLBACK")


def _recorder_killed(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    recorder = until(lambda: recorder_of(rig.data_dir, stream.id), "a recorder")
    done.stream_id, done.costs_from = stream.id, time.time() - FRAGMENT_S - GOP_S
    os.kill(recorder, signal.SIGKILL)
    until(lambda: recorder_of(rig.data_dir, stream.id) not in (None, recorder), "another recorder")
    done.costs_to = done.began + slowed(RESTART_S) + GOP_S


def _recorder_frozen(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    recorder = until(lambda: recorder_of(rig.data_dir, stream.id), "a recorder")
    with _stopped([recorder]):
        time.sleep(fault.duration_s)


def _asleep(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    """The programs stand still, and their connections are gone afterwards. The clocks run."""
    done.costs_from = done.began - GOP_S
    with _network_gone(rig), _stopped([rig.engine.process.pid, *rig.processes()]):
        time.sleep(fault.duration_s)
    done.costs_to = time.time() + slowed(RECONNECT_S)


def _network_closed(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    done.costs_from = done.began - GOP_S
    with _network_gone(rig):
        time.sleep(fault.duration_s)
    done.costs_to = time.time() + slowed(RECONNECT_S)


def _network_stalled(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    done.costs_from = done.began - GOP_S
    rig.source.stall(True)
    time.sleep(fault.duration_s)
    rig.source.stall(False)
    done.costs_to = time.time() + slowed(RECONNECT_S)


@contextmanager
def _network_gone(rig: Rig) -> Iterator[None]:
    """All connections to the source are closed, and others lead nowhere."""
    rig.source.faults.silent = True
    rig.source.close_clients()
    try:
        yield
    finally:
        rig.source.faults.silent = False
        rig.source.close_clients()


def _clock_stepped(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    assert rig.shim is not None
    done.costs_from = done.began - GOP_S
    rig.shim.step_clock(fault.step_s)
    done.costs_to = done.began + GOP_S


def _power_cut(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    """Everything ends at once, and the newest file of a stream has lost its end."""
    done.costs_from = done.began - FRAGMENT_S - GOP_S
    _kill_all(rig)
    files = sorted((rig.data_dir / "media" / stream.id).glob("*/*.m4s"), key=lambda path: path.stat().st_mtime)
    if files:  # its end may be older than the fault
        written = files[-1].stat().st_mtime - FRAGMENT_S - GOP_S
        done.costs_from = min(done.costs_from, written) - _cut(files[-1], fault.target)
    time.sleep(fault.duration_s)
    rig.start()
    done.costs_to = time.time() + slowed(RECONNECT_S)


def _cut(path: Path, share: float) -> float:
    """Cut up to half of the media of a file off. Returns the seconds that it held."""
    header, size = media_offset(path), path.stat().st_size
    before = _seconds(path)
    os.truncate(path, max(header, size - int(share * 0.5 * (size - header))))
    return before - _seconds(path)


def _seconds(path: Path) -> float:
    try:
        with av.open(str(path), "r") as container:
            video = container.streams.video[0]
            times = [
                float(packet.pts * packet.time_base) for packet in container.demux(video) if packet.pts is not None
            ]
    except (FFmpegError, IndexError):
        return 0.0
    return times[-1] - times[0] if times else 0.0


def _names_lost(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    """The computer starts, and its name server responds some seconds later."""
    assert rig.shim is not None
    done.costs_from = done.began - FRAGMENT_S - GOP_S
    _kill_all(rig)
    rig.shim.lose_names(True)
    rig.start()
    time.sleep(fault.duration_s)
    rig.shim.lose_names(False)
    done.costs_to = time.time() + slowed(RECONNECT_S)


def _disk_full(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    ballast = fill(rig.data_dir)
    _disk_fails(fault, done)
    ballast.unlink()
    done.costs_to = time.time() + RETRY_S + slowed(RECONNECT_S)


def _disk_error(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    _writes_fail(rig, fault, done, errno.EIO)


def _read_only(rig: Rig, fault: Fault, done: Injected, stream: Watched) -> None:
    _writes_fail(rig, fault, done, errno.EROFS)


def _writes_fail(rig: Rig, fault: Fault, done: Injected, error: int) -> None:
    assert rig.shim is not None
    rig.shim.fail_writes(error)
    _disk_fails(fault, done)
    rig.shim.fail_writes(0)
    done.costs_to = time.time() + RETRY_S + slowed(RECONNECT_S)


def _disk_fails(fault: Fault, done: Injected) -> None:
    done.costs_from = done.began - FRAGMENT_S - GOP_S
    time.sleep(fault.duration_s)


def _kill_all(rig: Rig) -> None:
    pids = rig.processes()
    rig.engine.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    rig.ended()
    until(lambda: not any(alive(pid) for pid in pids), "the processes end")
    assert fork_server_of(rig.data_dir) is None


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    """The processes stand still during the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


_ACTIONS: dict[Kind, Callable[[Rig, Fault, Injected, Watched], None]] = {
    Kind.ENGINE_KILLED: _engine_killed,
    Kind.ENGINE_ENDED: _engine_ended,
    Kind.ENGINE_FROZEN: _engine_frozen,
    Kind.DATABASE_LOCKED: _database_locked,
    Kind.RECORDER_KILLED: _recorder_killed,
    Kind.RECORDER_FROZEN: _recorder_frozen,
    Kind.POWER_CUT: _power_cut,
    Kind.NETWORK_CLOSED: _network_closed,
    Kind.NETWORK_STALLED: _network_stalled,
    Kind.CLOCK_STEPPED: _clock_stepped,
    Kind.NAMES_LOST: _names_lost,
    Kind.ASLEEP: _asleep,
    Kind.DISK_FULL: _disk_full,
    Kind.DISK_ERROR: _disk_error,
    Kind.READ_ONLY: _read_only,
}
