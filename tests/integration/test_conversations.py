"""Three conversations that need nothing but the tools. The guide shows them as they are carried out here."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import io
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import av
import httpx
import pytest
from mcp import Client

from rtstream.client import RTStreamClient
from rtstream.models import Page
from rtstream.testsource import ClipSpec, LiveSource, read_barcode
from server.mcp_server import create_endpoint
from tests.integration.conversation import Conversation
from tests.integration.meetings import heard, meeting
from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import Call, forget_keys, model_server
from tests.rtstream.engine.recordings.test_exports import STREAM, add_recording, add_stream
from tests.rtstream.perception.speech.test_server import serving as speech_server
from tests.rtstream.perception.speech.test_server import verbose
from tests.server.mcp_servers import KEY, Served, call, serving
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

LIMIT_S = 60.0


@pytest.fixture
def client_options() -> dict[str, Any]:
    return {"toolsets": "default"}


@asynccontextmanager
async def connected_to(served: Served) -> AsyncIterator[Client]:
    """Connect a client to the default tools of an engine."""
    async with Client(create_endpoint(RTStreamClient(served.url, KEY), toolsets="default").mcp) as client:
        yield client


def playlist(player_url: str) -> str:
    """Return the URL of the playlist of a link."""
    return player_url.replace("/watch?v=", "/m/") + "/index.m3u8"


async def fetched(url: str) -> bytes:
    """Return the content of a link, which needs no key."""
    async with httpx.AsyncClient(timeout=LIMIT_S) as http:
        response = await http.get(url)
    assert response.status_code == 200
    return response.content


def frame_numbers(media: str | io.BytesIO) -> list[int]:
    """Return the number in the barcode of each picture."""
    with av.open(media, "r") as container:
        return [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


@pytest.mark.long
@pytest.mark.rtmp_server
async def test_a_meeting_is_recorded_and_its_action_items_become_a_clip(
    served: Served, client: Client, tmp_path: Path, clip_of: Callable[[ClipSpec], Path]
) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    spec = ClipSpec(width=640, height=360, fps=10, gop=10, seconds=24, bitrate=300_000, audio=False)
    with meeting(tmp_path, clip_of(spec)) as url:
        talk = Conversation(client, {url: "rtmp://meet.example/live/standup"})
        talk.user(f"Record our stand-up at {url}. I want the action items as a clip afterwards.")
        shown = ("stream_id", "media", "started")
        stream = await talk.call("connect_stream", url=url, name="Stand-up", transcribe=True, show=shown)
        stream_id = stream["stream_id"]

        async def sentences() -> list[str]:
            page = await served.engine.transcripts.get(stream_id, Page(page_size=100))
            return [record.text.lower() for record in page.transcription_records]

        def told(texts: list[str]) -> bool:
            return any("action items" in text for text in texts[:-1])

        await eventually(sentences, told, limit_s=LIMIT_S, every_s=0.2, what="the sentence after the action items")
        talk.user("The meeting is over. Where is the clip?")
        stopped = await talk.call("update_stream", stream_id=stream_id, running=False, show=("streams.0.status",))
        shown = ("hits.0.channel", "hits.0.player_url", "hits.0.opens_on")
        found = await talk.call("search", query='"action items"', streams=[stream_id], show=shown)
    assert stopped["streams"][0]["status"] == "stopped"
    hit = found["hits"][0]
    assert "action items" in hit["untrusted_text"].lower()
    assert b"<video" in await fetched(hit["player_url"])
    words = await anyio.to_thread.run_sync(heard, playlist(hit["player_url"]))
    assert "action items" in words.lower()
    numbers = await anyio.to_thread.run_sync(frame_numbers, playlist(hit["player_url"]))
    assert all((b - a) % (spec.fps * spec.seconds) == 1 for a, b in itertools.pairwise(numbers))
    assert len(numbers) / spec.fps >= hit["end"] - hit["start"]
    talk.check("meeting")


@pytest.fixture
def afternoon() -> datetime:
    """The newest 14:05 of a zone in which it is at least a quarter of an hour ago."""
    zones = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]
    now = next(now for zone in zones if (now := datetime.now(zone)).hour != 14)
    today = now.replace(hour=14, minute=5, second=0, microsecond=0)
    return today if today < now else today - timedelta(days=1)


async def test_five_minutes_of_the_afternoon_are_exported_with_a_link(
    tmp_path: Path, afternoon: datetime, clip_of: Callable[[ClipSpec], Path]
) -> None:
    clip = clip_of(ClipSpec(width=320, height=180, fps=1, gop=2, seconds=360, bitrate=50_000, audio=False))
    async with serving(tmp_path / "data", timezone=str(afternoon.tzinfo)) as served, connected_to(served) as client:
        await add_stream(served.engine)
        await add_recording(served.engine, clip, 1, afternoon.timestamp() - 30, seconds=360.0)
        talk = Conversation(client, {str(afternoon.tzinfo): "Europe/Berlin"})
        talk.user("Export 14:05 to 14:10 of the door and give me the link.")
        shown = ("video_id", "duration_s", "player_url", "opens_on", "note")
        made = await talk.call("export_stream", stream_id="Door", start="14:05", end="14:10", show=shown)
        assert made["shows"] == [[afternoon.timestamp(), afternoon.timestamp() + 300]]
        assert b"<video" in await fetched(made["player_url"])
        numbers = frame_numbers(io.BytesIO(await fetched(made["download_url"])))
    assert numbers == list(range(30, 330))  # one picture per second, from 14:05 on
    assert made["stream_id"] == STREAM
    talk.check("export")


def describe(asked: Call) -> str:
    """Respond as a vision model, and as the language model that decides events."""
    if asked.pictures:
        return "A desk with a screen."
    return json.dumps({"verdicts": [{"event": 1, "explanation": "No.", "match": False, "confidence": 0.9}]})


@pytest.mark.long
async def test_everything_that_costs_money_stops_while_the_recording_continues(
    tmp_path: Path, clip_of: Callable[[ClipSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pydantic_ai", reason="models need the extra 'models'")
    forget_keys(monkeypatch)
    reading = clip_of(ClipSpec(width=320, height=180, seconds=20, gop=15, bitrate=300_000, voice="reading"))
    async with model_server() as model, speech_server(verbose) as speech:
        model.reply = describe
        paid = {"vision_model": "openai:eye-1", "model_base_url": model.url, "model_api_key": MODEL_KEY}
        heard_by = {"speech_engine": "openai:whisper-1", "speech_base_url": speech.url}
        with LiveSource(reading) as source:
            async with (
                serving(tmp_path / "data", **paid, **heard_by) as served,
                connected_to(served) as client,
            ):
                free = await watch_two_streams(client, source)
                await eventually(lambda: model.calls and speech.forms, limit_s=LIMIT_S, what="calls of both models")
                talk = Conversation(client, {"openai:eye-1": "openai:gpt-6-luna"})
                await stop_what_costs_money(talk)
                before = len(model.calls), len(speech.forms)
                await two_more_scenes(client, free)
                assert (len(model.calls), len(speech.forms)) == before
                streams = (await call(client, "list_streams"))["streams"]
                assert [one["status"] for one in streams] == ["connected", "connected"]
                assert all(one["recorded"] for one in streams)
    talk.check("costs")


async def watch_two_streams(client: Client, source: LiveSource) -> dict[str, str]:
    """Connect a stream whose models are paid, and one with the built-in model. Returns arguments of the free index."""
    desk = await call(client, "connect_stream", url=source.rtsp_url, name="Desk", transcribe=True, index_prompt="Who?")
    assert len(desk["started"]) == 3, desk
    yard = await call(client, "connect_stream", url=source.http_url, name="Yard")
    index = await call(
        client, "index_visuals", stream_id=yard["stream_id"], model_name="local", batch_config={"value": 1}
    )
    await call(
        client,
        "create_alert",
        streams=[yard["stream_id"]],
        index_id=index["index_id"],
        event_prompt="Somebody looks tired",
        label="tired",
    )
    return {"stream_id": yard["stream_id"], "index_id": index["index_id"]}


async def stop_what_costs_money(talk: Conversation) -> None:
    talk.user("My bill grows too fast. Stop everything that costs money, but keep recording.")
    shown = ("streams.0.name", "streams.0.paid", "streams.1.name", "streams.1.paid")
    costs = await talk.call("list_streams", status="paid", ordering="name", show=shown)
    assert [len(one["paid"]) for one in costs["streams"]] == [2, 1]
    shown = ("streams.0.name", "streams.0.stopped", "streams.1.name", "streams.1.stopped")
    await talk.call("update_stream", stream_id="all", paid=False, show=shown)
    left = await talk.call("list_streams", status="paid", show=("total",))
    assert left["total"] == 0


async def two_more_scenes(client: Client, index: dict[str, str]) -> None:
    """Wait until the free index has described two more windows."""
    cursor = (await call(client, "get_scenes", **index, page_size=1))["cursor"]
    seen = 0
    with anyio.fail_after(LIMIT_S):
        while seen < 2:
            arrived = await call(
                client, "wait_for_events", streams=[index["stream_id"]], channels=["scenes"], since=cursor
            )
            cursor, seen = arrived["cursor"], seen + len(arrived["events"])
