"""AssemblyAI's streaming speech recognition (Universal Streaming, WebSocket v3). The audio leaves the machine.

Protocol: https://www.assemblyai.com/docs/streaming/message-sequence
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import anyio

from rtstream.json_types import JsonObject
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance
from rtstream.rules.redaction import redact
from rtstream.rules.text_safety import clean

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

KEY = "ASSEMBLYAI_API_KEY"
URL = "wss://streaming.assemblyai.com/v3/ws"
URL_VARIABLE = "ASSEMBLYAI_STREAMING_URL"
ENGLISH = "universal-streaming-english"
MULTILINGUAL = "universal-streaming-multilingual"
RATE = 16_000  # Hz
BYTES_PER_S = 2 * RATE
LEAST_S, CHUNK_S = 0.05, 0.1
"""A message must contain 0.05 to 1 s of audio, or the service closes the session (error 3007)."""
AHEAD_S, SPEED = 2.0, 1.25
"""Audio may be sent this far ahead, and beyond that at most this much faster than real time."""
OPEN_TIMEOUT_S = 10.0
END_TIMEOUT_S = 10.0


class AssemblyAI:
    """SpeechProvider ``assemblyai`` or ``assemblyai:<speech_model>``."""

    def __init__(self, model: str = "") -> None:
        self._model = model
        self.name = f"assemblyai:{model}" if model else "assemblyai"

    def ready(self, language: str | None = None) -> None:
        """Check the key. Raises ProviderError if it is missing."""
        if not os.environ.get(KEY):
            raise ProviderError(
                f"AssemblyAI requires a key. Set {KEY} for the engine, or omit the speech engine to use the default.",
                permanent=True,
            )

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Start a live transcription. Raises ProviderError."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        self.ready(language)
        url = f"{os.environ.get(URL_VARIABLE) or URL}?{urlencode(self._parameters(language))}"
        headers = {"Authorization": os.environ[KEY]}
        try:
            with anyio.fail_after(OPEN_TIMEOUT_S):
                socket = await connect(url, additional_headers=headers, close_timeout=1, max_size=1 << 20)
        except InvalidStatus as exc:
            raise _refusal(exc.response.status_code, "") from None
        except (WebSocketException, OSError, TimeoutError):
            raise ProviderError("AssemblyAI cannot be reached.") from None
        session = _Session(socket)
        try:
            await session.begin()
        except BaseException:
            await session.aclose()
            raise
        return session

    def _parameters(self, language: str | None) -> JsonObject:
        short = language.replace("_", "-").split("-")[0].lower() if language else ""
        model = self._model or (ENGLISH if short in ("", "en") else MULTILINGUAL)
        parameters = {"sample_rate": RATE, "encoding": "pcm_s16le", "format_turns": "true", "speech_model": model}
        if short and model.startswith(("universal-3", "u3")):  # older models have one language or detect it
            parameters["language_codes"] = short
        return parameters

    async def aclose(self) -> None:
        """Do nothing, because sessions share no resources."""


class _Session:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting = bytearray()
        self._sent_s = 0.0
        self._began = time.monotonic()
        self._finished = False
        self._held: Utterance | None = None
        """A finished turn. Its punctuated text follows in a separate message."""

    async def begin(self) -> None:
        """Wait for the service's first message."""
        with anyio.move_on_after(OPEN_TIMEOUT_S):
            message = await self._receive()
            if message is not None and message.get("type") == "Begin":
                return
        raise ProviderError("AssemblyAI did not begin the session.")

    async def feed(self, samples: bytes) -> None:
        """Send audio, no faster than the service accepts it."""
        self._waiting += samples
        while len(self._waiting) >= CHUNK_S * BYTES_PER_S:
            size = min(len(self._waiting), BYTES_PER_S // 2) & ~1
            chunk = bytes(self._waiting[:size])
            del self._waiting[:size]
            await self._send(chunk)
            self._sent_s += size / BYTES_PER_S
            early = self._sent_s - AHEAD_S - SPEED * (time.monotonic() - self._began)
            if early > 0:
                await anyio.sleep(early / SPEED)

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Yield partial and final utterances in order.

        Raises:
            ProviderError: The service ended the session on its own.
        """
        while (message := await self._receive()) is not None:
            if message.get("type") == "Termination":
                break
            if message.get("type") == "Turn":
                for utterance in self._turn(message):
                    yield utterance
        if self._held is not None:
            yield self._held
        if not self._finished:
            raise ProviderError("AssemblyAI ended the session. A new one is being opened.")

    async def finish(self) -> None:
        """Signal the end of the audio and request the remaining text."""
        if self._waiting:
            await self._send(bytes(self._waiting).ljust(int(LEAST_S * BYTES_PER_S), b"\0"))
            self._waiting.clear()
        self._finished = True
        await self._send(json.dumps({"type": "Terminate"}))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._socket.close()

    async def _send(self, message: bytes | str) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(message)
        except ConnectionClosed:
            if not self._finished:
                await anyio.sleep(END_TIMEOUT_S)  # the reader of the utterances learns the reason and ends this task
                raise ProviderError("AssemblyAI ended the connection.") from None

    async def _receive(self) -> JsonObject | None:
        """Return the next message, or None if the connection is closed. Raises ProviderError for an error message."""
        from websockets.exceptions import ConnectionClosed

        limit = END_TIMEOUT_S if self._finished else None
        try:
            with anyio.fail_after(limit):
                message = json.loads(await self._socket.recv())
        except TimeoutError:
            return None
        except ConnectionClosed as exc:
            if exc.rcvd is not None and exc.rcvd.code not in (1000, 1001):
                raise _refusal(exc.rcvd.code, exc.rcvd.reason) from None
            return None
        except ValueError:
            raise ProviderError("AssemblyAI sent an invalid message.") from None
        if message.get("type") == "Error" or "error" in message:
            raise _refusal(message.get("error_code"), str(message.get("error") or ""))
        return message

    def _turn(self, message: JsonObject) -> list[Utterance]:
        """Return the utterances of a Turn message.

        A final utterance is returned once, with punctuation if that arrives, else just before the next utterance.
        """
        words = [
            {
                "word": str(word.get("text") or ""),
                "start": float(word.get("start") or 0) / 1000,
                "end": float(word.get("end") or 0) / 1000,
                "confidence": round(float(word.get("confidence") or 0), 3),
            }
            for word in message.get("words") or ()
        ]
        text = str(message.get("transcript") or "")
        ended = bool(message.get("end_of_turn"))
        if not words or not (ended or any(word["word"] for word in words)):
            return []
        utterance = Utterance(
            start=words[0]["start"],
            end=words[-1]["end"],
            text=text if ended else " ".join(word["word"] for word in words),
            is_final=ended,
            confidence=round(sum(word["confidence"] for word in words) / len(words), 3) if ended else None,
            words=words if ended else (),
            speaker=clean(str(message.get("speaker_label") or ""), 40),
        )
        held, self._held = self._held, None
        before = [held] if held is not None and held.end <= utterance.start else []
        if ended and not message.get("turn_is_formatted"):
            self._held = utterance
            return before
        return [*before, utterance] if utterance.text else before


def _refusal(code: object, reason: str) -> ProviderError:
    """Return our error for a status of the handshake, a close code or an error message."""
    words = reason.lower()
    if "concurrent" in words or "too many" in words or code == 429:
        return ProviderError("AssemblyAI allows no further concurrent sessions for this account.", retry_after_s=30.0)
    if code == 402 or "fund" in words or "balance" in words or "credit" in words:
        return ProviderError("The credit of the AssemblyAI account is used up.", retry_after_s=60.0, permanent=True)
    if code in (401, 403, 1008, 4001) or "authoriz" in words:
        return ProviderError(f"AssemblyAI rejected the key. Check {KEY}.", retry_after_s=60.0, permanent=True)
    if code == 3008:
        return ProviderError("AssemblyAI's session reached its maximum duration. A new one is being opened.")
    what = clean(redact(reason), 200) or f"code {code}"
    return ProviderError(f"AssemblyAI ended the session: {what}")
