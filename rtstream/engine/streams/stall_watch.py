"""Watches over the indexes and transcripts of connected streams, and shows in health which of them stand still."""

from __future__ import annotations

import time
from collections.abc import Callable

from rtstream.concurrency import every
from rtstream.engine.indexes import VisualIndexes
from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.streams.health import HealthLog
from rtstream.engine.transcripts import TranscriptRunner
from rtstream.engine.webhooks import WebhookService
from rtstream.models import Health
from rtstream.rules.stalls import WatchedIndex, index_stall, transcript_stall
from rtstream.states import HealthCode, HealthState, TranscriptState

LOOK_EVERY_S = 2.5
FAILURES = 2
"""Consecutive failures of a receiver that are a problem. A single one may be a restart of it."""


class StallWatch:
    """Compares the wanted indexes and transcripts of each stream with their results.

    An index of audio has results only while there is speech, so it stands still only if its transcript does.

    Args:
        health: Shows what it finds.
        visual: The running indexes of video.
        transcribers: The running transcripts.
        webhooks: Knows the receivers that fail.
        alerts: Returns the ids of streams on which an alert could not be created, each with a text.
    """

    def __init__(
        self,
        health: HealthLog,
        visual: VisualIndexes,
        transcribers: TranscriptRunner,
        webhooks: WebhookService,
        alerts: Callable[[], list[tuple[str, str]]],
    ) -> None:
        self._health = health
        self._visual = visual
        self._transcribers = transcribers
        self._webhooks = webhooks
        self._alerts = alerts
        self._looked_at = time.monotonic()
        self._connected: dict[str, float] = {}  # monotonic time since which each stream is connected
        self._worked: dict[tuple[str, str], float] = {}  # monotonic time at which each transcript last worked

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        await every(LOOK_EVERY_S, self.look, "the progress of indexes could not be checked")

    async def look(self) -> None:
        """Update the health of all streams."""
        now = time.monotonic()
        await self._health.expire_notes()
        for stream_id in self._health.streams():
            health = self._health.get(stream_id)
            failing = [*self._receivers(stream_id), *self._missing_alerts(stream_id)]
            if health is None or health.state is not HealthState.CONNECTED:
                self._connected.pop(stream_id, None)
                await self._health.set_stalls(stream_id, failing)
                continue
            since = self._connected.setdefault(stream_id, now)
            found = [*self._indexes(stream_id, health, since, now), *self._transcripts(stream_id, since, now), *failing]
            await self._health.set_stalls(stream_id, found)
            await self._overloads(stream_id)
        self._connected = {key: at for key, at in self._connected.items() if self._health.get(key) is not None}
        self._worked = {key: at for key, at in self._worked.items() if key[0] in self._connected}
        self._looked_at = now

    def _indexes(self, stream_id: str, health: Health, since: float, now: float) -> list[tuple[HealthCode, str]]:
        if "video" in health.packets and health.packets["video"].still:
            return []  # a picture that does not change completes no window
        found: list[tuple[HealthCode, str]] = []
        for index in self._visual.of_stream(stream_id):
            name, began = index.name or index.id, max(since, index.since)
            built_in = ModelCalls.free(index.provider)
            progress = WatchedIndex(name, index.length, began, index.failure, index.paused, built_in)
            if stall := index_stall(progress, now):
                found.append(stall)
        return found

    def _receivers(self, stream_id: str) -> list[tuple[HealthCode, str]]:
        return [
            (HealthCode.DELIVERY_FAILING, f"webhooks of alert '{each.label}' are not delivered: {each.error}")
            for each in self._webhooks.failing
            if each.stream_id == stream_id and each.attempts >= FAILURES
        ]

    def _missing_alerts(self, stream_id: str) -> list[tuple[HealthCode, str]]:
        return [(HealthCode.INDEX_STALLED, text) for one, text in self._alerts() if one == stream_id]

    async def _overloads(self, stream_id: str) -> None:
        for index in self._visual.of_stream(stream_id):
            if index.missed_at >= self._looked_at:
                name = index.name or index.id
                text = f"index '{name}' is slower than the stream, so some windows are looked at later or skipped"
                await self._health.note(stream_id, HealthCode.OVERLOADED, text)

    def _transcripts(self, stream_id: str, since: float, now: float) -> list[tuple[HealthCode, str]]:
        found: list[tuple[HealthCode, str]] = []
        for transcript in self._transcribers.of_stream(stream_id):
            key = (stream_id, transcript.engine)
            if transcript.state is not TranscriptState.ERROR:
                self._worked[key] = now
            failing_s = now - max(since, self._worked.setdefault(key, now))
            failure = transcript.reason if transcript.state is TranscriptState.ERROR else ""
            if stall := transcript_stall(failure, transcript.waiting_s, failing_s):
                found.append(stall)
        return found
