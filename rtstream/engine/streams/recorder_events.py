"""Routes the messages of recorders to the projection of recordings, the indexes, the transcripts and the health log."""

from __future__ import annotations

import logging
from contextlib import suppress

from pydantic import ValidationError

from rtstream import messages as m
from rtstream.engine.indexes import VisualIndexes
from rtstream.engine.recordings import RecordingProjection
from rtstream.engine.streams.health import HealthLog
from rtstream.engine.transcripts import TranscriptRunner
from rtstream.errors import DatabaseUnavailable
from rtstream.models import TrackPackets
from rtstream.states import DesiredState, HealthCode, HealthLevel
from rtstream.store import streams as rows
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

RESTARTED = "the engine was restarted, and the recording continued"
CODES = frozenset(code.value for code in HealthCode)


class RecorderEvents:
    """Handles the messages of the recorders of all streams."""

    def __init__(
        self,
        queue: WriteQueue,
        health: HealthLog,
        visual: VisualIndexes,
        transcripts: TranscriptRunner,
        projection: RecordingProjection,
    ) -> None:
        self._queue = queue
        self._projection = projection
        self._health = health
        self._visual = visual
        self._transcripts = transcripts

    async def handle(self, stream_id: str, message: m.Message) -> None:
        """Handle one message of a stream's recorder."""
        match message:
            case m.FrameTaken():
                await self._visual.frame(stream_id, message)
            case m.ClockReached():
                await self._visual.clock(stream_id, message.time)
            case m.AudioTaken():
                await self._transcripts.audio(stream_id, message)
            case m.SegmentClosed() | m.RecordingStarted():
                self._projection.cue(stream_id, message.recording_id)
            case m.RecordingEnded():
                self._projection.cue(stream_id, message.recording_id)
                self._transcripts.recording_ended(stream_id)
                await self._visual.recording_ended(stream_id)
            case m.RecorderHealth():
                await self._state(stream_id, message)
            case m.RecorderStats():
                self._stats(stream_id, message)
            case _:
                log.debug("unexpected message %s of stream %s", message.kind, stream_id)

    async def taken_over(self, stream_id: str) -> None:
        """Enter the footage that a recorder recorded before this engine attached to it, and note that it did."""
        await self._health.note(stream_id, HealthCode.ENGINE_RESTARTED, RESTARTED)
        with suppress(DatabaseUnavailable, OSError):  # the projection tries again
            await self._projection.settle(stream_id)

    async def recording_ended(self, stream_id: str) -> None:
        """Close the recording of a stream whose recorder ended or lost its source."""
        with suppress(DatabaseUnavailable, OSError):  # the projection tries again
            await self._projection.settle(stream_id)
        self._transcripts.recording_ended(stream_id)
        await self._visual.recording_ended(stream_id)

    async def _state(self, stream_id: str, message: m.RecorderHealth) -> None:
        if message.state == "stopped":  # by itself, at the end of a file
            await self._queue.write(rows.update_stream, stream_id, desired=DesiredState.STOPPED)
        if message.state in ("reconnecting", "stopped"):
            await self.recording_ended(stream_id)
        media = message.media
        if media is not None:
            await self._queue.write(rows.update_stream, stream_id, media=media)
        code = HealthCode(message.code) if message.code in CODES else None
        reasons = [
            (
                HealthCode(each.code),
                HealthLevel.NOTE if each.level == HealthLevel.NOTE else HealthLevel.PROBLEM,
                each.text,
            )
            for each in message.reasons
            if each.code in CODES
        ]
        await self._health.set(
            stream_id, message.state, message.reason, attempts=message.attempts, code=code, reasons=reasons
        )

    def _stats(self, stream_id: str, message: m.RecorderStats) -> None:
        health = self._health.get(stream_id)
        if health is not None:
            health.lag_s = round(message.lag_s, 3)
            health.skipped = message.dropped
            with suppress(ValidationError):  # a damaged recorder stops nothing here
                health.packets = {kind: TrackPackets.model_validate(counts) for kind, counts in message.tracks.items()}
