"""Servers with OpenAI's ``POST /v1/audio/transcriptions``, called once per utterance. The audio leaves the machine."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from rtstream.json_types import JsonObject
from rtstream.perception.llm.names import Target
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance
from rtstream.perception.speech.confidence import is_silence, is_unreliable

if TYPE_CHECKING:
    import httpx

    from rtstream.perception.speech.segments import SpeechSegment

OPENAI = "https://api.openai.com/v1"
RATE = 16_000  # Hz
TIMEOUT_S = 30.0
ATTEMPTS = 3
PAUSE_S = 0.5
MAX_PAUSE_S = 5.0
MAX_ANSWER = 2_000_000  # bytes


class ServerSpeech:
    """SpeechProvider ``provider:model``, for example ``openai:whisper-1``."""

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self._target = target
        self._client: httpx.AsyncClient | None = None
        # Only this format includes word times and confidence figures. Servers without it respond with status 400 or
        # 422.
        self._verbose = True

    def ready(self, language: str | None = None) -> None:
        """Check the key. Raises ProviderError if a required key is missing."""
        if self._target.needs_key and not self._target.api_key:
            raise ProviderError(
                f"{self.name} requires a key. Set {self._target.key_variables[0]} for the engine, or "
                "RTSTREAM_SPEECH_BASE_URL for a server of your own.",
                permanent=True,
            )

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Start a live transcription. Raises ProviderError."""
        from rtstream.perception.speech.session import SegmentedSession

        self.ready(language)

        async def recognise(segment: SpeechSegment) -> Sequence[Utterance]:
            return await self._recognise(segment, language)

        return SegmentedSession(recognise)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _recognise(self, segment: SpeechSegment, language: str | None) -> Sequence[Utterance]:
        audio = wav(segment.samples)
        for _ in range(ATTEMPTS - 1):
            try:
                return _utterances(await self._call(audio, language), segment.seconds)
            except ProviderError as exc:
                pause = max(PAUSE_S, exc.retry_after_s or 0.0)
                if exc.permanent or pause > MAX_PAUSE_S:
                    raise
            await anyio.sleep(pause)
        return _utterances(await self._call(audio, language), segment.seconds)

    async def _call(self, audio: bytes, language: str | None) -> JsonObject:
        import httpx

        if self._client is None:
            headers = {"authorization": f"Bearer {self._target.api_key}"} if self._target.api_key else {}
            self._client = httpx.AsyncClient(timeout=TIMEOUT_S, headers=headers)
        form: JsonObject = {"model": self._target.model, "response_format": "json"}
        if self._verbose:
            form |= {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
        if language:
            form["language"] = language.replace("_", "-").split("-")[0].lower()
        url = f"{self._target.base_url or OPENAI}/audio/transcriptions"
        try:
            with anyio.fail_after(TIMEOUT_S):
                response = await self._client.post(url, data=form, files={"file": ("speech.wav", audio, "audio/wav")})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise ProviderError(
                f"{self.name} cannot be reached or did not respond within {TIMEOUT_S:g} s. Check that its server runs."
            ) from None
        if response.status_code in (400, 422) and self._verbose:
            self._verbose = False
            return await self._call(audio, language)
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            answer = response.json() if len(response.content) <= MAX_ANSWER else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            raise ProviderError(f"{self.name} did not return a text. Check that it is a transcription model.")
        return answer

    def _refusal(self, response: httpx.Response) -> ProviderError:
        """Return our error for a status. The body is omitted because it may repeat the request."""
        status = response.status_code
        if status in (401, 403):
            return ProviderError(f"{self.name} rejected the key (HTTP {status}). Check the key.", permanent=True)
        if status == 404:
            return ProviderError(
                f"{self.name} does not exist on its server (HTTP 404). Check the model's name and the server URL.",
                permanent=True,
            )
        try:
            wait = float(response.headers.get("retry-after", ""))
        except ValueError:
            wait = math.nan
        return ProviderError(
            f"{self.name} could not transcribe (HTTP {status}).",
            retry_after_s=wait if math.isfinite(wait) and wait >= 0 else None,
            permanent=status < 500 and status not in (408, 409, 425, 429),
        )


def wav(samples: bytes) -> bytes:
    """Return a WAV file (16 kHz, mono, 16 bit) with these samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return buffer.getvalue()


def _utterances(answer: JsonObject, seconds: float) -> list[Utterance]:
    """Return one utterance, with words if the response contains them. Empty if the model took the audio for silence."""
    text = answer["text"].strip()
    parts = [part for part in answer.get("segments") or () if isinstance(part, dict)]
    figures = [
        tuple(_number(part.get(key), default) for key, default in _FIGURES.items())
        for part in parts
        if "avg_logprob" in part
    ]
    if not text or (figures and all(is_silence(logprob, silence) for logprob, silence, _ in figures)):
        return []
    words = [
        {
            "word": str(word["word"]).strip(),
            "start": min(seconds, _number(word.get("start"), 0.0)),
            "end": min(seconds, _number(word.get("end"), seconds)),
        }
        for word in answer.get("words") or ()
        if isinstance(word, dict) and "word" in word
    ]
    logprob = sum(figure[0] for figure in figures) / len(figures) if figures else 0.0
    return [
        Utterance(
            start=words[0]["start"] if words else 0.0,
            end=words[-1]["end"] if words else seconds,
            text=text,
            is_final=True,
            confidence=round(math.exp(min(0.0, logprob)), 3) if figures else None,
            low_confidence=any(is_unreliable(*figure) for figure in figures),
            words=words,
        )
    ]


_FIGURES = {"avg_logprob": 0.0, "no_speech_prob": 0.0, "compression_ratio": 1.0}


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default
