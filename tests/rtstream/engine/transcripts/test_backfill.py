"""Gaps of a transcript are transcribed from the recorded audio, each moment once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection

from rtstream import messages as m
from rtstream.concurrency import Broadcast
from rtstream.engine.jobs import BackfillStates
from rtstream.engine.journal import Journal
from rtstream.engine.recordings import FootageReader
from rtstream.engine.transcripts import TranscriptRunner, backfill, service
from rtstream.engine.transcripts import runner as runners
from rtstream.engine.transcripts.backfill import TranscriptBackfill
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.models import Page
from rtstream.perception.protocols import ProviderError, Utterance
from rtstream.states import GapReason, TranscriptState
from rtstream.storage.folder import FolderStorage
from rtstream.store import gaps, recordings, streams
from rtstream.store import transcripts as rows
from rtstream.store.database import Database
from rtstream.store.journal import Filter
from rtstream.store.queue import WriteQueue
from tests.sources import record
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

SECOND = 32_000


class Session:
    """Hears one sentence in each second of audio."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._heard = 0
        self._finished = False
        self._changed = Broadcast()

    async def feed(self, samples: bytes) -> None:
        self._heard += len(samples)
        self._changed.notify()

    async def utterances(self) -> AsyncIterator[Utterance]:
        told = 0
        while True:
            changed = self._changed.next
            while (told + 1) * SECOND <= self._heard:
                if self._provider.failures:
                    self._provider.failures -= 1
                    raise ProviderError("it broke")
                told += 1
                self._provider.told += 1
                yield Utterance(text="Word.", start=told - 1, end=told, is_final=True)
            if self._finished:
                return
            await changed.wait()

    async def finish(self) -> None:
        self._finished = True
        self._changed.notify()

    async def aclose(self) -> None: ...


class Provider:
    """A speech engine whose sessions are ``Session``."""

    name = "fake"

    def __init__(self) -> None:
        self.failures = self.told = 0

    async def open(self, *, language: str | None = None) -> Session:
        return Session(self)


class Listener:
    """Audio indexes, which hear nothing of the past."""

    def __init__(self) -> None:
        self.heard = 0

    async def segment_heard(self, stream_id: str, engine: str, record: dict[str, Any]) -> None:
        self.heard += 1

    async def clock(self, stream_id: str, engine: str, reached: float) -> None: ...

    async def transcript_ended(self, stream_id: str, engine: str, *, paused: bool = False) -> None: ...

    def gap_ended(self, stream_id: str, engine: str, at: float) -> None: ...

    def speech_missed(self, stream_id: str, engine: str, start: float, end: float) -> None: ...


class GapListener:
    """Alerts on speech over gaps: notes the gaps that end, and how often their end was announced."""

    def __init__(self) -> None:
        self.ended: list[tuple[float, float | None]] = []
        self.announced = 0

    def evaluate(self, conn: Connection, gap: gaps.GapRow) -> bool:
        self.ended.append((gap.start, gap.end))
        return False

    def announce(self) -> None:
        self.announced += 1


class Rig:
    """12 s of footage of a stream in two recordings, which end 20 s after ``start``."""

    def __init__(self, path: Path, db: Database, footage: FootageReader, start: float) -> None:
        self.path, self.db, self.footage, self.start = path, db, footage, start
        self.provider, self.listener, self.gap_listener = Provider(), Listener(), GapListener()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TranscriptRunner]:
        """A running live transcript, and the analysis of gaps."""
        queue, journal = WriteQueue(self.db), Journal(self.db)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.run)
            runner = TranscriptRunner(tasks, queue, journal, self.listener, lambda entry: None, 10.0)
            provider: Any = self.provider
            runner.start(RunningTranscript("rts-1", "Desk", "fake", provider, None, recorded=True, resuming=True))
            tasks.start_soon(TranscriptBackfill(self.db, self.footage, runner, self.gap_listener, BackfillStates()).run)
            yield runner
            tasks.cancel_scope.cancel()

    async def heard(self) -> list[tuple[float, float]]:
        """Start and end of each segment, in seconds after ``start``."""
        found = await self.db.read(
            lambda conn: rows.list_segments(
                conn, "rts-1", None, start=None, end=None, since=None, page=Page(page_size=500)
            )
        )
        return [(round(one.start - self.start, 2), round(one.end - self.start, 2)) for one in found[0]]

    async def gap(self, start: float, end: float | None) -> None:
        until = None if end is None else self.start + end
        kind = {"engine": "fake", "reason": GapReason.ENGINE_ENDED, "now": time.time()}
        await self.db.write(
            lambda conn: gaps.insert(conn, stream_id="rts-1", start=self.start + start, end=until, **kind)
        )

    async def done(self) -> None:
        await eventually(lambda: self.db.read(gaps.all_gaps), lambda found: not found, what="no gap")


def enter(conn: Connection, name: str, footage: Any) -> None:
    begin = footage.pieces[0].start
    values = {"stream_id": "rts-1", "init": footage.init, "codecs": "avc1", "media_start": begin}
    recordings.insert(conn, recording_id=name, started_at=begin, **values)
    for piece in footage.pieces:
        place = {"path": f"{name}/recording.m4s", "offset": piece.offset, "length": piece.length}
        recordings.add_segment(conn, "rts-1", start=piece.start, duration=1.0, recording_id=name, **place)
    recordings.close(conn, name)


@pytest.fixture
async def rig(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(backfill, "POLL_S", 0.1)
    monkeypatch.setattr(backfill, "SPEED", 20.0)
    media = FolderStorage.create(tmp_path / "media")
    db = Database.below(tmp_path)
    start = float(int(time.time()) - 100)
    await db.write(streams.ensure_default_collection, 0.0)
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "running", "health": {}}
    kind = {"media_types": ["video", "audio"], "sample_rate": 30.0, "store": True, "enable_transcript": True}
    await db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=0.0, **common, **kind))
    (tmp_path / "media" / "rts-1").mkdir()
    for at, name in ((start, "rec-1"), (start + 14, "rec-2")):
        await db.write(enter, name, record(clip, tmp_path / "media" / "rts-1" / name, start=at, audio=True))
    footage = FootageReader(db, media)
    yield Rig(tmp_path, db, footage, start)
    await footage.aclose()
    await db.aclose()


async def test_the_speech_of_a_gap_is_late_at_its_own_time_and_not_told_to_live_listeners(rig: Rig) -> None:
    await rig.gap(1.0, 18.0)
    async with rig.running():
        await rig.done()
    found = await rig.heard()
    assert [start for start, _ in found] == pytest.approx([1, 2, 3, 4, 5, 14, 15, 16, 17], abs=0.15)
    page = await Journal(rig.db).read(0, Filter(channels=["transcript"]), limit=100)
    assert [entry.data.get("late") for entry in page.entries] == [True] * len(found)
    assert rig.listener.heard == 0


async def test_an_engine_that_ends_meanwhile_leaves_the_rest_and_nothing_is_there_twice(rig: Rig) -> None:
    await rig.gap(0.0, 20.0)
    async with rig.running():
        await eventually(rig.heard, lambda found: len(found) >= 3, what="three sentences")
    before = await rig.heard()
    assert len(before) < 10
    async with rig.running():
        await rig.done()
    found = await rig.heard()
    assert found[: len(before)] == before
    assert all(later[0] >= one[1] - 0.05 for one, later in pairwise(found))
    assert sum(end - start for start, end in found) >= 9.5


async def test_a_recogniser_that_fails_is_tried_again_and_then_given_up(rig: Rig) -> None:
    await rig.gap(0.0, 5.0)
    rig.provider.failures = 1
    async with rig.running():
        await rig.done()
    assert len(await rig.heard()) >= 4
    await rig.gap(14.0, 19.0)
    rig.provider.failures = 100
    told = rig.provider.told
    async with rig.running() as runner:
        await rig.done()
        assert runner.skipped_s("rts-1") == pytest.approx(5)
    assert rig.provider.told == told
    assert (await rig.heard())[-1] == (14.0, 19.0)


async def test_the_gap_ends_where_live_audio_begins(rig: Rig) -> None:
    await rig.gap(15.0, None)
    async with rig.running() as runner:
        for block in range(10):
            await runner.audio("rts-1", m.AudioTaken(rig.start + 18 + block * 0.2, payload=bytes(6400)))
        await rig.done()
        live = await eventually(rig.heard, lambda found: len(found) >= 5, what="live and late speech")
    assert [start for start, _ in live] == pytest.approx([15, 16, 17, 18, 19], abs=0.15)


async def test_a_gap_begins_behind_an_earlier_one_that_is_not_transcribed_yet(rig: Rig) -> None:
    await rig.gap(2.0, 5.0)
    await rig.db.write(lambda conn: rows.note_heard(conn, "rts-1", "fake", rig.start, rig.start + 1))
    assert await rig.db.write(service._resume, "rts-1", "fake", None)
    found = await rig.db.read(gaps.of_transcript, "rts-1", "fake")
    assert sorted((gap.start - rig.start, gap.end is None) for gap in found) == [(2.0, False), (5.0, True)]


async def play(runner: TranscriptRunner, start: float, seconds: float) -> None:
    for block in range(round(seconds * 5)):
        await runner.audio("rts-1", m.AudioTaken(start + block * 0.2, payload=bytes(6400)))


async def test_audio_that_did_not_arrive_at_the_beginning_of_a_recording_is_transcribed_from_it(rig: Rig) -> None:
    async with rig.running() as runner:
        await play(runner, rig.start + 4, 2)
        runner.recording_ended("rts-1")
        await play(runner, rig.start + 16, 2)
        found = await eventually(rig.heard, lambda found: len(found) >= 6, what="live and late speech")
        await rig.done()
    assert [start for start, _ in found] == pytest.approx([4, 5, 14, 15, 16, 17], abs=0.15)


async def test_audio_that_a_busy_recogniser_skips_is_transcribed_from_the_recording(rig: Rig) -> None:
    async with rig.running() as runner:
        runner._max_waiting = 2 * SECOND
        await play(runner, rig.start, 5)
        await play(runner, rig.start + 30, 5)  # is not recorded
        await eventually(lambda: runner.skipped_s("rts-1"), lambda seconds: seconds >= 1, what="skipped audio")
        await rig.done()
        assert runner.skipped_s("rts-1") <= 4
    found = await rig.heard()
    assert all(later[0] >= one[1] - 0.05 for one, later in pairwise(found))
    assert sum(end - start for start, end in found if end < 6) > 3.9
    page = await rig.db.read(
        lambda conn: rows.list_segments(conn, "rts-1", None, start=None, end=None, since=None, page=Page(page_size=500))
    )
    missing = [one for one in page[0] if one.kind == "gap"]
    assert {one.detail["reason"] for one in missing} == {backfill.NOT_RECORDED}
    assert sum(one.end - one.start for one in missing) == pytest.approx(runner.skipped_s("rts-1"))
    assert min(one.start for one in missing) >= rig.start + 30


async def test_a_gap_is_transcribed_once_even_if_the_database_is_locked_at_its_end(rig: Rig) -> None:
    await rig.gap(0.0, 6.0)
    async with rig.running():
        await eventually(rig.heard, lambda found: len(found) >= 3, what="three sentences")
        with closing(sqlite3.connect(rig.path / "rtstream.db", isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await eventually(lambda: rig.provider.told, lambda told: told >= 6, what="the last sentence")
            with suppress(AssertionError):
                await eventually(lambda: rig.provider.told > 6, limit_s=1.0, what="another look at the same audio")
            other.execute("ROLLBACK")
        await rig.done()
    assert rig.provider.told == len(await rig.heard()) == 6


async def test_progress_from_before_the_clock_was_set_back_says_nothing_about_the_time_since(rig: Rig) -> None:
    def write(conn: Connection) -> None:
        speech = {"stream_id": "rts-1", "engine": "fake", "text": "t", "kind": "speech", "created_at": 0.0}
        for start in (rig.start, rig.start + 90):
            rows.add(conn, start=start, end=start + 1, detail={}, **speech)
        rows.note_heard(conn, "rts-1", "fake", rig.start, rig.start + 10)
        rows.add(conn, start=rig.start + 11, end=rig.start + 12, detail={}, **speech)
        rows.add(conn, start=rig.start + 50, end=rig.start + 51, detail={"late": True}, **speech)

    await rig.db.write(write)
    assert await rig.db.read(rows.heard_until, "rts-1", "fake") == rig.start + 12


async def test_speech_while_the_engine_fails_is_transcribed_once_it_works(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "REOPEN_S", 0.1)
    monkeypatch.setattr(runners, "REOPEN_MAX_S", 0.1)
    rig.provider.failures = 1_000_000

    async def waiting(seconds: float) -> dict[str, float]:
        found = await eventually(
            lambda: rig.db.read(gaps.waiting_s, "rts-1", "fake", time.time()),
            lambda found: sum(found.values()) >= seconds,
            what="speech that waits",
        )
        assert set(found) == {"reader_unavailable"}
        return found

    async with rig.running() as runner:
        (live,) = runner.of_stream("rts-1")
        for second in range(5):
            failed = rig.provider.failures
            await play(runner, rig.start + second, 1.2)
            await eventually(lambda: rig.provider.failures, lambda left: left < failed, what="a failure")  # noqa: B023
        await waiting(3.0)
        assert len(await rig.db.read(gaps.all_gaps)) == 1  # one failure after the other is one gap
        assert live.state == "error"
        assert rig.provider.told == 0
        rig.provider.failures = 0
        await play(runner, rig.start + 14, 4)
        await rig.done()
        assert runner.skipped_s("rts-1") == 0
        assert live.state == "running"
    found = await rig.heard()
    assert all(later[0] >= one[1] - 0.05 for one, later in pairwise(found))
    assert sum(end - start for start, end in found if end < 7) == pytest.approx(5, abs=1.1)
    assert sum(end - start for start, end in found if start > 13) == pytest.approx(4, abs=0.1)


async def test_a_gap_that_grows_while_it_is_transcribed_keeps_its_rest(rig: Rig) -> None:
    await rig.gap(0.0, 3.0)
    (gap,) = await rig.db.read(gaps.all_gaps)

    def write(conn: Connection) -> list[gaps.GapRow]:
        end = rig.start + 5
        gaps.add_skipped(conn, "rts-1", "fake", rig.start + 3, end, GapReason.ENGINE_ENDED, time.time())
        gaps.finish_until(conn, gap.id, gap.end, lambda *_: False)
        return gaps.all_gaps(conn)

    (left,) = await rig.db.write(write)
    assert (left.reached, left.end) == (rig.start + 3, rig.start + 5)
    await rig.db.write(gaps.finish_until, left.id, left.end, lambda *_: False)
    assert await rig.db.read(gaps.all_gaps) == []


@pytest.mark.parametrize(("audio_s_ago", "tried"), [(0.0, False), (3600.0, True)])
async def test_a_failing_engine_is_tried_with_gaps_only_if_no_live_audio_shows_whether_it_works(
    rig: Rig, audio_s_ago: float, tried: bool
) -> None:
    async with rig.running() as runner:
        (live,) = runner.of_stream("rts-1")
        live.state, live.audio_at = TranscriptState.ERROR, time.monotonic() - audio_s_ago
        found = TranscriptBackfill(rig.db, rig.footage, runner, rig.gap_listener, BackfillStates())
        await rig.db.write(
            lambda conn: gaps.insert(
                conn,
                stream_id="rts-1",
                start=rig.start + 15,
                end=rig.start + 17,
                engine="fake",
                reason=GapReason.READER_UNAVAILABLE,
                now=time.time(),
            )
        )
        gap, pending = await rig.db.read(found._next)
        assert (gap is not None, len(pending)) == (tried, 1)
        if gap is not None:
            rig.provider.failures = 1_000_000
            await found._transcribe(gap)
            again, _ = await rig.db.read(found._next)
            assert again is None  # for a minute
            assert runner.skipped_s("rts-1") == 0
