"""A model searches streams and videos, and gets links that play what it found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from rtstream.rules.link_targets import LinkOrigin
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store import video_transcripts as video_transcript_rows
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream
from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio


async def searchable(served: Served) -> None:
    with anyio.fail_after(5):
        await served.engine.search.caught_up()


async def test_a_moment_is_found_in_all_streams_or_in_some(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Door"), await served.add_stream("Yard")
    index = await served.add_index(door, "A courier puts a parcel on the step")
    await served.add_index(yard, "A fox eats the parcel")
    await searchable(served)
    found = await call(client, "search", query="parcels")
    assert {hit["name"] for hit in found["hits"]} == {"Door", "Yard"}
    assert found["by"] == "words"
    assert "look" in found["next"]
    found = await call(client, "search", query="parcels", streams=["Door"], channels=["scenes"], limit=5)
    [hit] = found["hits"]
    assert (hit["stream_id"], hit["index_id"], hit["channel"], hit["medium"]) == (door, index, "scenes", "visual")
    assert hit["untrusted_text"] == "A courier puts a parcel on the step"
    assert hit["end"] > hit["start"] > 0
    assert "player_url" not in hit  # nothing was recorded then
    nothing = await call(client, "search", query="parcels", end=1.0)
    assert nothing["hits"] == []
    assert "no video" in await refusal(client, "search", query="x", videos=["Nowhere"])


async def test_other_collections_are_searched_only_when_they_are_named(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Door"), await served.add_stream("Yard")
    for stream_id in (door, yard):
        await served.add_index(stream_id, "A courier brings a parcel")
    garden = await served.engine.collections.create("Garden", "", is_public=False)
    await served.engine.db.write(lambda conn: stream_rows.update_stream(conn, yard, collection_id=garden.id))
    await searchable(served)

    async def streams(**where: Any) -> set[str]:
        return {hit["stream_id"] for hit in (await call(client, "search", query="parcel", **where))["hits"]}

    assert await streams() == {door}
    assert garden.id in (await call(client, "search", query="parcel"))["note"]
    assert await streams(collection="Garden") == {yard}
    assert await streams(collection="all") == {door, yard}
    assert await streams(streams=["Yard"]) == {yard}
    assert await streams(streams=["Yard", "Door"]) == {door, yard}


async def test_a_spoken_hit_is_heard_with_the_sentences_around_it(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    said = ["We met today.", "The action items are clear.", "Anna writes the report.", "Goodbye."]

    def write(conn: Any) -> None:
        for number, text in enumerate(said):
            times = {"start": 1000.0 + 4 * number, "end": 1003.0 + 4 * number, "created_at": time.time()}
            transcript_rows.add(conn, stream_id=stream_id, engine="local", text=text, kind="speech", detail={}, **times)

    await served.engine.db.write(write)
    await searchable(served)
    result = await served.engine.search.search("action items", kinds=["transcript"], clips=True)
    [hit] = result.hits
    assert (hit.start, hit.end, hit.clip, hit.medium) == (1004.0, 1007.0, (1000.0, 1011.0), "audio")
    found = await call(client, "search", query="action items", channels=["transcript"])
    assert [(one["channel"], one["medium"]) for one in found["hits"]] == [("transcript", "audio")]


async def test_all_hits_on_streams_and_in_videos_play_through_one_link(
    served: Served, client: Client, clip: Path
) -> None:
    await add_stream(served.engine)
    await add_recording(served.engine, clip, 1, START, seconds=6)
    started = await served.engine.exports.start(STREAM, "Party", START, START + 6)
    await started.wait(60)
    [video] = await served.engine.videos.list(LinkOrigin(served.url))
    at = {"text": "The action items.", "created_at": time.time()}

    def write(conn: Any) -> None:
        for start in (START + 1.0, START + 1.5, START + 4.0):  # the first two overlap
            of_stream = {"stream_id": STREAM, "engine": "local", "kind": "speech", "detail": {}}
            transcript_rows.add(conn, **of_stream, **at, start=start, end=start + 0.9)
        sentence = {"start": 2.6, "end": 2.9, "text": at["text"], "words": []}
        facts = {"engine": "local", "language": None, "sound": True, "created_at": time.time()}
        assert video_transcript_rows.replace(conn, video.id, [sentence], **facts)

    await served.engine.db.write(write)
    await searchable(served)
    found = await call(client, "search", query="action items")
    assert {hit.get("stream_id") or hit["video_id"] for hit in found["hits"]} == {STREAM, video.id}
    assert all("/watch?v=" in hit["player_url"] for hit in found["hits"])
    async with httpx.AsyncClient(base_url=served.url) as http:
        page = (await http.get(found["player_url"].replace("/watch", "/playback.json"))).json()
    assert {one["init_url"].rpartition("/")[2] for one in page["fragments"]} == {"rec-1.mp4", f"{video.id}.mp4"}
    of_stream = [one for one in page["fragments"] if one["init_url"].endswith("rec-1.mp4")]
    assert len({one["url"] for one in page["fragments"]}) == len(page["fragments"])
    assert sum(one["duration"] for one in of_stream) <= 6.0, "no moment is played twice"
    assert (await call(client, "search", query="action items"))["player_url"] == found["player_url"]
