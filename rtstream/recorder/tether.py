"""Runs a program that ends with its parent: ``python -I -S tether.py PARENT_PID PROGRAM ARGUMENT...``.

It runs as a file of its own, without the package, so that starting a program costs some milliseconds only.
"""

from __future__ import annotations

import os
import sys

LOOK_EVERY_S = 0.5
PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> int:
    """Become the program (Linux), or run it and watch the parent; returns the exit status."""
    if sys.platform == "linux":
        import ctypes
        from signal import SIGKILL

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel was told
            return 1
        os.execv(command[0], command)  # noqa: S606
    return _watch(parent, command)


def _watch(parent: int, command: list[str]) -> int:
    import subprocess

    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait(LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                if not _lives(parent):
                    process.kill()


def _lives(parent: int) -> bool:
    if sys.platform != "win32":
        return os.getppid() == parent
    import ctypes

    synchronize, still_running = 0x00100000, 0x102
    handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, parent)
    if not handle:
        return False
    try:
        return ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == still_running
    finally:
        ctypes.windll.kernel32.CloseHandle(handle)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
