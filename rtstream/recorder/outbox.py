"""The queue of messages from a recorder to the engine. A slow engine never delays recording."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Protocol

from rtstream.messages import (
    AUDIO_BYTES_PER_S,
    AudioTaken,
    ClockReached,
    FrameTaken,
    Message,
    RecorderHealth,
    RecorderStats,
    RecordingEnded,
    encode,
)

SAMPLE_BYTES = 8 << 20  # limit for waiting frames and audio
SAMPLES = 512
LONGEST_WAIT_S = 10.0
"""Seconds that a sample may wait. All that wait are then dropped at once, because the engine analyses a hole of this
length later from the recording. It cannot tell a shorter one from a pause (``rules.gaps.UNSEEN_S``)."""
CERTAIN = 20_000  # limit for waiting segments and health, about a day; an engine silent for longer is cut off
_IN_ORDER = (FrameTaken, AudioTaken, ClockReached, RecorderStats, RecordingEnded)


class Sink(Protocol):
    """The connection to the engine, as far as sending is concerned."""

    def send_bytes(self, message: bytes, /) -> None:
        """Send a message. Blocks while the engine reads nothing. Raises OSError."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class MessageSource(Protocol):
    """The connection to an engine: a pipe or a channel."""

    def recv_bytes(self) -> bytes:
        """Receive a message. Raises EOFError or OSError at its end."""
        ...


class Outbox:
    """Sends messages from its own thread to the engine that is attached. Without one, messages are discarded.

    Segments and health are sent first and never dropped while an engine is attached. What an engine misses is in the
    logs of the recordings. Samples (frames, audio, clock, statistics) keep their order. If the engine reads them too
    slowly, those that wait are dropped.
    The end of a recording stays behind its samples.
    """

    def __init__(self) -> None:
        self._connection: Sink | None = None
        self._certain: deque[bytes] = deque()
        self._samples: deque[tuple[Message, bytes, float]] = deque()  # with the monotonic time of arrival
        self._sample_bytes = 0
        self._changed = threading.Condition()
        self._sending = False
        self._health: RecorderHealth | None = None
        self.dropped: dict[str, float] = {}
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    @property
    def attached(self) -> bool:
        """Whether an engine is attached."""
        return self._connection is not None

    def attach(self, connection: Sink) -> None:
        """Send to this engine from now on, beginning with the current health."""
        with self._changed:
            self._discard()
            self._connection = connection
            if self._health is not None:
                self._certain.append(encode(self._health))
            self._changed.notify_all()

    def detach(self, connection: Sink) -> None:
        """Send nothing more to this engine. Nothing changes if another one is attached."""
        with self._changed:
            if self._connection is connection:
                self._connection = None
                self._discard()
                self._changed.notify_all()

    def send(self, message: Message) -> None:
        """Queue a message without blocking."""
        raw = encode(message) if self._connection is not None else b""
        with self._changed:
            if isinstance(message, RecorderHealth):
                self._health = message
            if self._connection is None or not raw:
                return
            if isinstance(message, _IN_ORDER):
                now = time.monotonic()
                self._samples.append((message, raw, now))
                self._sample_bytes += len(raw)
                waits_s = now - self._samples[0][2]
                if self._sample_bytes > SAMPLE_BYTES or len(self._samples) > SAMPLES or waits_s > LONGEST_WAIT_S:
                    self._drop_samples()
            elif len(self._certain) >= CERTAIN:
                self._cut_off()
            else:
                self._certain.append(raw)
            self._changed.notify_all()

    def count(self, kind: str, amount: float = 1) -> None:
        """Add to the amount that was not processed, by kind."""
        self.dropped[kind] = self.dropped.get(kind, 0) + amount

    def drain(self, timeout_s: float) -> None:
        """Wait until everything has been sent, for at most ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._connection is not None and (self._certain or self._samples or self._sending):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def _drop_samples(self) -> None:
        """Drop all waiting samples and count them. The end of a recording is sent all the same."""
        for message, raw, _ in self._samples:
            if isinstance(message, FrameTaken):
                self.count("frames_unsent")
            elif isinstance(message, AudioTaken):
                self.count("audio_unsent_s", len(message.payload) / AUDIO_BYTES_PER_S)
            elif isinstance(message, RecordingEnded):
                self._certain.append(raw)
        self._samples.clear()
        self._sample_bytes = 0

    def _discard(self) -> None:
        self._certain.clear()
        self._samples.clear()
        self._sample_bytes = 0

    def _cut_off(self) -> None:
        """End the connection of an engine that does not read, which then attaches again and reads the logs."""
        connection, self._connection = self._connection, None
        self._discard()
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _next(self) -> tuple[Sink, bytes]:
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            while self._connection is None or (not self._certain and not self._samples):
                self._changed.wait()
            self._sending = True
            if self._certain:
                return self._connection, self._certain.popleft()
            _, raw, _ = self._samples.popleft()
            self._sample_bytes -= len(raw)
            return self._connection, raw

    def _run(self) -> None:
        while True:
            connection, raw = self._next()
            try:
                connection.send_bytes(raw)
            except OSError:
                # The engine is gone. The thread that listens to it notices as well.
                self.detach(connection)
