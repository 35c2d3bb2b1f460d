"""Alerts that could not be created on streams. Each is tried again after a pause of its own."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection
from typing import TypeAlias

from rtstream.concurrency import log_failure
from rtstream.errors import RTStreamError
from rtstream.rules.backoff import RetryBackoff
from rtstream.store.alert_groups import AlertGroupRow

log = logging.getLogger(__name__)

RETRY_S = 5.0
"""Longest pause in seconds after the first failure. Each further one doubles it, up to ``RETRY_MAX_S``."""
RETRY_MAX_S = 300.0
APPLY_S = 60.0
"""Longest time in seconds in which the index of an alert is to start."""
REPEATED = 2
"""Consecutive failures that are a problem of the stream."""
AGAIN = "It is tried again by itself."

AlertPlace: TypeAlias = tuple[str, str]
"""A group and a stream, by their ids."""


class AlertFailures:
    """Counts the failures of each alert of a group on each stream, and computes its next attempt."""

    def __init__(self) -> None:
        self._backoff: RetryBackoff[AlertPlace] = RetryBackoff(RETRY_S, RETRY_MAX_S)
        self._texts: dict[AlertPlace, str] = {}

    def add(self, group: AlertGroupRow, stream_id: str, exc: Exception) -> str:
        """Note a failure. Returns the reason for the user."""
        log_failure(log, f"the alert {group.id} could not be created on stream {stream_id}", exc)
        place = group.id, stream_id
        reason = f"{_reason(exc)} {AGAIN}"
        self._backoff.failed(place, time.monotonic(), random.random())  # noqa: S311 - no secret
        self._texts[place] = f"alert '{group.event_label}' does not watch this stream: {reason}"
        return reason

    def forget(self, place: AlertPlace) -> None:
        """Forget the failures of an alert."""
        self._backoff.forget(place)
        self._texts.pop(place, None)

    def keep(self, places: Collection[AlertPlace]) -> None:
        """Forget the failures of all other alerts."""
        self._backoff.keep(places)
        self._texts = {place: text for place, text in self._texts.items() if place in places}

    def due(self, place: AlertPlace) -> bool:
        """Return whether it is time for an attempt."""
        return self._backoff.due(place, time.monotonic())

    @property
    def wait_s(self) -> float | None:
        """Seconds until the next attempt, or None if nothing has failed."""
        return self._backoff.wait(time.monotonic())

    def problems(self) -> list[tuple[str, str]]:
        """Return the streams on which an alert failed repeatedly, each with a text for its health."""
        return [(place[1], text) for place, text in self._texts.items() if self._backoff.attempts(place) >= REPEATED]


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"The index did not start within {APPLY_S:.0f} s."
    return exc.message if isinstance(exc, RTStreamError) else "Internal error of the engine. Its log has the details."
