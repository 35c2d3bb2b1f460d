"""Typed calls for transcripts of streams."""

from __future__ import annotations

from rtstream.client.transport import Transport
from rtstream.client.validation import as_model, path_id
from rtstream.json_types import JsonObject
from rtstream.models import TranscriptPage, TranscriptStatus


class TranscriptCalls:
    """The transcripts of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(
        self,
        stream_id: str,
        engine: str | None = None,
        *,
        language: str | None = None,
        vocabulary: list[str] | None = None,
        ws_connection_id: str | None = None,
        start: float | None = None,
        end: float | None = None,
        confirm: bool | None = None,
        from_start: bool | None = None,
    ) -> TranscriptStatus:
        """Transcribe a stream from now on, or a range of its past. Does nothing if it is being transcribed.

        Args:
            stream_id: The stream.
            engine: The speech engine, or None for the default.
            language: Language code, or None for the default.
            vocabulary: Names and terms of the stream, which correct its transcripts.
            ws_connection_id: WebSocket connection that receives the transcript.
            start: Unix time from which on recorded audio is transcribed as well.
            end: Unix time after which nothing is transcribed.
            confirm: Whether the user agrees to the expected cost.
            from_start: Whether to begin with the first recorded audio of a stream that was just connected.
        """
        options = {"engine": engine, "language": language, "ws_connection_id": ws_connection_id}
        span = {"start": start, "end": end, "confirm": confirm, "from_start": from_start}
        return await self._set_status(stream_id, "start", vocabulary=vocabulary, **options, **span)

    async def stop(self, stream_id: str, engine: str | None = None) -> TranscriptStatus:
        """Stop a transcript. Its text remains."""
        return await self._set_status(stream_id, "stop", engine=engine)

    async def _set_status(
        self, stream_id: str, action: str, vocabulary: list[str] | None = None, **options: str | float | bool | None
    ) -> TranscriptStatus:
        body: JsonObject = {
            "action": action,
            **{key: value for key, value in options.items() if value not in (None, "")},
        }
        if vocabulary is not None:
            body["vocabulary"] = vocabulary
        path = f"/rtstream/{path_id(stream_id)}/transcription"
        # A stop waits until the last words are final.
        data = await self._transport.data("POST", path, body=body, timeout_s=60.0)
        return as_model(TranscriptStatus, {"engine": options.get("engine") or "", **(data or {})})

    async def status(self, stream_id: str, engine: str | None = None) -> TranscriptStatus:
        """Return the state of a transcript."""
        data = await self._transport.data(
            "GET", f"/rtstream/{path_id(stream_id)}/transcription/status", params={"engine": engine}
        )
        return as_model(TranscriptStatus, {"engine": engine or "", **(data or {})})

    async def get(
        self,
        stream_id: str,
        *,
        engine: str | None = None,
        start: float | None = None,
        end: float | None = None,
        since: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> TranscriptPage:
        """Return one page of a transcript, oldest first.

        Args:
            stream_id: The stream.
            engine: The speech engine, or None for the default.
            start: Return only text after this Unix time.
            end: Return only text before this Unix time.
            since: Return only text that ended after this Unix time.
            page: Number of the page, from 1.
            page_size: Utterances per page.
        """
        params = {"page": page, "page_size": page_size, "engine": engine, "start": start, "end": end, "since": since}
        data = await self._transport.data("GET", f"/rtstream/{path_id(stream_id)}/transcription", params=params)
        empty = {"transcription_records": [], "next_page": False, "page": page, "page_size": page_size}
        return as_model(TranscriptPage, {"total_count": 0, **empty, **(data or {})})
