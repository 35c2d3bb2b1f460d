"""The timeline of streams with planted results: merged, in pages, with links, and within bounds."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from rtstream import ids
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import Slice, TimelinePage
from rtstream.rules.link_targets import LinkOrigin
from rtstream.store import indexes, streams, transcripts
from rtstream.store.tables import scenes, transcript_segments
from tests.rtstream.engine.recordings.test_footage import enter
from tests.sources import record

pytestmark = pytest.mark.anyio

HERE = LinkOrigin("http://127.0.0.1:8740", "chat")
START = 1_700_000_000.0
SLIDES = [
    ["Welcome", "Quarterly review of the team"],
    ["Budget", "We spend 1,284 kEUR this year"],
    ["Hiring", "Three people start in March"],
]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(
        data_dir=tmp_path / "data", api_key="sk-timeline", local_vision=False, embedding_model="none", min_free_gb=0
    )
    async with Engine(config) as running:
        yield running


async def add_stream(engine: Engine, name: str = "Meeting", *, store: bool = True) -> str:
    stream_id = ids.stream_id()
    common = {"name": name, "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    kind = {"media_types": ["video"], "sample_rate": 30.0, "store": store, "enable_transcript": False}
    media = {"video_codec": "h264", "audio_codec": "aac"}
    await engine.db.write(
        lambda conn: streams.insert(conn, id=stream_id, created_at=START, media=media, **common, **kind)
    )
    return stream_id


def scene_row(stream_id: str, index_id: str, start: float, lines: list[str], length: float = 5.0) -> dict[str, Any]:
    changes = {"text_read": True, "black": False, "blank": False}
    times = [start + length / 5 * frame for frame in range(5)]
    detail = {"lines": lines, "frame_times": times, "changes": changes, "latency_s": 0.1}
    values = {"status": "ok", "model": "local", "data": None, "created_at": start, "detail": detail}
    text = f"Text on screen: {'; '.join(lines)}. Nothing moved for {start % 60:.0f} s."
    return {"index_id": index_id, "stream_id": stream_id, "start": start, "end": start + length, "text": text, **values}


def said_row(stream_id: str, start: float, end: float, text: str) -> dict[str, Any]:
    values = {"engine": "local", "kind": "speech", "detail": {}, "created_at": start}
    return {"stream_id": stream_id, "start": start, "end": end, "text": text, **values}


async def plant(engine: Engine, stream_id: str, shown: list[dict[str, Any]], said: list[dict[str, Any]]) -> None:
    def write(conn: Any) -> None:
        for start in range(0, len(shown), 1000):
            conn.execute(scenes.insert(), shown[start : start + 1000])
        for start in range(0, len(said), 1000):
            conn.execute(transcript_segments.insert(), said[start : start + 1000])

    await engine.db.write(write)


async def add_index(engine: Engine, stream_id: str) -> str:
    index_id = ids.index_id()
    kind = {"extraction_type": "time", "extraction_config": {"time": 5}, "model_config": {}, "status": "running"}
    await engine.db.write(
        lambda conn: indexes.insert(conn, id=index_id, stream_id=stream_id, counters={}, created_at=START - 60, **kind)
    )
    return index_id


async def a_meeting(engine: Engine) -> str:
    """Three slides of a minute each, the first of them again at the end, and a sentence every 20 s."""
    stream_id = await add_stream(engine)
    index_id = await add_index(engine, stream_id)
    await engine.db.write(transcripts.start_job, stream_id, "local", None, START - 60)
    order = [*SLIDES, SLIDES[0]]
    shown = [scene_row(stream_id, index_id, START + 5 * n, order[n // 12]) for n in range(48)]
    said = [said_row(stream_id, START + 20 * n + 3, START + 20 * n + 9, f"Sentence {n}.") for n in range(12)]
    await plant(engine, stream_id, shown, said)
    return stream_id


async def pages(engine: Engine, **query: Any) -> list[TimelinePage]:
    found = [await engine.timeline.page(HERE, **query)]
    while found[-1].cursor:
        assert len(found) < 60
        again = {key: value for key, value in query.items() if key == "max_chars"}
        found.append(await engine.timeline.page(HERE, cursor=found[-1].cursor, **again))
    return found


def everything(found: list[TimelinePage]) -> Iterator[str]:
    """The texts of all pages, as far as they have not been folded."""
    for page in found:
        for entry in page.entries:
            yield entry.text
            yield from (one.text for one in entry.said)


async def test_a_meeting_is_told_by_its_screens_with_what_was_said_meanwhile(engine: Engine) -> None:
    stream_id = await a_meeting(engine)
    page = await engine.timeline.page(HERE, start=START, end=START + 240, max_chars=20_000)
    shown = [entry for entry in page.entries if entry.channel == "scenes"]
    assert [entry.text.split(" / ")[0] for entry in shown] == ["Welcome", "Budget", "Hiring", "Welcome"]
    assert [[one.text for one in entry.said] for entry in shown] == [
        [f"Sentence {n}." for n in range(3 * place, 3 * place + 3)] for place in range(4)
    ]
    assert [round(entry.start - START) for entry in shown] == [0, 60, 120, 180]
    assert [entry.end for entry in shown[:-1]] == [entry.start for entry in shown[1:]]
    assert all(0 < entry.within_s <= 5 for entry in shown)  # there is no footage
    assert [entry.still_there for entry in shown] == [False, False, False, True]
    assert shown[0].already_there
    assert (page.streams, page.quiet, page.cursor) == ({stream_id: "Meeting"}, [], None)
    assert all(entry.player_url is None and entry.picture_url is None for entry in page.entries)


@pytest.mark.parametrize("max_chars", [1000, 2000, 6000])
async def test_pages_continue_without_a_repeat_or_a_miss(engine: Engine, max_chars: int) -> None:
    await a_meeting(engine)
    found = await pages(engine, start=START, end=START + 240, max_chars=max_chars)
    starts = [(entry.start, entry.channel) for page in found for entry in page.entries]
    assert len(starts) == len(set(starts))
    assert starts == sorted(starts)
    left = [sum(page.remaining.values()) for page in found]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    told = [text for text in everything(found) if text.startswith("Sentence")]
    hidden = sum(page.folded.get("transcript", 0) for page in found)
    assert len(told) == len(set(told))
    assert len(told) + hidden == 12


async def test_results_that_arrive_between_two_pages_do_not_shift_them(engine: Engine) -> None:
    stream_id = await a_meeting(engine)
    first = await engine.timeline.page(HERE, start=START, end=START + 240, max_chars=1500)
    assert first.cursor
    await plant(engine, stream_id, [], [said_row(stream_id, START + n, START + n + 1, "Late.") for n in range(240)])
    engine.timeline._parts.clear()
    rest = await pages(engine, cursor=first.cursor, max_chars=1500)
    assert "Late." not in " ".join(everything(rest))
    total = [entry.start for page in [first, *rest] for entry in page.entries]
    assert total == sorted(set(total))


async def test_six_hours_fit_in_forty_entries(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    index_id = await add_index(engine, stream_id)
    slides = [[f"Slide {n}", f"Topic {chr(97 + n % 26) * 9}{n}", "and a point to discuss"] for n in range(120)]
    shown = [scene_row(stream_id, index_id, START + 5 * n, slides[n // 36]) for n in range(4320)]
    said = [said_row(stream_id, START + 9 * n, START + 9 * n + 6, f"This is sentence {n}.") for n in range(2400)]
    await plant(engine, stream_id, shown, said)
    found = await pages(engine, start=START, end=START + 21_600)
    assert sum(len(page.entries) for page in found) <= 40
    assert len(found) <= 6
    assert sum(entry.items for page in found for entry in page.entries if entry.channel == "scenes") == 120
    for page in found:
        assert len(json.dumps(page.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)) <= 6000


async def test_links_play_and_show_the_moments_to_the_picture(engine: Engine, clip: Path, tmp_path: Path) -> None:
    from rtstream.api.app import create_app

    stream_id = await add_stream(engine)
    index_id = await add_index(engine, stream_id)
    folder = tmp_path / "data" / "media" / stream_id
    folder.mkdir(parents=True)
    footage = record(clip, folder / "rec-1", start=START)  # its slide changes after 5 s
    await engine.db.write(enter, stream_id, "rec-1", footage, 2.0)
    shown = [
        scene_row(stream_id, index_id, START, ["Slack"], 3.0),
        scene_row(stream_id, index_id, START + 3, ["Terminal"], 3.0),
    ]
    await plant(engine, stream_id, shown, [])
    page = await engine.timeline.page(HERE, start=START, end=START + 6)
    first, second = page.entries
    assert second.start == pytest.approx(START + 5, abs=1 / 60)
    assert (first.end, second.within_s) == (second.start, 0.0)
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE.base_url) as player:
        assert second.picture_url is not None
        assert second.player_url is not None
        picture = await player.get(second.picture_url)
        assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
        assert (await player.get(second.player_url)).status_code == 200
        link_id = second.picture_url.rpartition("/")[2]
        for path in (f"/m/{link_id}/index.m3u8", f"/m/{link_id}/video.mp4", f"/playback.json?v={link_id}"):
            assert (await player.get(path)).status_code == 404
    links = await engine.links.list(HERE.base_url, Slice(), stream_id=stream_id)
    assert links.count == 4
    assert len({link.created_at for link in links.links}) == 1
    again = await engine.timeline.page(HERE, start=START, end=START + 6)
    assert again.entries[1].picture_url == second.picture_url


async def test_a_slow_search_for_edges_ends_in_time_and_the_times_are_those_of_windows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_arguments: object) -> float:
        await anyio.sleep_forever()
        return 0.0

    monkeypatch.setattr(engine.timeline._edges, "changed_at", never)
    monkeypatch.setattr("rtstream.engine.search.timeline.EDGES_S", 0.1)
    await a_meeting(engine)
    with anyio.fail_after(5):
        page = await engine.timeline.page(HERE, start=START, end=START + 240, max_chars=20_000)
    assert all(entry.within_s > 0 for entry in page.entries if entry.channel == "scenes")


async def test_an_empty_hour_is_reported_with_the_reason(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    page = await engine.timeline.page(HERE, start=START + 100, end=START + 3700)
    assert page.entries == []
    assert {(quiet.channel, quiet.reason) for quiet in page.quiet} == {
        ("scenes", "Its video is not described: no index exists. index_visuals starts that."),
        ("transcript", "It is not transcribed. transcribe starts that."),
    }
    assert {(quiet.rtstream_id, quiet.start, quiet.end) for quiet in page.quiet} == {
        (stream_id, START + 100, START + 3700)
    }


async def test_streams_are_merged_and_can_be_chosen(engine: Engine) -> None:
    one, two = await a_meeting(engine), await a_meeting(engine)
    both = await engine.timeline.page(HERE, start=START, end=START + 240, max_chars=50_000)
    assert {entry.rtstream_id for entry in both.entries} == {one, two}
    alone = await engine.timeline.page(HERE, streams=[two], start=START, end=START + 240, channels=["scenes"])
    assert {(entry.rtstream_id, entry.channel) for entry in alone.entries} == {(two, "scenes")}
    with pytest.raises(NotFound):
        await engine.timeline.page(HERE, streams=["rts-0000000000000000"])


async def test_impossible_ranges_and_foreign_cursors_are_refused(engine: Engine) -> None:
    await a_meeting(engine)
    page = await engine.timeline.page(HERE, start=START, end=START + 240, max_chars=1000)
    for query, words in (
        ({"start": START + 10, "end": START}, "ends before it starts"),
        ({"start": time.time() + 1000}, "lies in the future"),
        ({"start": 1.0}, "longer than 31 days"),
        ({"start": START, "end": float("nan")}, "Unix timestamps"),
        ({"cursor": "nonsense"}, "Unknown cursor"),
        ({"cursor": page.cursor, "channels": ["alerts"]}, "other streams or channels"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            await engine.timeline.page(HERE, **query)  # pyright: ignore[reportArgumentType]


async def test_rows_are_read_one_after_the_other(engine: Engine) -> None:
    lines = [f"Row {number} of a page that is full of text" for number in range(20)]
    for _ in range(3):
        stream_id = await add_stream(engine)
        index_id = await add_index(engine, stream_id)
        shown = [
            scene_row(stream_id, index_id, START + 2 * n, [f"Slide {n // 90}", f"Topic {n // 90 * 7919}", *lines], 2.0)
            for n in range(400)
        ]
        await plant(engine, stream_id, shown, [])
    await engine.timeline.page(HERE, start=START, end=START + 20)  # loads modules and caches
    tracemalloc.start()
    page = await engine.timeline.page(HERE, start=START, end=START + 800)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert page.entries
    assert peak < 2e6  # the rows have 3 MB
