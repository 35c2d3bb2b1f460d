"""The merged timeline over HTTP."""

from __future__ import annotations

import httpx
import pytest
from inline_snapshot import snapshot

from tests.fixtures.shapes import shape
from tests.rtstream.api.test_streams import data

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def test_a_timeline_is_read_in_pages(api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream) -> None:
    stream_id = await add_stream("Desk")
    await add_index(stream_id, scenes=3)
    query = {"start": 990, "end": 1010, "streams": stream_id, "channels": "scenes, alerts", "max_chars": 1000}
    found = [await data(await api.get("/rtstream/timeline", params=query))]
    while cursor := found[-1]["cursor"]:
        found.append(await data(await api.get("/rtstream/timeline", params={"cursor": cursor, "max_chars": 1000})))
    entries = [entry for page in found for entry in page["entries"]]
    assert [(entry["text"], entry["start"]) for entry in entries] == [
        ("scene 0", 1000.0),
        ("scene 1", 1001.0),
        ("scene 2", 1002.0),
    ]
    assert found[0]["streams"] == {stream_id: "Desk"}
    assert shape(entries[0]) == snapshot(
        {
            "channel": "scenes",
            "rtstream_id": "<stream>",
            "start": 1000.0,
            "end": 1001.0,
            "within_s": 1.0,
            "text": "scene 0",
            "items": 1,
            "results": 1,
            "already_there": False,
            "still_there": False,
            "said": [],
            "said_more": 0,
            "later": [],
            "later_more": 0,
            "label": "",
            "confidence": None,
            "rtstream_index_id": "<index>",
            "alert_id": None,
            "engine": None,
            "player_url": None,
            "picture_url": None,
        }
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"channels": "weather"}, "channels"),
        ({"start": "yesterday"}, "start"),
        ({"max_chars": 10}, "max_chars"),
        ({"start": 10, "end": 5}, "ends before it starts"),
        ({"cursor": "x"}, "Unknown cursor"),
        ({"streams": "rts-0"}, "There is no stream"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_a_sentence(
    api: httpx.AsyncClient, query: dict[str, str], words: str
) -> None:
    answer = await api.get("/rtstream/timeline", params=query)
    assert answer.status_code in (400, 404)
    assert words in answer.json()["message"]
