"""Typed calls for transcripts, on a real engine."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import RTStreamError
from rtstream.store import transcripts as rows
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_a_transcript_is_read_by_page_and_range(served: Served, client: RTStreamClient) -> None:
    stream_id = await served.add_stream()

    def say(conn: Any) -> None:
        for start in (10.0, 20.0, 30.0):
            times = {"start": start, "end": start + 2, "created_at": time.time()}
            rows.add(conn, stream_id=stream_id, engine="local", text=f"at {start}", kind="speech", detail={}, **times)

    await served.engine.db.write(say)
    page = await client.transcripts.get(stream_id, page_size=2)
    assert [one.text for one in page.transcription_records] == ["at 10.0", "at 20.0"]
    assert (page.total_count, page.next_page) == (3, True)
    rest = await client.transcripts.get(stream_id, since=22.0)
    assert [one.start for one in rest.transcription_records] == [30.0]


async def test_a_stream_without_audio_has_no_transcript_to_start(served: Served, client: RTStreamClient) -> None:
    stream_id = await served.add_stream(audio=False)
    assert (await client.transcripts.status(stream_id)).status == "not_configured"
    with pytest.raises(RTStreamError, match="audio=false"):
        await client.transcripts.start(stream_id, language="en")
    assert (await client.transcripts.stop(stream_id)).status == "not_configured"
