"""Scene indexes through the tools: described windows, their progress, and scenes that fit the result."""

from __future__ import annotations

import pytest
from mcp import Client

from rtstream.models import AnalysisState, IndexProgress
from tests.server.mcp_servers import Served, call, refusal
from tools.indexes import MAX_RESULT_CHARS, index_state

pytestmark = pytest.mark.anyio


async def test_an_index_is_created_stopped_and_started(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    window = {"type": "time", "value": 5, "frame_count": 3}
    made = await call(client, "index_visuals", stream_id=stream_id, prompt="What is there?", batch_config=window)
    assert "cursor" in made["next"]
    where = {"stream_id": stream_id, "index_id": made["index_id"]}
    assert (await call(client, "stop_scene_index", **where))["status"] == "stopped"
    assert (await call(client, "start_scene_index", **where))["status"] == "running"
    details = await call(client, "get_scene_index", **where)
    assert (details["done"], details["calls"], details["waiting"]) == (0, 0, 0)
    [listed] = (await call(client, "list_scene_indexes", stream_id=stream_id))["indexes"]
    assert listed["index_id"] == made["index_id"]
    assert (listed["window_s"], listed["frames"], listed["prompt"]) == (5, 3, "What is there?")
    wrong = {"type": "time", "value": 0, "frame_count": 1}
    asked = {"stream_id": stream_id, "prompt": "x", "batch_config": wrong}
    assert "value" in await refusal(client, "index_visuals", **asked)


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


def test_a_progress_without_a_cap_or_a_note_leaves_them_out() -> None:
    state = index_state(IndexProgress(rtstream_index_id="i", state=AnalysisState.RUNNING, windows_done=3))
    assert (state.done, state.capped, state.note, state.name) == (3, None, None, None)
