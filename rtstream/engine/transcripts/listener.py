"""The interface to consumers of transcripts."""

from __future__ import annotations

from typing import Protocol

from rtstream.json_types import JsonObject


class UtteranceListener(Protocol):
    """A consumer of final transcript segments, such as the audio indexes."""

    async def segment_heard(self, stream_id: str, engine: str, record: JsonObject) -> None:
        """Handle a final segment, which is stored or waits for the database."""
        ...

    async def clock(self, stream_id: str, engine: str, reached: float) -> None:
        """Handle that all speech before the Unix time ``reached`` has been transcribed."""
        ...

    async def transcript_ended(self, stream_id: str, engine: str, *, paused: bool = False) -> None:
        """Handle the end of a transcript, after which no more segments follow for now.

        If it is only ``paused``, because of a cut in the audio, a failure, or ``SILENT_S`` without audio, segments may
        follow soon.
        """
        ...

    def gap_ended(self, stream_id: str, engine: str, at: float) -> None:
        """Handle that live audio begins at the Unix time ``at``. Speech before it is transcribed later."""
        ...

    def speech_missed(self, stream_id: str, engine: str, start: float, end: float) -> None:
        """Handle that speech of [start, end) is transcribed later."""
        ...
