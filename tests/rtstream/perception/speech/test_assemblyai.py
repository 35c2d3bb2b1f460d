"""AssemblyAI's streaming protocol, with a loopback server that speaks it as documented."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.protocols import ProviderError
from rtstream.perception.speech.assemblyai import AssemblyAI
from tests.rtstream.perception.speech.sounds import RATE, finals, hear, pcm, tone

pytestmark = pytest.mark.anyio
KEY = "aai-secret-key"


@dataclass
class Service:
    """The messages that it received."""

    query: dict[str, list[str]] = field(default_factory=dict)
    key: str = ""
    chunks: list[float] = field(default_factory=list)
    """Seconds of each message with audio."""
    terminated: bool = False
    script: Callable[[ServerConnection, Service], Awaitable[None]] | None = None


def turn(number: int, *words: str, end: bool = False, formatted: bool = False, text: str = "") -> str:
    """A Turn message: each word takes half a second."""
    said = [
        {"text": word, "start": 500 * i + 2000 * number, "end": 500 * (i + 1) + 2000 * number, "confidence": 0.9}
        for i, word in enumerate(words)
    ]
    return json.dumps(
        {
            "type": "Turn",
            "turn_order": number,
            "turn_is_formatted": formatted,
            "end_of_turn": end,
            "transcript": text or " ".join(words),
            "end_of_turn_confidence": 0.8,
            "words": [{**word, "word_is_final": end} for word in said],
        }
    )


@asynccontextmanager
async def service(monkeypatch: pytest.MonkeyPatch, script: Any = None) -> AsyncIterator[Service]:
    """Run the service. After the first audio, it follows ``script``, which is two turns by default."""
    state = Service(script=script)

    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        state.query = parse_qs(urlsplit(socket.request.path).query)
        state.key = socket.request.headers.get("Authorization", "")
        await socket.send(json.dumps({"type": "Begin", "id": "session", "expires_at": 1}))
        async for message in socket:
            if isinstance(message, bytes):
                seconds = len(message) / (2 * RATE)
                if not 0.05 <= seconds <= 1:
                    error = f"Input Duration Violation: {1000 * seconds} ms. Expected between 50 and 1000 ms"
                    await socket.send(json.dumps({"type": "Error", "error_code": 3007, "error": error}))
                    await socket.close(3007, "See Error message for details")
                    return
                state.chunks.append(seconds)
                if len(state.chunks) == 1:
                    await (state.script or two_turns)(socket, state)
            elif json.loads(message)["type"] == "Terminate":
                state.terminated = True
                await socket.send(turn(2, "bye", end=True))
                await socket.send(json.dumps({"type": "Termination", "audio_duration_seconds": sum(state.chunks)}))
                await socket.close(1000)
                return

    async with serve(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("ASSEMBLYAI_STREAMING_URL", f"ws://127.0.0.1:{port}/v3/ws")
        monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
        yield state


async def two_turns(socket: ServerConnection, state: Service) -> None:
    await socket.send(json.dumps({"type": "SpeechStarted", "timestamp": 0}))
    await socket.send(turn(0, "it"))
    await socket.send(turn(0, "it", "was", end=True))
    await socket.send(turn(0, "it", "was", end=True, formatted=True, text="It was."))
    await socket.send(turn(1, "the", "best", end=True))  # its formatted form is lost


async def test_partials_and_finals_come_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(monkeypatch) as state:
        provider = registry.speech("assemblyai", EngineConfig())
        assert provider.name == "assemblyai"
        heard = await hear(provider, pcm(tone(1.03)), chunk_s=0.04)
    assert [(u.text, u.is_final) for u in heard] == [
        ("it", False),
        ("It was.", True),
        ("the best", True),
        ("bye", True),
    ]
    first = finals(heard)[0]
    assert (first.start, first.end, first.confidence) == (0.0, 1.0, 0.9)
    assert first.words[1] == {"word": "was", "start": 0.5, "end": 1.0, "confidence": 0.9}
    assert state.terminated
    assert state.key == KEY
    assert {key: values[0] for key, values in state.query.items()} == {
        "sample_rate": "16000",
        "encoding": "pcm_s16le",
        "format_turns": "true",
        "speech_model": "universal-streaming-english",
    }
    assert 1.03 <= sum(state.chunks) <= 1.08


async def test_the_model_follows_the_language_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(monkeypatch) as state:
        await hear(AssemblyAI(), pcm(tone(0.1)), language="de-DE")
        assert state.query["speech_model"] == ["universal-streaming-multilingual"]
        named = registry.speech(
            "assemblyai:universal-3-6-pro", EngineConfig(speech_engine="assemblyai:universal-3-6-pro")
        )
        state.chunks.clear()
        await hear(named, pcm(tone(0.1)), language="de-DE")
        assert (state.query["speech_model"], state.query["language_codes"]) == (["universal-3-6-pro"], ["de"])
        assert named.name == "assemblyai:universal-3-6-pro"


def test_without_a_key_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSEMBLYAI_API_KEY", raising=False)
    with pytest.raises(ProviderError, match="Set ASSEMBLYAI_API_KEY for the engine") as failure:
        AssemblyAI().ready()
    assert failure.value.permanent


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        (1008, "Unauthorized Connection: Not authorized", "rejected the key"),
        (1008, "Unauthorized Connection: Too many concurrent sessions", "no further concurrent sessions"),
        (3008, "Session Expired: Maximum session duration exceeded", "maximum duration"),
        (3006, "Invalid Message: Bad speech_model", "Bad speech_model"),
    ],
)
async def test_the_service_ends_a_session_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, code: int, error: str, sentence: str
) -> None:
    async def refuse(socket: ServerConnection, state: Service) -> None:
        await socket.send(json.dumps({"type": "Error", "error_code": code, "error": error}))
        await socket.close(code, "See Error message for details")

    async with service(monkeypatch, refuse):
        with pytest.raises(ExceptionGroup) as failure:
            await hear(AssemblyAI(), pcm(tone(1)), limit_s=8)
    text = " ".join(str(exc) for exc in failure.value.exceptions)
    assert sentence in text
    assert KEY not in text


async def test_a_lost_connection_gives_what_was_final(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave(socket: ServerConnection, state: Service) -> None:
        await socket.send(turn(0, "it", "was", end=True))
        socket.transport.abort()

    async with service(monkeypatch, leave):
        session = await AssemblyAI().open()
        await session.feed(pcm(tone(0.2)))
        with anyio.fail_after(5):
            utterances = session.utterances()
            assert (await anext(utterances)).text == "it was"
            with pytest.raises(ProviderError, match="ended the session"):
                await anext(utterances)
        await session.aclose()


async def test_a_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    monkeypatch.setenv("ASSEMBLYAI_STREAMING_URL", "ws://127.0.0.1:9/v3/ws")
    with pytest.raises(ProviderError, match="cannot be reached"):
        await AssemblyAI().open()
