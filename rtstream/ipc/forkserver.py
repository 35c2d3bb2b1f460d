"""Finds the fork server of a data folder, or starts it. The server itself is ``rtstream.recorder.forkserver``."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import PROTOCOL, Refused, ask, program_identity, read_greeting
from rtstream.ipc.restart import collect
from rtstream.ipc.sockets import FORKSERVER, SOCKET_SUFFIX, connect, private_folder
from rtstream.rules.child_environment import child_environment

log = logging.getLogger(__name__)

START_S = 15.0
"""Seconds that a fork server may take to load the codec library."""
POLL_S = 0.02
LOG_FILE = "recorders.log"
NO_ANSWER = (ConnectionRefusedError, FileNotFoundError, ConnectionResetError, EOFError)
"""Errors that mean that there is no process at a socket, or that it ends."""


class ForkServerClient:
    """Connects to the fork server of a folder of sockets. Any thread may use it."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._turn = threading.Lock()
        self._child: int | None = None  # the fork server, if we started it

    def connect(self) -> Channel:
        """Connect to the fork server of this program, which is started if there is none.

        Returns:
            The connection, after the greeting.

        Raises:
            OSError: It cannot be started.
        """
        deadline = time.monotonic() + START_S
        with self._turn:  # sixteen streams must not start sixteen of them
            while True:
                with suppress(*NO_ANSWER):
                    channel, current = self._greeted()
                    if current:
                        return channel
                    log.warning("the fork server is of another version and is replaced")
                    with suppress(EOFError, OSError, ValueError, Refused):
                        ask(channel, {"request": "retire"})
                    channel.close()
                if self._child is None or collect(self._child):
                    self._child = _spawn(self._folder)
                elif time.monotonic() > deadline:
                    raise OSError(f"the fork server does not respond: see {self._folder / LOG_FILE}")
                time.sleep(POLL_S)

    def _greeted(self) -> tuple[Channel, bool]:
        """The fork server, and whether it runs this program."""
        channel = Channel(connect(self._folder, f"{FORKSERVER}{SOCKET_SUFFIX}"))
        try:
            greeting = read_greeting(channel)
        except ValueError:
            return channel, False
        except BaseException:
            channel.close()
            raise
        # One that we started has loaded what the files contain now, so another one would not differ.
        ours = greeting.pid == self._child
        return channel, greeting.protocol == PROTOCOL and (ours or greeting.program == program_identity())


def start_early(run_folder: Path, media: Path) -> None:
    """Start the fork server of a data folder that has recordings, so that it loads while the engine does.

    Does nothing if there is one already, or no stream that it could be needed for.
    """
    with suppress(OSError):
        if any(media.iterdir()):
            private_folder(run_folder)
            with suppress(*NO_ANSWER):
                connect(run_folder, f"{FORKSERVER}{SOCKET_SUFFIX}").close()
                return
            _spawn(run_folder)


def _spawn(run_folder: Path) -> int:
    """Start the fork server in a session of its own. Returns its process id. Raises OSError."""
    environment = child_environment(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)  # the same modules
    environment["OPENBLAS_NUM_THREADS"] = "1"  # threads do not survive a fork
    command = [sys.executable, "-P", "-m", "rtstream.recorder.forkserver", str(run_folder)]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(run_folder / LOG_FILE), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # Not subprocess, whose objects expect that a child ends before they do.
    return os.posix_spawn(command[0], command, environment, file_actions=streams, setsid=True)
