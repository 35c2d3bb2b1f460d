"""A model asks what happened on streams."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent

from rtstream.store import transcripts as transcript_rows
from tests.rtstream.engine.search.test_timeline import START, a_meeting
from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio


async def test_what_happened_is_told_in_one_call(served: Served, client: Client) -> None:
    await a_meeting(served.engine)
    found = await call(client, "what_happened", start=str(START), end=str(START + 240))
    assert [entry["untrusted_text"].split(" / ")[0] for entry in found["entries"]] == [
        "Welcome",
        "Budget",
        "Hiring",
        "Welcome",
    ]
    assert (found["start"], found["end"]) == (START, START + 240)
    budget = found["entries"][1]
    assert [one["untrusted_text"] for one in budget["said"]] == ["Sentence 3.", "Sentence 4.", "Sentence 5."]
    assert budget["start_at"].startswith("2023-11-14T")
    assert budget["said"][0]["start_at"].startswith("2023-11-14T")
    assert found["entries"][-1]["still_there"] is True
    assert "stream_id" not in budget
    assert "cursor" not in found


@pytest.mark.parametrize("max_chars", [1500, 6000])
async def test_a_result_is_not_longer_than_asked_and_continues(served: Served, client: Client, max_chars: int) -> None:
    stream_id = await a_meeting(served.engine)

    def write(conn: Any) -> None:
        for number in range(40):
            times = {"start": START + 6 * number, "end": START + 6 * number + 3, "created_at": time.time()}
            text = f'He said "{number}" and more \\ words, äöü. ' * 4
            transcript_rows.add(conn, stream_id=stream_id, engine="b", text=text, kind="speech", detail={}, **times)

    await served.engine.db.write(write)
    starts: list[float] = []
    cursor: dict[str, str] = {"start": str(START), "end": str(START + 240)}
    for _ in range(40):
        result = await client.call_tool("what_happened", {**cursor, "max_chars": max_chars})
        assert isinstance(result, CallToolResult)
        [text] = [part.text for part in result.content if isinstance(part, TextContent)]
        assert len(text) <= max_chars
        page = json.loads(text)
        starts += [entry["start"] for entry in page["entries"]]
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert len(starts) == len(set(starts))
    assert len(starts) > 4


async def test_an_empty_range_states_why_and_a_bad_one_is_refused(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Desk")
    found = await call(client, "what_happened", streams=["Desk"], start="-10m")
    assert found["entries"] == []
    assert found["end"] - found["start"] == pytest.approx(600, abs=5)
    assert "transcribe" in " ".join(one["reason"] for one in found["quiet"])
    assert found["streams"] == [{"stream_id": stream_id, "name": "Desk"}]
    assert "there is none" in await refusal(client, "what_happened", start="start")
    assert "no stream" in await refusal(client, "what_happened", streams=["Nowhere"])
    assert "Unknown cursor" in await refusal(client, "what_happened", cursor="x")
