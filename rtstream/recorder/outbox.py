"""The queue of messages from a recorder to the engine. A slow engine never delays recording."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from multiprocessing.connection import Connection

from rtstream.messages import AudioTaken, ClockReached, FrameTaken, Message, RecorderStats, encode

SAMPLE_BYTES = 8 << 20  # limit for waiting frames and audio; the oldest are dropped first
SAMPLES = 512
CERTAIN = 20_000  # limit for waiting segments and health, about a day; an engine silent for longer is gone
AUDIO_BYTES_PER_S = 32_000


class Outbox:
    """Sends messages from its own thread. Only samples (frames, audio, clock, statistics) may be dropped.

    Segments and health are sent first. Samples keep their order.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._certain: deque[bytes] = deque()
        self._samples: deque[tuple[Message, bytes]] = deque()
        self._sample_bytes = 0
        self._changed = threading.Condition()
        self._sending = False
        self._closed = False
        self.dropped: dict[str, float] = {}
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def send(self, message: Message) -> None:
        """Queue a message without blocking."""
        raw = encode(message)
        with self._changed:
            if self._closed:
                return
            if isinstance(message, FrameTaken | AudioTaken | ClockReached | RecorderStats):
                self._samples.append((message, raw))
                self._sample_bytes += len(raw)
                while self._sample_bytes > SAMPLE_BYTES or len(self._samples) > SAMPLES:
                    self._drop_oldest()
            elif len(self._certain) >= CERTAIN:
                os._exit(1)
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
            while not self._closed and (self._certain or self._samples or self._sending):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def _drop_oldest(self) -> None:
        message, raw = self._samples.popleft()
        self._sample_bytes -= len(raw)
        if isinstance(message, FrameTaken):
            self.count("frames_unsent")
        elif isinstance(message, AudioTaken):
            self.count("audio_unsent_s", len(message.payload) / AUDIO_BYTES_PER_S)

    def _next(self) -> bytes:
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            while not self._certain and not self._samples:
                self._changed.wait()
            self._sending = True
            if self._certain:
                return self._certain.popleft()
            _, raw = self._samples.popleft()
            self._sample_bytes -= len(raw)
            return raw

    def _run(self) -> None:
        while True:
            try:
                self._connection.send_bytes(self._next())
            except OSError:
                # The engine is gone. The thread that listens to it notices as well and finishes the recording.
                with self._changed:
                    self._closed = True
                    self._certain.clear()
                    self._samples.clear()
                    self._changed.notify_all()
                return
