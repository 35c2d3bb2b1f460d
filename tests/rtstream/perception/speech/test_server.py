"""Servers with OpenAI's transcription call: a loopback server that decodes what it is sent."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.protocols import ProviderError, SpeechProvider
from tests.rtstream.perception.speech.sounds import RATE, hear, noise, pcm, reading, silence
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

Answer = Callable[[dict[str, Any], float], Response]


@dataclass
class Server:
    """A request: its form fields without the file, the seconds of audio, and its authorization."""

    url: str = ""
    forms: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


def verbose(form: dict[str, Any], seconds: float) -> Response:
    """As the API documents verbose_json with word times."""
    words = [{"word": "it", "start": 0.1, "end": 0.3}, {"word": "was", "start": 0.3, "end": seconds}]
    segment = {"avg_logprob": -0.2, "no_speech_prob": 0.01, "compression_ratio": 1.1, "text": "It was."}
    return JSONResponse({"text": " It was. ", "language": "english", "words": words, "segments": [segment]})


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server()

    async def transcribe(request: Request) -> Response:
        async with request.form() as form:
            with wave.open(io.BytesIO(await form["file"].read())) as file:  # pyright: ignore
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
                samples = file.readframes(file.getnframes())
            fields = {key: form.getlist(key) for key in form if key != "file"}
        server.forms.append(fields)
        server.seconds.append(len(samples) / (2 * RATE))
        server.keys.append(request.headers.get("authorization"))
        return answer(fields, server.seconds[-1])

    app = Starlette(routes=[Route("/v1/audio/transcriptions", transcribe, methods=["POST"])])
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))

    async def serve() -> None:
        with anyio.CancelScope(shield=True):  # even a failed test ends it in order
            await running.serve()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await eventually(lambda: running.started, limit_s=10)
        port = running.servers[0].sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        finally:
            running.should_exit = True


def provider_at(url: str, monkeypatch: pytest.MonkeyPatch, model: str = "openai:whisper-1") -> SpeechProvider:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-speech")
    return registry.speech(model, EngineConfig(speech_base_url=url, allow_models=model))


async def test_each_utterance_is_one_call_with_its_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(verbose) as server:
        provider = provider_at(server.url, monkeypatch)
        heard = await hear(provider, pcm(silence(2), reading(9), silence(2)), language="en-GB")
        await provider.aclose()
    assert len(heard) == len(server.forms) >= 2
    assert server.forms[0] == {
        "model": ["whisper-1"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
        "language": ["en"],
    }
    assert set(server.keys) == {"Bearer sk-speech"}
    first = heard[0]
    assert (first.text, first.is_final, first.low_confidence) == ("It was.", True, False)
    assert first.confidence == pytest.approx(0.819, abs=0.001)
    # "It was the best of times ... it was the age of wisdom" is said from 3.1 to 8.2 s, with no longer pause.
    assert 1.8 < first.start - 0.1 < 3.1
    assert first.end == pytest.approx(first.start - 0.1 + server.seconds[0], abs=0.01)
    assert 8.2 < first.end < 8.6
    assert [word["word"] for word in first.words] == ["it", "was"]


async def test_no_sound_leaves_the_machine_when_nobody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(verbose) as server:
        provider = provider_at(server.url, monkeypatch)
        assert await hear(provider, pcm(silence(4), noise(10))) == []
        await provider.aclose()
    assert server.forms == []


async def test_a_server_without_word_times_is_asked_for_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(form: dict[str, Any], seconds: float) -> Response:
        if form["response_format"] != ["json"]:
            return JSONResponse({"error": {"message": "response_format verbose_json is not supported"}}, 400)
        return JSONResponse({"text": "It was."})

    async with serving(plain) as server:
        provider = provider_at(server.url, monkeypatch, "vllm:whisper-large-v3")
        heard = await hear(provider, pcm(silence(2), reading(9), silence(2)))
        await provider.aclose()
    assert [form["response_format"] for form in server.forms[:3]] == [["verbose_json"], ["json"], ["json"]]
    assert server.keys[0] is None  # the key of OpenAI goes to OpenAI's protocol name only
    assert heard[0].words == []
    assert heard[0].end - heard[0].start == pytest.approx(server.seconds[0])


async def test_text_the_model_itself_takes_for_silence_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def invented(form: dict[str, Any], seconds: float) -> Response:
        segment = {"avg_logprob": -1.4, "no_speech_prob": 0.9, "compression_ratio": 1.0, "text": "Thank you."}
        return JSONResponse({"text": "Thank you.", "segments": [segment]})

    async with serving(invented) as server:
        provider = provider_at(server.url, monkeypatch)
        assert await hear(provider, pcm(silence(2), reading(5), silence(2))) == []
        await provider.aclose()
    assert server.forms


async def test_a_passing_failure_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([JSONResponse({}, 503), JSONResponse({}, 429, {"retry-after": "0"})])

    def flaky(form: dict[str, Any], seconds: float) -> Response:
        return next(failures, None) or verbose(form, seconds)

    async with serving(flaky) as server:
        provider = provider_at(server.url, monkeypatch)
        heard = await hear(provider, pcm(silence(2), reading(5), silence(2)))
        await provider.aclose()
    assert heard
    assert len(server.forms) == len(heard) + 2


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda: JSONResponse({"error": "sk-speech is wrong"}, 401), "rejected the key"),
        (lambda: JSONResponse({}, 404), "does not exist on its server"),
        (lambda: JSONResponse({}, 413), "HTTP 413"),
        (lambda: Response("<html>"), "did not return a text"),
    ],
)
async def test_a_refusal_is_one_sentence_without_the_key(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Response], sentence: str
) -> None:
    async with serving(lambda form, seconds: answer()) as server:
        provider = provider_at(server.url, monkeypatch)
        with pytest.raises(ExceptionGroup) as failure:
            await hear(provider, pcm(silence(2), reading(5), silence(2)))
        await provider.aclose()
    [error] = failure.value.exceptions
    assert isinstance(error, ProviderError)
    assert sentence in str(error)
    assert "sk-speech" not in str(error)


def test_without_a_key_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ProviderError, match="Set OPENAI_API_KEY"):
        registry.speech("openai:whisper-1", EngineConfig(speech_engine="openai:whisper-1")).ready()
    registry.speech("ollama:whisper", EngineConfig(speech_engine="ollama:whisper")).ready()
    for name in ("nonsense", "openai:", "anthropic:claude"):
        with pytest.raises(ProviderError, match="not supported"):
            registry.speech(name, EngineConfig(allow_models=name))
