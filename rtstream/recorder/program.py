"""Child processes of other programs, which do not inherit secrets and end with this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rtstream.json_types import JsonObject
from rtstream.rules.child_environment import child_environment

_TETHER = Path(__file__).with_name("tether.py")


def start_program(command: Sequence[str], **pipes: object) -> subprocess.Popen[bytes]:
    """Start another program, which ends when this process ends, however that happens.

    ``command`` begins with the path of the program. ``pipes``: stdin, stdout and stderr as for ``subprocess.Popen``.
    On Linux, call it from a thread that lasts as long as the program: the kernel watches the thread.
    Raises OSError.
    """
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    group = {} if sys.platform in ("linux", "win32") else {"start_new_session": True}
    options: JsonObject = {**group, **pipes}
    return subprocess.Popen[bytes]([*tether, *command], env=child_environment(os.environ), **options)


def end_program(process: subprocess.Popen[bytes], wait_s: float = 0.0) -> None:
    """End a program of ``start_program`` and wait for it. It gets ``wait_s`` seconds to end by itself."""
    if wait_s and sys.platform == "linux":
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
    if sys.platform in ("linux", "win32"):
        process.kill()  # Linux: the tether has become the program
    elif process.poll() is None:
        import signal

        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
