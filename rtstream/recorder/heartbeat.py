"""Signs of life of recorders, by which a hang is told from a process that stood still as a whole.

A call that hangs while it holds the interpreter lock stops all threads of a recorder, and a timer of the recorder
would also run while the recorder is frozen. The fork server therefore watches. It does not count while it is frozen
itself, as in a paused container, and does not end a recorder that was stopped.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
from contextlib import suppress
from pathlib import Path

ALONE_S = 300.0
"""Seconds without a sign of life after which a recorder ends by itself, where no fork server watches."""
REARM_BEATS = 6
LOOK_S = 15.0
"""Seconds between two looks of the fork server."""
HUNG_LOOKS = 4
"""Looks without a sign of life after which a recorder is ended."""


class Heartbeat:
    """A counter in memory that a process shares with those that it forks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def count(self) -> int:
        """Number of signs of life so far."""
        return int.from_bytes(self._memory[:8], "little")

    def beat(self) -> None:
        """Count a sign of life. To be called every few seconds."""
        count = self.count
        if count % REARM_BEATS == 0:
            faulthandler.dump_traceback_later(ALONE_S, exit=True)
        self._memory[:8] = (count + 1).to_bytes(8, "little")


class HeartbeatWatch:
    """Finds forked recorders that hang."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[Heartbeat, int, int]] = {}  # with the last count, and the looks since it changed
        self._last_look = 0.0

    def add(self, pid: int, heartbeat: Heartbeat) -> None:
        """Watch a process."""
        self._watched[pid] = heartbeat, -1, 0

    def remove(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._watched.pop(pid, None)

    def end_hung(self, now: float) -> list[int]:
        """End the processes that hang, with a traceback in their log. Returns their ids.

        Args:
            now: Monotonic time. Looks count at most once per ``LOOK_S``, however long this process stood still.
        """
        if now - self._last_look < LOOK_S:
            return []
        self._last_look = now
        ended = []
        for pid, (heartbeat, last, looks) in self._watched.items():
            count = heartbeat.count
            looks = looks + 1 if count == last and not is_stopped(pid) else 0
            self._watched[pid] = heartbeat, count, looks
            if looks >= HUNG_LOOKS:
                ended.append(pid)
                with suppress(ProcessLookupError):
                    # faulthandler writes the traceback. A process that survives that is killed.
                    os.kill(pid, signal.SIGABRT if looks == HUNG_LOOKS else signal.SIGKILL)
        return ended


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal or by a debugger."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "Tt"
    return False
