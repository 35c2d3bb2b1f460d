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
from tests.server.mcp_servers import Served, call, refusal
from tools._framework import job_wait

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


async def test_a_video_is_transcribed_read_and_searched(
    served: Served, client: Client, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "index_spoken_words" in await refusal(client, "get_transcript", video_id=video)
    unread = await call(client, "search", query="wisdom", videos=["all"])
    assert unread["hits"] == []
    assert "not transcribed: m-1 (Reading)" in unread["note"]

    with monkeypatch.context() as brief:
        brief.setattr(job_wait, "WAIT_S", 0.0)
        begun = await call(client, "index_spoken_words", video_id=video)
    assert begun["job_id"] in begun["next"]
    await served.engine.jobs.get(begun["job_id"]).wait(60)
    made = await call(client, "index_spoken_words", video_id=video)
    followed = await call(client, "jobs", job_id=begun["job_id"])
    assert (followed["jobs"][0]["state"], followed["result"]) == ("done", made)
    read = await call(client, "get_transcript", video_id=video)
    assert made["sentences"] == len(read["said"]) == read["total"] > 0
    assert "age of wisdom" in " ".join(one["untrusted_text"] for one in read["said"]).lower()
    late = await call(client, "get_transcript", video_id=video, start=f"0:{SECONDS // 2}")
    assert 0 < len(late["said"]) < len(read["said"]) or len(read["said"]) == 1
    first = await call(client, "get_transcript", video_id=video, page_size=1)
    assert (first["said"], first["has_more"]) == (read["said"][:1], len(read["said"]) > 1)

    found = await call(client, "search", query="age of wisdom")
    hit = found["hits"][0]
    assert (hit["video_id"], hit["name"], hit["channel"], hit["medium"]) == (video, "Reading", "videos", "audio")
    assert 0 <= hit["start"] < hit["end"] <= SECONDS + 0.5
    assert "/watch?v=" in hit["player_url"]
    assert "/watch?v=" in found["player_url"]
    [only] = (await call(client, "search", query="age of wisdom", videos=["Reading"], limit=1))["hits"]
    assert only["video_id"] == video
    assert (await call(client, "search", query="helicopter", videos=[video]))["hits"] == []
