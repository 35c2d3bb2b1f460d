"""A model has a video transcribed, reads it, and gets a link to just the moments it looked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp import Client

from rtstream.extract.export import VIDEO_FILE
from rtstream.store import videos as video_rows
from tests.server.mcp_servers import Served, call

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20


@pytest.fixture
async def video(served: Served, clip_of: Callable[[ClipSpec], Path]) -> str:
    """A human reads the beginning of A Tale of Two Cities."""
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    from rtstream.testsource import ClipSpec

    spec = ClipSpec(width=160, height=90, fps=5, gop=10, seconds=SECONDS, bitrate=50_000, voice="reading")
    folder = served.data_dir / "videos" / "m-1"
    folder.mkdir(parents=True)
    shutil.copy(clip_of(spec), folder / VIDEO_FILE)
    detail = {"key": "k", "size": 1, "covered": [[1000.0, 1000.0 + SECONDS]]}
    times = {"start": 1000.0, "duration": float(SECONDS), "created_at": 0.0}
    values = {"id": "m-1", "collection_id": "default", "stream_id": "rts-1", "name": "Reading", "path": "m-1"}
    await served.engine.db.write(lambda conn: video_rows.insert(conn, **values, **times, detail=detail))
    return "m-1"


async def test_a_video_is_transcribed_read_and_searched(client: Client, video: str) -> None:
    refused = await client.call_tool("get_video_transcript", {"video_id": video})
    assert refused.is_error
    unread = await client.call_tool("search_videos", {"query": "wisdom"})
    assert unread.is_error
    assert "not transcribed: m-1 (Reading)" in str(unread.content)

    made = await call(client, "index_spoken_words", video_id=video)
    read = await call(client, "get_video_transcript", video_id=video)
    assert made["sentences"] == len(read["said"]) > 0
    assert "age of wisdom" in " ".join(one["untrusted_text"] for one in read["said"]).lower()
    late = await call(client, "get_video_transcript", video_id=video, start=SECONDS / 2)
    assert 0 < len(late["said"]) < len(read["said"]) or len(read["said"]) == 1

    found = await call(client, "search_videos", query="age of wisdom")
    hit = found["hits"][0]
    assert (hit["video_id"], hit["video_name"]) == (video, "Reading")
    assert 0 <= hit["start"] < hit["end"] <= SECONDS + 0.5
    assert "/watch?v=" in found["player_url"]
    assert ".m3u8" in found["stream_url"]
    assert (await call(client, "search_videos", query="helicopter", video_id=video))["hits"] == []
