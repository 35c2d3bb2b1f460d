"""The reference's complete workflow with the official SDK: record, export, index, search, compile; with real speech."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportReturnType=false, reportAssignmentType=false

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import videodb
from videodb import InvalidRequestError
from videodb.client import Connection
from videodb.video import Video

from rtstream.testsource import ClipSpec, LiveSource
from tests.integration.reference_script import example
from tests.integration.sdk_service import KEY, START_S, Service

pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")

RECORD_S = 14.0


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Iterator[LiveSource]:
    """A human reads the beginning of A Tale of Two Cities, again and again."""
    spec = ClipSpec(width=160, height=90, fps=5, gop=5, seconds=20, bitrate=50_000, voice="reading")
    with LiveSource(clip_of(spec)) as live:
        yield live


@pytest.fixture(scope="module")
def conn(service: Service) -> Connection:
    return videodb.connect(api_key=KEY, base_url=service.url)


def run(service: Service, source: LiveSource, record_s: float = 4.0, **changes: str) -> tuple[str, dict[str, Any]]:
    """Run the script with our URLs and a shorter meeting. Returns its output and its variables."""
    script = example("Weekly Standup")
    changes = {
        "videodb.connect()": f"videodb.connect(api_key={KEY!r}, base_url={service.url!r})",
        "rtmp://your-stream-server/live/stream-key": source.rtsp_url,
        "time.sleep(1800)": f"time.sleep({record_s})",
        **changes,
    }
    for what, instead in changes.items():
        assert script.count(what) == 1
        script = script.replace(what, instead)
    printed: list[str] = []
    variables: dict[str, Any] = {"print": printed.append}
    exec(script, variables)
    return "\n".join(printed), variables


@pytest.fixture(scope="module")
def spoken(service: Service, source: LiveSource) -> tuple[str, dict[str, Any]]:
    """Run the script with a query for words that are spoken."""
    return run(service, source, RECORD_S, **{"action items and next steps": "best of times"})


@pytest.fixture(scope="module")
def video(conn: Connection, spoken: tuple[str, dict[str, Any]]) -> Video:
    return conn.get_collection().get_video(spoken[1]["video"].id)


@pytest.mark.long
def test_what_is_said_becomes_a_clip_that_plays(spoken: tuple[str, dict[str, Any]]) -> None:
    said, variables = spoken
    url = said.splitlines()[2].removeprefix("Action items clip: ")
    assert url == variables["stream_url"]
    shots = variables["results"].get_shots()
    assert "best of times" in shots[0].text.lower()
    assert shots[0].search_score > 0
    length = sum(shot.end - shot.start for shot in shots)
    with av.open(url) as container:
        pictures = [float(frame.time) for frame in container.decode(video=0)]
    with av.open(url) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    # Whole segments, so a little more before and after each shot; never the whole recording when little was found.
    assert length - 1 <= pictures[-1] - pictures[0] + 0.2 <= length + 3 * len(shots)
    assert sound >= length - 1
    player = variables["results"].results.player_url
    assert httpx.get(player, timeout=START_S).status_code == 200
    data = httpx.get(player.replace("/watch?", "/playback.json?"), timeout=START_S).json()
    assert data["fragments"]


@pytest.mark.long
def test_nothing_that_is_said_fits(video: Video) -> None:
    for search in (
        lambda: video.search("helicopter", search_type="keyword"),
        lambda: video.search("helicopter rotor blades"),
    ):
        with pytest.raises(InvalidRequestError, match="No results found"):
            search()


@pytest.mark.long
def test_the_transcript_has_words_sentences_and_seconds(video: Video) -> None:
    words = video.get_transcript()
    assert all(0 <= word["start"] <= word["end"] <= float(video.length) + 0.5 for word in words)
    assert [word["text"] for word in words] == [word["word"] for word in words]
    assert "best of times" in video.get_transcript_text().lower()
    sentences = video.get_transcript(segmenter="sentence")
    assert 0 < len(sentences) < len(words)
    assert len(video.get_transcript(segmenter="time", length=3)) <= RECORD_S / 3 + 3
    begin = video.get_transcript(start=0, end=int(words[2]["start"]) + 1)
    assert 0 < len(begin) < len(words)
    assert video.generate_transcript() == {"success": True, "message": "Transcript generated successfully"}


@pytest.mark.long
def test_one_video_and_the_collection_are_searched_in_both_forms(conn: Connection, video: Video) -> None:
    coll = conn.get_collection()
    asked = "worst of times"
    for found in (
        video.search(asked),
        video.search(asked, top_k=3),
        coll.search(asked),
        video.search(asked, search_type="semantic", index_type="spoken_word", result_threshold=3),
        coll.search(asked, search_type="semantic", index_type="spoken_word"),
        video.search(asked, search_type="keyword"),
    ):
        shot = found.get_shots()[0]
        assert asked in shot.text.lower()
        assert (shot.video_id, shot.video_title) == (video.id, "Weekly Standup Recording")
        assert 0 <= shot.start < shot.end <= float(shot.video_length) + 0.5
    clip = shot.generate_stream()
    with av.open(clip) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 3
    with pytest.raises(InvalidRequestError, match="spoken"):
        video.search(asked, index_type="scene")


@pytest.mark.long
def test_what_is_meant_is_found_in_other_words(video: Video) -> None:
    asked = "a wonderful and a terrible period of history"
    assert "best of times" in video.search(asked).get_shots()[0].text.lower()
    with pytest.raises(InvalidRequestError, match="No results found"):
        video.search(asked, search_type="keyword")


@pytest.mark.long
def test_indexing_again_is_harmless_and_a_deleted_video_is_found_no_more(conn: Connection, video: Video) -> None:
    began = time.monotonic()
    video.index_spoken_words()
    assert time.monotonic() - began < 5  # nothing is transcribed again
    video.delete()
    assert conn.get_collection().search("worst of times").get_shots() == []
    with pytest.raises(InvalidRequestError, match="no exported video"):
        video.search("worst of times")
