"""The messages of the WebSocket for speech: a final segment, and a scene of an audio index.

Accept a deliberate change with ``pytest tests/rtstream/api/test_speech_shapes.py --inline-snapshot=fix``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from inline_snapshot import snapshot
from starlette.responses import JSONResponse
from websockets.asyncio.client import connect

from tests.fixtures.shapes import shape
from tests.rtstream.engine.transcripts.test_runner import BEGIN, add_stream, play
from tests.rtstream.perception.speech.sounds import RATE, pcm, reading, silence
from tests.rtstream.perception.speech.test_server import Server, serving

from .conftest import Served

pytestmark = pytest.mark.anyio

LIMIT_S = 60.0


@pytest.fixture
async def speech(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    async with serving(lambda form, seconds: JSONResponse({"text": "One two three four."})) as running:
        yield running


@pytest.fixture
def engine_settings(speech: Server) -> dict[str, Any]:
    return {"allow_networks": "loopback", "speech_engine": "openai:whisper-1", "speech_base_url": speech.url}


async def test_the_messages_of_a_transcript_and_an_audio_index(served: Served) -> None:
    found: dict[str, Any] = {}
    async with served.client() as http, connect(await served.ws_url(scope="all"), proxy=None) as socket:
        with anyio.fail_after(LIMIT_S):
            stream_id = await add_stream(served.engine)
            config = {"segmenter": "word", "segmentation_value": 4}
            request = {"extraction_type": "transcript", "extraction_config": config, "prompt": "?", "name": "talk"}
            created = (await http.post(f"/rtstream/{stream_id}/index/scene", json=request)).json()
            assert created["success"], created
            await play(served.engine, stream_id, pcm(silence(1), reading(5)[RATE:], silence(1)), BEGIN)
            while not found.keys() >= {"transcript", "audio_index"}:
                message = json.loads(await socket.recv())
                found.setdefault(message.get("channel", ""), message)
    assert shape(found["transcript"], measured=True) == snapshot(
        {
            "channel": "transcript",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Desk",
            "data": {
                "text": "One two three four.",
                "is_final": True,
                "start": "<number>",
                "end": "<number>",
                "engine": "openai:whisper-1",
                "kind": "speech",
            },
            "seq": "<integer>",
        }
    )
    assert shape(found["audio_index"], measured=True) == snapshot(
        {
            "channel": "audio_index",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Desk",
            "data": {
                "text": "One two three four.",
                "start": "<number>",
                "end": "<number>",
                "rtstream_index_id": "<index>",
                "index_name": "talk",
                "scene_id": "<integer>",
                "model": "local",
                "status": "ok",
            },
            "seq": "<integer>",
        }
    )
