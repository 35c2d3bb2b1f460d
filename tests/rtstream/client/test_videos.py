"""Typed calls for exported videos, on a real engine."""

from __future__ import annotations

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from rtstream.store import videos as rows
from rtstream.store.videos import VideoDetail
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def add_video(served: Served, video_id: str = "m-0123456789abcdef") -> str:
    facts = {"stream_id": "rts-1", "name": "Party", "path": video_id, "start": 1000.0, "duration": 60.0}
    detail = VideoDetail("key", 5, [(1000.0, 1060.0)]).to_json()
    await served.engine.db.write(
        lambda conn: rows.insert(conn, id=video_id, collection_id="default", detail=detail, created_at=1.0, **facts)
    )
    return video_id


async def test_a_video_is_listed_renamed_and_deleted(served: Served, client: RTStreamClient) -> None:
    video_id = await add_video(served)
    await add_video(served, "a-0123456789abcdef")  # audio only
    [listed] = await client.videos.list()
    assert (listed.id, listed.name, listed.covered) == (video_id, "Party", [(1000.0, 1060.0)])
    assert (await client.videos.update(video_id, name="Garden")).name == "Garden"
    assert (await client.videos.get("a-0123456789abcdef")).length == 60.0
    await client.videos.delete(video_id)
    with pytest.raises(NotFound, match=video_id):
        await client.videos.get(video_id)


async def test_moments_of_videos_play_one_after_the_other(served: Served, client: RTStreamClient) -> None:
    video_id = await add_video(served)
    links = await client.links.compile([(video_id, 10.0, 12.0), (video_id, 30.0, 32.0)])
    assert links.player_url.startswith(f"{served.url}/watch?v=")


async def test_a_search_without_hits_is_empty_and_one_that_cannot_be_made_is_refused(
    served: Served, client: RTStreamClient
) -> None:
    assert await client.videos.search("anything") == []
    video_id = await add_video(served)
    with pytest.raises(InvalidRequest, match="not indexed"):
        await client.videos.search("anything", video_id)


async def test_an_export_without_a_recording_is_explained(served: Served, client: RTStreamClient) -> None:
    stream_id = await served.add_stream()
    with pytest.raises(InvalidRequest, match="record"):
        await client.videos.export(stream_id)
