"""Health of a connection to a source, as a recorder reports it: what the source carries, its problems and its notes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rtstream.json_types import JsonObject
from rtstream.messages import HealthNote, Message, RecorderHealth
from rtstream.states import HealthCode, HealthLevel

NOTE_S = 60.0
"""Seconds after which a note disappears."""


class SourceHealth:
    """Collects the reasons of a connection that is established, and sends each change of them.

    Args:
        send: Sends a message to the engine.
        media: Returns the fields of MediaInfo.
    """

    def __init__(self, send: Callable[[Message], None], media: Callable[[], JsonObject]) -> None:
        self._send, self._media = send, media
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}  # reasons without a code, by their topic
        self._pause: tuple[str, str] | None = None  # reason and code of a recording that is paused
        self._problems: dict[HealthCode, str] = {}
        self._notes: dict[HealthCode, tuple[str, float]] = {}  # with the monotonic time at which they disappear

    def say(self, topic: str, text: str) -> None:
        """Show a sentence about a topic, or none if ``text`` is empty."""
        with self._lock:
            if self._texts.get(topic, "") != text:
                self._texts.pop(topic, None)
                if text:
                    self._texts[topic] = text
                self._show()

    def pause(self, text: str, code: str = "") -> None:
        """Show why nothing is recorded at present. Hides the other sentences."""
        with self._lock:
            self._pause = text, code
            self._show()

    def resume(self) -> None:
        """Show that the recording continues."""
        with self._lock:
            if self._pause is not None:
                self._pause = None
                self._show()

    def problem(self, code: HealthCode, text: str) -> None:
        """Show a problem until it is solved; an empty text solves it."""
        with self._lock:
            if self._problems.get(code, "") != text:
                self._problems.pop(code, None)
                if text:
                    self._problems[code] = text
                self._show()

    def note(self, code: HealthCode, text: str) -> None:
        """Show a note for a minute."""
        with self._lock:
            self._notes[code] = text, time.monotonic() + NOTE_S
            self._show()

    def publish(self) -> None:
        """Send the current health."""
        with self._lock:
            self._show()

    def expire(self) -> None:
        """Remove the notes whose time is over. To be called every few seconds, from any thread."""
        now = time.monotonic()
        with self._lock:
            over = [code for code, (_, until) in self._notes.items() if until <= now]
            for code in over:
                del self._notes[code]
            if over:
                self._show()

    def _show(self) -> None:
        reasons = [HealthNote(code, HealthLevel.PROBLEM, text) for code, text in self._problems.items()]
        reasons += [HealthNote(code, HealthLevel.NOTE, text) for code, (text, _) in self._notes.items()]
        reason, code = self._pause or ("; ".join(self._texts.values()), "")
        self._send(RecorderHealth("connected", reason, 0, self._media(), code, reasons))
