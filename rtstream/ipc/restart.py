"""The note with which a recorder starts a crashed engine again. It contains no secret."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from rtstream.ipc.sockets import private_folder
from rtstream.rules.child_environment import restart_environment

FILE = "restart.json"
ENGINE_LOG = "engine.log"
_WITH_ALL_MEMORY = 'ulimit -S -d "$(ulimit -H -d)" 2>/dev/null; exec "$0" "$@"'
"""Recorders have a limit of memory, which the engine must not inherit."""


def write_note(run_folder: Path, arguments: list[str]) -> bool:
    """Note how this engine was started. ``remove_note`` removes the note when the engine ends in order.

    Args:
        run_folder: The folder of sockets.
        arguments: Its command-line arguments.

    Returns:
        Whether there is a note now. An engine with secrets in its environment leaves none, because those are not
        written to the disk, and an engine without them would behave differently.

    Raises:
        OSError: The note cannot be stored.
    """
    environment = restart_environment(os.environ)
    if environment is None:
        remove_note(run_folder)
        return False
    private_folder(run_folder)
    for claimed in run_folder.glob("restart.*"):
        claimed.unlink(missing_ok=True)  # of an earlier engine
    path = run_folder / FILE
    draft = path.with_suffix(f".{os.getpid()}")
    command = [sys.executable, "-P", "-m", "rtstream_mcp", *arguments]
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump({"command": command, "environment": environment, "folder": os.getcwd()}, file)
    draft.replace(path)
    return True


def remove_note(run_folder: Path) -> None:
    """Remove the note: the engine ends in order, or cannot be started from it."""
    (run_folder / FILE).unlink(missing_ok=True)


def claim_note(run_folder: Path) -> Path | None:
    """Take the note, so that no other recorder starts an engine. Returns None if there is none."""
    claimed = run_folder / f"restart.{os.getpid()}"
    try:
        os.rename(run_folder / FILE, claimed)
    except OSError:
        return None
    return claimed


def start_engine(note: Path) -> int:
    """Start the engine of a note in a session of its own. Returns its process id.

    Raises:
        OSError, ValueError: It cannot be started.
    """
    values = json.loads(note.read_text(encoding="utf-8"))
    command, environment = [str(one) for one in values["command"]], values["environment"]
    log = note.parent.parent / ENGINE_LOG
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    shell = ["/bin/sh", "-c", f'cd "$PWD" || exit 1; {_WITH_ALL_MEMORY}', *command]
    environment = {**environment, "PWD": values["folder"]}
    return os.posix_spawn(shell[0], shell, environment, file_actions=streams, setsid=True)


def collect(child: int) -> bool:
    """Whether a child process has ended. It is then removed from the list of processes."""
    with suppress(ChildProcessError):
        return os.waitpid(child, os.WNOHANG)[0] != 0
    return True
