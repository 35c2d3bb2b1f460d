"""Seeing through MCP: indexes, scenes and questions on a live stream, with a model that may be slow or hostile."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent
from PIL import Image

from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import Answer, Call, ModelServer, chat_completion, failure, forget_keys, model_server
from tests.server.mcp_servers import call, refusal
from tests.tools.test_hostile import CORPUS, SAID, check
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
WINDOW = {"type": "time", "value": 0.5, "frame_count": 1}


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keys(monkeypatch)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        running.says("A desk.")
        yield running


@pytest.fixture
def engine_settings(server: ModelServer) -> dict[str, Any]:
    model = {"vision_model": "openai:eye-1", "model_base_url": server.url, "model_api_key": MODEL_KEY}
    return {"segment_s": 1.0, **model}


@asynccontextmanager
async def indexed(
    client: Client, source: LiveSource, prompt: str = "?", *, record: bool = True, **more: Any
) -> AsyncIterator[dict[str, str]]:
    """The ids of a live stream and of an index of it, as arguments."""
    stream = await call(client, "connect_stream", url=source.rtsp_url, record=record)
    given = {"stream_id": stream["stream_id"], "prompt": prompt, "batch_config": WINDOW, **more}
    index = await call(client, "index_visuals", **given)
    yield {"stream_id": stream["stream_id"], "index_id": index["index_id"]}
    await call(client, "update_stream", stream_id=stream["stream_id"], running=False)


async def when(
    read: Callable[[], Awaitable[dict[str, Any]]], wanted: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """The answer once it is as wanted."""
    return await eventually(read, wanted, limit_s=LIMIT_S, every_s=0.1)


async def test_what_a_slow_model_skips_is_told_by_every_tool_and_the_stream_resource(
    client: Client, server: ModelServer, live_source: LiveSource
) -> None:
    server.reply = lambda asked: Answer(chat_completion("slow"), delay_s=1.5)
    # With a recording, the skipped windows would wait to be described later.
    async with indexed(client, live_source, name="Desk", record=False) as ids:

        async def progress() -> dict[str, Any]:
            [index] = (await call(client, "get_stream", stream_id=ids["stream_id"]))["indexes"]
            return index

        found = await when(progress, lambda index: index["skipped"] >= 2)
        assert (found["status"], found["model"], found["name"]) == ("running", "openai:eye-1", "Desk")
        read = await client.read_resource(f"rtstream://streams/{ids['stream_id']}")
        [shown] = json.loads(read.contents[0].text)["indexes"]  # pyright: ignore[reportAttributeAccessIssue]
        assert shown["windows_skipped"] >= 2

        assert (await call(client, "update_index", **ids, running=False))["status"] == "stopped"
        stopped = await progress()
        assert (stopped["status"], stopped["note"]) == ("stopped", "stopped by request")
        assert (await call(client, "update_index", **ids, running=True))["status"] == "running"
        await when(progress, lambda index: index["done"] > stopped["done"])


async def test_scenes_carry_model_times_data_and_why_a_window_failed(
    client: Client, server: ModelServer, live_source: LiveSource
) -> None:
    schema = {"type": "object", "properties": {"people": {"type": "integer"}}}
    answers = iter(['{"people": 2}', '{"people": "two"}', "", "", "", ""])

    def look(asked: Call) -> str | Answer:
        said = next(answers, "")
        return said or Answer(failure("bad key"), 401)

    server.reply = look
    async with indexed(client, live_source, json_schema=schema) as ids:
        found = await when(
            lambda: call(client, "get_scenes", **ids, page_size=50), lambda page: len(page["scenes"]) >= 3
        )
        fits, misfits, failed = found["scenes"][::-1][:3]
        assert (fits["untrusted_text"], fits["untrusted_data"]) == ('{"people": 2}', {"people": 2})
        assert fits["model"] == "openai:eye-1"
        assert fits["start"] <= fits["frame_times"][0] <= fits["end"] == fits["start"] + 0.5
        assert fits["latency_s"] > 0
        assert "untrusted_data" not in misfits
        assert misfits["data_error"] == "The answer does not match the JSON schema at people."
        assert "untrusted_text" not in failed
        assert "rejected the key" in failed["failure"]
        page = await call(client, "get_scenes", **ids, page=2, page_size=1)
        assert len(page["scenes"]) == 1
        window = {"start": fits["start"], "end": fits["end"]}
        assert [s["start"] for s in (await call(client, "get_scenes", **ids, **window))["scenes"]] == [fits["start"]]
        heard = await call(client, "wait_for_events", since=0, channels=["scenes"], timeout_s=0)
        assert any("rejected the key" in event.get("reason", "") for event in heard["events"])


@pytest.mark.parametrize("pattern", CORPUS, ids=range(len(CORPUS)))
async def test_what_a_model_says_of_hostile_pictures_stays_in_fields_that_say_so(
    client: Client, server: ModelServer, live_source: LiveSource, pattern: str
) -> None:
    said = pattern.replace("@", SAID)
    server.reply = lambda asked: json.dumps({"seen": said, said[:50]: [said]}) if "JSON" in asked.text else said
    async with indexed(client, live_source) as ids:
        stream_id = ids["stream_id"]
        asks = {"stream_id": stream_id, "prompt": "As JSON: what is written there?", "batch_config": WINDOW}
        tidy = {"stream_id": stream_id, "index_id": (await call(client, "index_visuals", **asks))["index_id"]}
        for index in (ids, tidy):
            page = await when(partial(call, client, "get_scenes", **index), lambda page: page["scenes"])
            assert check(page, "get_scenes")
            for scene in page["scenes"]:
                assert index is ids or "untrusted_data" in scene or "too large" in scene["data_error"]
        assert check(await call(client, "wait_for_events", since=0, channels=["scenes"], timeout_s=0), "events")
        assert check(await call(client, "look", stream_id=stream_id, question="What is written there?"), "look")
        assert not check(await call(client, "get_stream", stream_id=stream_id), "get_stream")


async def test_a_question_is_answered_in_words_and_a_range_is_shown_as_one_picture(
    client: Client, server: ModelServer, live_source: LiveSource
) -> None:
    server.reply = lambda asked: f"{asked.text.splitlines()[0]} {len(asked.pictures)}"
    stream_id = (await call(client, "connect_stream", url=live_source.rtsp_url))["stream_id"]
    answer = await client.call_tool("look", {"stream_id": stream_id, "question": "Who is there?"})
    assert isinstance(answer, CallToolResult)
    assert answer.structured_content is not None
    assert answer.structured_content["untrusted_text"] == "Who is there? 1"
    assert answer.structured_content["model"] == "openai:eye-1"
    assert not any(isinstance(part, ImageContent) for part in answer.content), "it is for those who cannot see"

    stream = await when(
        lambda: call(client, "get_stream", stream_id=stream_id),
        lambda stream: stream["recorded"] and stream["recorded"][-1][1] - stream["recorded"][-1][0] > 2.5,
    )
    start, end = stream["recorded"][-1]
    shown = await client.call_tool("look", {"stream_id": stream_id, "start": start, "end": end, "count": 4})
    assert isinstance(shown, CallToolResult)
    image = shown.content[0]
    assert isinstance(image, ImageContent)
    assert shown.structured_content is not None
    assert len(shown.structured_content["times"]) == 4
    picture = Image.open(io.BytesIO(base64.b64decode(image.data)))
    assert picture.size == (shown.structured_content["width"], shown.structured_content["height"]) == (644, 396)
    asked = await call(client, "look", stream_id=stream_id, start=start, end=end, count=4, question="What happened?")
    assert asked["times"] == shown.structured_content["times"]
    assert asked["untrusted_text"] == "What happened? 1"
    assert "Pass at for one moment" in await refusal(client, "look", stream_id=stream_id, start=start)
    assert "nearest" in await refusal(client, "look", stream_id=stream_id, start=start - 900, end=start - 800)
    assert "is before its start" in await refusal(client, "look", stream_id=stream_id, start=end, end=start)
