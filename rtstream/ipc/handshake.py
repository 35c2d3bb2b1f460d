"""The first messages on a private socket. The listener begins with its protocol, which may differ from ours.

The listener sends a greeting, the other end a request, and the listener a response. Greeting and the request ``stop``
keep their form in every version, so that any version can end a recorder of any other.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rtstream import __version__
from rtstream.ipc.channel import Channel
from rtstream.json_types import JsonObject

PROTOCOL = 4
"""Version of the messages between engine, recorder and fork server. Increase it with any change of them."""
TIMEOUT_S = 3.0
"""Seconds that each message of a handshake may take. A listener cuts a connection that is slower."""
STALE = "stale"
"""Code of the refusal of an engine that a newer one has replaced."""
OTHER = "other"
"""Code of the refusal of a recorder that records something else than the engine wants."""
HELD = "held"
"""Code of the refusal of a fork server while another recorder of the stream lives."""


class Refused(Exception):
    """The listener refused the request. ``code`` is the reason for programs."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Greeting:
    """The first message of a listener."""

    protocol: int
    program: str
    pid: int

    def send(self, channel: Channel) -> None:
        """Send it. Raises OSError."""
        channel.send_json({"protocol": self.protocol, "program": self.program, "pid": self.pid})


def read_greeting(channel: Channel) -> Greeting:
    """Receive the greeting of a listener.

    Raises:
        EOFError, OSError: The connection ended, or nothing arrived in time.
        ValueError: It is not a greeting.
    """
    values = channel.recv_json(TIMEOUT_S)
    protocol, program, pid = (values.get(name) for name in ("protocol", "program", "pid"))
    if not (isinstance(protocol, int) and isinstance(program, str) and isinstance(pid, int)):
        raise ValueError("not a greeting")
    return Greeting(protocol, program, pid)


def ask(channel: Channel, request: JsonObject, timeout_s: float = TIMEOUT_S) -> JsonObject:
    """Send a request and return the response.

    Raises:
        Refused: The listener refused it.
        EOFError, OSError: The connection ended, or no response arrived in time.
        ValueError: The response is not one.
    """
    channel.send_json(request)
    response = channel.recv_json(timeout_s)
    if refused := response.get("refused"):
        raise Refused(str(refused), str(response.get("code", "")))
    return response


@cache
def program_identity() -> str:
    """Identify the code of this program: its version, and a hash of its files' sizes and times.

    A fork server that started before an upgrade still forks the old code. This tells the two apart.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                found = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return f"{__version__}+{digest.hexdigest()[:12]}"
