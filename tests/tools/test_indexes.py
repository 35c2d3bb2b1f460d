"""Scene indexes through the tools: described windows, their progress, and scenes that fit the result."""

from __future__ import annotations

import json

import pytest
from mcp import Client
from mcp_types import TextContent
from sqlalchemy import Connection, select, update

from rtstream.client import RTStreamClient
from rtstream.models import AnalysisState, IndexProgress
from rtstream.store.tables import scenes
from server.mcp_server import create_endpoint
from tests.server.mcp_servers import KEY, Served, call, refusal
from tools.indexes import MAX_RESULT_CHARS, index_state

pytestmark = pytest.mark.anyio


async def test_an_index_is_created_stopped_and_started(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Desk")
    window = {"type": "time", "value": 5, "frame_count": 3}
    asked = {"prompt": "What is there?", "batch_config": window, "name": "desk"}
    made = await call(client, "index_visuals", **asked)
    assert made["stream_id"] == stream_id
    assert f"since={made['cursor']}" in made["next"]
    assert "repeated" not in made
    again = await call(client, "index_visuals", stream_id="Desk", **asked)
    assert (again["index_id"], again["repeated"]) == (made["index_id"], True)
    stopped = await call(client, "update_index", running=False)
    assert (stopped["index_id"], stopped["status"], stopped["medium"]) == (made["index_id"], "stopped", "visual")
    changed = await call(client, "update_index", index_id="desk", running=True, prompt="Who is there?")
    assert (changed["status"], changed["prompt"]) == ("running", "Who is there?")
    assert "Nothing was changed" in await refusal(client, "update_index")
    wrong = {"type": "time", "value": 0, "frame_count": 1}
    assert "value" in await refusal(client, "index_visuals", prompt="x", batch_config=wrong)


async def test_a_remark_on_the_settings_comes_once_per_session_and_a_notice_with_the_first_result(
    served: Served,
) -> None:
    await served.add_stream("Desk")

    async def session() -> None:
        endpoint = create_endpoint(RTStreamClient(served.url, KEY), notices=["WEBHOOK is called WEBHOOK_URL now."])
        async with Client(endpoint.mcp) as client:
            results = [await client.call_tool("index_visuals", {"name": name}) for name in ("one", "two")]
            texts = [[part.text for part in one.content if isinstance(part, TextContent)] for one in results]  # pyright: ignore
            assert texts[0][0] == "Tell the user: WEBHOOK is called WEBHOOK_URL now."
            assert [len(one) for one in texts] == [2, 1]
            first, second = (json.loads(one[-1]) for one in texts)
            assert "No vision model is set" in first["note"]
            assert "note" not in second
            assert second["next"] == f"wait_for_events(channels=['scenes'], since={second['cursor']}) follows it."

    await session()
    await session()


async def test_the_index_of_a_call_is_found_by_id_or_name_or_is_the_only_one(served: Served, client: Client) -> None:
    await served.add_stream()
    assert "no index" in await refusal(client, "get_scenes")
    first = await call(client, "index_visuals", name="front")
    assert (await call(client, "get_scenes"))["medium"] == "visual"
    await call(client, "index_visuals", name="back")
    assert first["index_id"] in await refusal(client, "get_scenes")
    assert (await call(client, "get_scenes", index_id="back"))["scenes"] == []
    assert first["index_id"] in await refusal(client, "update_index", index_id="side", running=False)


async def test_speech_is_indexed_and_read_like_video(served: Served, client: Client) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    await served.add_stream()
    made = await call(client, "index_audio", name="talk")
    assert "channels=['audio']" in made["next"]
    assert (await call(client, "get_scenes"))["medium"] == "audio"
    assert (await call(client, "update_index", running=False))["medium"] == "audio"


async def test_scenes_are_read_newest_first_and_fit_the_result(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    index_id = await served.add_index(stream_id, *(f"{number} " + "word " * 1000 for number in range(60)))
    where = {"stream_id": stream_id, "index_id": index_id}
    few = await call(client, "get_scenes", **where, page_size=2)
    assert [scene["untrusted_text"].split()[0] for scene in few["scenes"]] == ["59", "58"]
    assert few["has_more"]
    many = await call(client, "get_scenes", **where, page_size=60)
    assert sum(len(scene["untrusted_text"]) for scene in many["scenes"]) <= MAX_RESULT_CHARS
    assert len(many["scenes"][0]["untrusted_text"]) < len(few["scenes"][0]["untrusted_text"])
    assert not many["has_more"]
    assert [
        scene["start"] for scene in (await call(client, "get_scenes", **where, start=1058, end=1059))["scenes"]
    ] == [1058.0]
    assert "milliseconds" in (await refusal(client, "get_scenes", **where, start=1795833900000)).lower()


async def test_scenes_with_the_same_text_are_one_with_its_news(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    texts = ["Agenda", "Invoice 4711", "Invoice 4711", "Invoice 4711", "Agenda"]
    index_id = await served.add_index(stream_id, *texts)
    news = {"appeared": ["Invoice 4711"], "disappeared": ["Agenda"], "cut": True, "motion": 0.25, "frozen": False}

    def change(conn: Connection) -> None:
        row = conn.execute(select(scenes.c.id).where(scenes.c.index_id == index_id).order_by(scenes.c.start)).all()[1]
        detail = {"changes": news, "frame_times": [1001.2, 1001.8]}
        conn.execute(update(scenes).where(scenes.c.id == row.id).values(detail=detail))

    await served.engine.db.write(change)
    found = await call(client, "get_scenes", stream_id=stream_id)
    shown = [(one["untrusted_text"], one["start"], one["end"], one.get("windows")) for one in found["scenes"]]
    assert shown == [
        ("Agenda", 1004.0, 1005.0, None),
        ("Invoice 4711", 1001.0, 1004.0, 3),
        ("Agenda", 1000.0, 1001.0, None),
    ]
    invoice = found["scenes"][1]
    assert (invoice["untrusted_new"], invoice["untrusted_gone"]) == (["Invoice 4711"], ["Agenda"])
    assert invoice["picture"] == {"cut": True, "motion": 0.25}
    assert invoice["at"] == 1001.8


def test_a_progress_without_a_cap_or_a_note_leaves_them_out() -> None:
    state = index_state(IndexProgress(rtstream_index_id="i", state=AnalysisState.RUNNING, windows_done=3))
    assert (state.done, state.capped, state.note, state.name) == (3, None, None, None)
