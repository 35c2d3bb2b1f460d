"""Health of a connection to a source, as a recorder reports it: what the source carries, its problems and its notes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rtstream.json_types import JsonObject
from rtstream.messages import HealthNote, Message, RecorderHealth
from rtstream.rules.track_flow import Lack
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
        self._pause: Lack | None = None
        self._problems: dict[str, Lack] = {}  # by topic
        self._notes: dict[HealthCode, tuple[str, float]] = {}  # with the monotonic time at which they disappear

    @property
    def paused(self) -> bool:
        """Whether health shows why nothing is recorded at present."""
        return self._pause is not None

    def pause(self, text: str, code: str = "") -> None:
        """Show why nothing is recorded at present. Hides the problems."""
        with self._lock:
            self._pause = Lack(code or HealthCode.RECORDING_STALLED, text)
            self._show()

    def resume(self) -> None:
        """Show that the recording continues."""
        with self._lock:
            if self._pause is not None:
                self._pause = None
                self._show()

    def problem(self, topic: str, found: Lack | None) -> None:
        """Show a problem of a topic (such as ``audio``) until it is solved, which is None."""
        with self._lock:
            if self._problems.get(topic) != found:
                self._problems.pop(topic, None)
                if found:
                    self._problems[topic] = found
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
        problems = list(self._problems.values()) if self._pause is None else [self._pause]
        first = problems.pop(0) if problems else Lack("", "")
        reasons = [HealthNote(code, HealthLevel.PROBLEM, text) for code, text in problems]
        reasons += [HealthNote(code, HealthLevel.NOTE, text) for code, (text, _) in self._notes.items()]
        self._send(RecorderHealth("connected", first.text, 0, self._media(), first.code, reasons))
