"""Faults of the system that are switched on and off while programs run: failing writes, clock steps, lost names.

The library ``shim.c`` is loaded into the programs with ``LD_PRELOAD``. It needs no privilege. It reaches what a program
calls in the C library, and so the codec library and SQLite as well. It does not reach the kernel: modification times of
files and timers do not follow the clock that it shows, and memory-mapped writes succeed.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
HOST = "camera.test"
"""A host name that resolves to loopback with the shim, and nowhere without it."""
_LAYOUT = struct.Struct("=iid")


def unavailable() -> str:
    """Return why the shim cannot be used here, or an empty string."""
    if sys.platform != "linux":
        return "simulated errors of the disk, the clock and the name server need Linux"
    if shutil.which("cc") is None:
        return "simulated errors of the disk, the clock and the name server need a C compiler (cc)"
    return ""


class Shim:
    """The faults of the programs that were started with ``environment``.

    Args:
        folder: Folder for the library and its switches.
        data_dir: The folder whose files fail.
    """

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self._error, self._nameless, self._step_s = 0, False, 0.0
        control, self._library = folder / "shim.control", folder / "shim.so"
        control.write_bytes(bytes(_LAYOUT.size))
        values = {"CONTROL": str(control), "FOLDER": str(data_dir), "HOST": HOST}
        defined = [f'-D{name}="{value}"' for name, value in values.items()]
        command = ["cc", "-shared", "-fPIC", "-O1", *defined, str(SOURCE), "-o", str(self._library), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        with control.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LAYOUT.size)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the programs."""
        return {"LD_PRELOAD": str(self._library)}

    @property
    def step_s(self) -> float:
        """Seconds by which the wall clock of the programs differs."""
        return self._step_s

    def fail_writes(self, error: int) -> None:
        """Let writes to the data folder fail with this ``errno``; 0 ends the fault."""
        self._error = error
        self._switch()

    def lose_names(self, lost: bool) -> None:
        """Let no host name resolve, or ``HOST`` again."""
        self._nameless = lost
        self._switch()

    def step_clock(self, step_s: float) -> None:
        """Set the wall clock forward, or back if it is negative, in addition to earlier steps."""
        self._step_s += step_s
        self._switch()

    def heal(self) -> None:
        """End all faults except the steps of the clock."""
        self._error, self._nameless = 0, False
        self._switch()

    def _switch(self) -> None:
        self._memory[:] = _LAYOUT.pack(self._error, self._nameless, self._step_s)
