"""The socket on which an engine finds a recorder. Each connection begins with a handshake."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from dataclasses import fields
from typing import Protocol

from rtstream.ipc.channel import MAX_REQUEST, Channel
from rtstream.ipc.handshake import PROTOCOL, TIMEOUT_S, Greeting, Refused, program_identity
from rtstream.ipc.sockets import trusted
from rtstream.json_types import JsonObject
from rtstream.messages import RecorderSpec

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 8
"""Connections at the same time. An engine needs one."""


class Attachable(Protocol):
    """A recorder, as far as its socket is concerned."""

    def attach(self, channel: Channel, epoch: int, spec: RecorderSpec) -> None:
        """Exchange messages with an engine until the connection ends. Raises Refused before the first message."""
        ...

    def stop(self) -> None:
        """Finish the segment and end the process."""
        ...


class RecorderServer:
    """Accepts connections in a thread of its own, and serves each in another one."""

    def __init__(self, listener: socket.socket, recorder: Attachable) -> None:
        self._listener = listener
        self._recorder = recorder
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def start(self) -> None:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as exc:
                log.warning("the socket of the recorder failed: %s", exc.strerror)
                threading.Event().wait(1.0)
                continue
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), name="serve", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if trusted(connection):
                self._greet(Channel(connection, MAX_REQUEST))
            else:
                log.warning("a connection of another user was closed")
        except (EOFError, OSError, ValueError) as exc:
            log.info("a connection was closed: %s", exc or type(exc).__name__)
        except Exception:
            log.exception("a connection failed")
        finally:
            connection.close()
            self._places.release()

    def _greet(self, channel: Channel) -> None:
        Greeting(PROTOCOL, program_identity(), os.getpid()).send(channel)
        request = channel.recv_json(TIMEOUT_S)
        try:
            match request.get("request"):
                case "stop":
                    channel.send_json({"accepted": True})
                    log.warning("stopped by request")
                    self._recorder.stop()
                case "attach":
                    if request.get("protocol") != PROTOCOL:
                        raise Refused(f"this recorder speaks protocol {PROTOCOL}", "protocol")
                    epoch, spec = request.get("epoch"), _spec(request.get("spec"))
                    if not isinstance(epoch, int):
                        raise ValueError("an attach request without an epoch")
                    self._recorder.attach(channel, epoch, spec)
                case _:
                    raise Refused("unknown request")
        except Refused as exc:
            channel.send_json({"refused": str(exc), "code": exc.code})


def _spec(values: object) -> RecorderSpec:
    """Read a specification. Raises ValueError."""
    if not isinstance(values, dict):
        raise ValueError("a request without a specification")
    return read_spec(values)


def read_spec(values: JsonObject) -> RecorderSpec:
    """Read a specification from a JSON object. Unknown fields are ignored. Raises ValueError."""
    known = {field.name: values[field.name] for field in fields(RecorderSpec) if field.name in values}
    with suppress(TypeError):
        return RecorderSpec(**known)
    raise ValueError("not a specification of a recorder")
