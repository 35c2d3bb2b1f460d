"""``rtstream-mcp stop`` ends the engine of a data folder and all its recorders, with an engine or without one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rtstream.errors import RTStreamError, Unavailable
from rtstream.ipc import recorders
from rtstream.ipc.sockets import SUPPORTED, run_folder
from server.cli.terminal import say, warn
from server.engine_file import lock_held, may_hold_lock, read_engine_file
from server.local_engine import START_LOCK
from server.settings import load

ABOUT = (
    "End the engine of the data folder and all its recorders, which finish their segments. The next start of an engine "
    "records the same streams again. It works without an engine as well, for example after a crash."
)
ENGINE_S = 20.0
"""Seconds in which an engine must have ended."""
POLL_S = 0.05


def main(arguments: Sequence[str]) -> int:
    """End everything. Returns the exit status."""
    parser = argparse.ArgumentParser("rtstream-mcp stop", description=ABOUT, allow_abbrev=False)
    parser.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    given = parser.parse_args(arguments)
    try:
        data_dir = load({"data_dir": given.data_dir} if given.data_dir else None).data_dir
        say(stop(data_dir))
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
        return 2
    return 0


def stop(data_dir: Path) -> str:
    """End the engine and the recorders of a data folder.

    Returns:
        A sentence that states what ended.

    Raises:
        Unavailable: The engine did not end.
    """
    from filelock import FileLock, Timeout

    if not data_dir.is_dir():
        return f"Nothing runs on {data_dir}."
    with suppress(Timeout, OSError), FileLock(data_dir / START_LOCK).acquire(timeout=ENGINE_S):
        # While it is held, no client starts another engine.
        engine = _stop_engine(data_dir)
        count = _stop_recorders(data_dir)
        if lock_held(data_dir):
            raise Unavailable(f"Another engine was started on {data_dir} meanwhile. Stop the service that starts it.")
        ended = [
            *(["the engine"] if engine else []),
            *([f"{count} recorders" if count > 1 else "a recorder"] * bool(count)),
        ]
        return f"Ended: {' and '.join(ended)}." if ended else f"Nothing runs on {data_dir}."
    raise Unavailable(f"A client is starting an engine on {data_dir}. Try again in a few seconds.")


def _stop_engine(data_dir: Path) -> bool:
    """End the engine, as Ctrl-C does. Returns whether there was one. Raises Unavailable."""
    deadline = time.monotonic() + ENGINE_S
    told: int | None = None
    while lock_held(data_dir):
        pid = read_engine_file(data_dir).get("pid")
        if isinstance(pid, int) and pid != told and may_hold_lock(data_dir, pid):
            told = pid
            with suppress(ProcessLookupError):
                # Windows cannot interrupt another process. Recorders end with the engine there.
                os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
        elif time.monotonic() > deadline:
            raise Unavailable(f"The engine of {data_dir} (process {told or pid or 'unknown'}) does not end.")
        time.sleep(POLL_S)
    return told is not None


def _stop_recorders(data_dir: Path) -> int:
    if not SUPPORTED:
        return 0
    folder = run_folder(data_dir)
    count = len(recorders.stop_all(folder, recorders.living(folder)))
    recorders.retire_fork_server(folder)
    return count
