"""Finds the stream of a stream key, and passes the connection of its publisher to the recorder of the stream."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread

from rtstream import keys
from rtstream.ipc.sockets import connect, publisher_socket
from rtstream.rules.publisher_keys import name_of_key, stream_key

STARTING_S, RETRY_S = 3.0, 0.1
"""Seconds for which a recorder that does not accept publishers may be starting."""
UNKNOWN_KEY = "This stream key is unknown. Compare it with the one of the stream."
BUSY = "Another publisher is sending with this stream key."
NOT_RUNNING = "The recorder of this stream does not respond."

Names = Callable[[], Awaitable[dict[str, str]]]
"""Returns the ids of the running streams with a publisher, by the names of these."""


class PublisherKeys(NamedTuple):
    """The secrets of a publisher."""

    stream_key: str
    passphrase: str  # of the encryption of SRT


class PublisherRouting:
    """Knows the stream keys of all publishers."""

    def __init__(self, folder: Path, api_key: str, names: Names) -> None:
        """Create the routing.

        Args:
            folder: Folder of the recorders' sockets.
            api_key: The key of the engine, on which the stream keys depend.
            names: See ``Names``.
        """
        self._folder, self._names = folder, names
        self._secret = keys.derived(api_key, "publishers")
        self._passphrases = keys.derived(api_key, "publishers, encrypted")

    def keys_of(self, name: str) -> PublisherKeys:
        """Return the secrets of a publisher."""
        return PublisherKeys(stream_key(self._secret, name), stream_key(self._passphrases, name))

    async def find(self, key: str) -> tuple[str, PublisherKeys] | None:
        """Return the id of the stream with this key, and its secrets."""
        names = await self._names()
        name = name_of_key(self._secret, key, list(names))
        return None if name is None else (names[name], self.keys_of(name))

    async def hand_over(
        self, stream_id: str, connection: socket.socket, received: bytes, patience_s: float = 0.0
    ) -> str:
        """Pass a connection to the recorder of its stream.

        Args:
            stream_id: The stream.
            connection: The connection.
            received: What the recorder needs to continue it.
            patience_s: Seconds for which another publisher of the stream may turn out to be gone.

        Returns:
            The reason if the connection is refused, else an empty string.
        """
        hand_over = partial(_handed_over, self._folder, stream_id, connection, received)
        began = anyio.current_time()
        while True:
            try:
                if await anyio.to_thread.run_sync(hand_over):
                    return ""
                reason, longest = BUSY, patience_s
            except OSError:
                reason, longest = NOT_RUNNING, STARTING_S
            if anyio.current_time() - began >= longest:
                return reason
            await anyio.sleep(RETRY_S)


def _handed_over(folder: Path, stream_id: str, connection: socket.socket, received: bytes) -> bool:
    """Pass a connection to a recorder. Returns whether it was taken. Raises OSError."""
    with connect(folder, publisher_socket(stream_id)) as recorder:
        data = struct.pack(">I", len(received)) + received
        sent = socket.send_fds(recorder, [data], [connection.fileno()])
        if sent < len(data):
            recorder.sendall(data[sent:])
        return recorder.recv(1) == b"1"
