"""Search in the transcripts of videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.engine.search.videos import CollectionHits
from rtstream.errors import InvalidRequest, NotFound
from rtstream.store import videos as video_rows
from tests.rtstream.engine.transcripts.test_videos import Said, reading, said

__all__ = ["reading", "said"]

pytestmark = pytest.mark.anyio


async def test_search_sees_the_videos_it_is_asked_for_and_no_stream_search_sees_them(said: Said, reading: Path) -> None:
    await said.add(reading, "m-1")
    await said.add(reading, "m-2")
    with pytest.raises(InvalidRequest, match=r"not transcribed: m-\d .*, m-\d .*index_spoken_words"):
        await said.videos.search_collection("default", "wisdom")
    await said.index("m-1")
    found = await said.videos.search_collection("default", "wisdom")
    assert [hits.video_id for hits in found.hits] == ["m-1"]
    assert [video.id for video in found.not_transcribed] == ["m-2"]
    assert (await said.videos.search_collection("default", "helicopter", by_words=True)).hits == []
    with pytest.raises(InvalidRequest, match="No results found"):
        await said.videos.search_video("m-1", "helicopter", by_words=True)
    assert (await said.search.search("wisdom")).hits == []
    again = await said.transcripts.start("m-1")
    await again.wait(5)
    assert again.state == "done"  # it was transcribed already
    forced = await said.transcripts.start("m-1", force=True)
    assert await said.transcripts.start("m-1") is forced  # one at a time
    await forced.wait(120)
    [hits] = await said.videos.search_video("m-1", "wisdom")
    assert len(hits.docs) == 1  # in the place of the first, not beside it
    await said.db.write(video_rows.delete_video, "m-1")
    await said.db.write(video_rows.delete_video, "m-2")
    assert await said.videos.search_collection("default", "wisdom") == CollectionHits([])
    with pytest.raises(NotFound):
        await said.videos.search_video("m-1", "wisdom")
