"""Decides when a recorder ends by itself. It never ends because its engine died."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

UNATTENDED_S = 600.0
"""Seconds that a recorder continues without any engine."""
RELEASED_S = 60.0
"""The same after an engine that was told to end, with no word on whether another one follows."""
GONE_S = 60.0
"""Seconds for which the program or the data folder must be gone, so that an upgrade or a restore ends nothing."""


RESTART_S = 20.0
"""Seconds without an engine after which a recorder starts a crashed one again."""
MAX_RESTARTS = 5


def restart_at(attempt: int) -> float:
    """Return the seconds without an engine at which it is started for the ``attempt``-th time, counted from 0.

    The times between two attempts double. After the last one, the result is infinite.
    """
    return RESTART_S * (2.0 ** (attempt + 1) - 1) if attempt < MAX_RESTARTS else math.inf


class FolderState(Enum):
    """State of the data folder, as far as one look tells."""

    PRESENT = "present"
    GONE = "gone"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class FileIdentity:
    """Identity of a file or folder on its device."""

    device: int
    inode: int


def folder_state(known: FileIdentity, found: FileIdentity | None, parent_device: int | None) -> FolderState:
    """Return whether a folder is the one that it was.

    Args:
        known: The folder as it was when the recorder began.
        found: The folder with its name now, or None if there is none.
        parent_device: The device of the nearest folder above it that exists, or None if that cannot be read.
    """
    if found == known:
        return FolderState.PRESENT
    if found is not None:
        # On another device, this is the place where the disk was mounted, or another disk in its place.
        return FolderState.GONE if found.device == known.device else FolderState.UNREACHABLE
    return FolderState.GONE if parent_device == known.device else FolderState.UNREACHABLE


@dataclass(frozen=True)
class Absence:
    """Seconds since an engine was there, and since each of these things was last seen without one."""

    unattended_s: float
    limit_s: float
    folder_gone_s: float = 0.0
    program_gone_s: float = 0.0
    socket_lost: bool = False
    """The socket is not there any more although the data folder is: no engine can find this recorder again."""


def reason_to_end(absence: Absence) -> str:
    """Return why a recorder without an engine ends now, or "" if it continues."""
    if absence.folder_gone_s >= GONE_S:
        return f"the data folder has been gone for {GONE_S:.0f} s"
    if absence.program_gone_s >= GONE_S:
        return f"the program has been gone for {GONE_S:.0f} s"
    if absence.socket_lost:
        return "its socket was removed, so no engine can find it"
    if absence.unattended_s >= absence.limit_s:
        return f"no engine came back within {absence.limit_s:.0f} s"
    return ""
