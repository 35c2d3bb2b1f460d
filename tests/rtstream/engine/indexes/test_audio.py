"""Audio indexes summarise batches of the transcript of their engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import pytest

from rtstream.engine.indexes.audio import AudioIndexes, RunningAudioIndex
from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.indexes.runner import IndexRunner, RunningIndex, WindowJob
from rtstream.perception.protocols import LanguageProvider, VisionAnswer

pytestmark = pytest.mark.anyio


class Runner:
    """Takes the windows that a real runner would analyse."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, WindowJob]] = []
        self.later: list[Callable[[], Awaitable[None]]] = []

    def call_later(self, delay_s: float, call: Callable[[], Awaitable[None]]) -> None:
        self.later.append(call)

    def start(self, index: RunningIndex) -> None:
        """A real one would begin to work."""

    async def put(self, index: RunningIndex, job: WindowJob) -> None:
        self.jobs.append((index.id, job))


class Gaps:
    """Takes the gaps that a real log would store."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str, float]] = []
        self.holes: list[tuple[str, str, float, float]] = []

    def end(self, stream_id: str, index_id: str, at: float) -> None:
        self.ended.append((stream_id, index_id, at))

    def add_missed_speech(self, stream_id: str, index_id: str, start: float, end: float) -> None:
        self.holes.append((stream_id, index_id, start, end))


class Summariser:
    """Returns the prompt and the text as the summary."""

    async def summarise(self, prompt: str, text: str, *, json_schema: Any = None) -> VisionAnswer:
        return VisionAnswer(text=f"{prompt}: {text}", model="m")


def index(index_id: str, engine: str = "local", **options: Any) -> RunningAudioIndex:
    given = {"segmenter": "word", "value": 3, "prompt": "Sum up"} | options
    provider = cast(LanguageProvider, Summariser())
    return RunningAudioIndex(
        id=index_id,
        stream_id="rts-1",
        stream_name="",
        name="",
        channel="audio_index",
        provider=provider,
        engine=engine,
        **given,
    )


def spoken(text: str, start: float) -> dict[str, Any]:
    return {"text": text, "start": start, "end": start + 1.0, "detail": {}}


async def test_batches_are_summarised_with_the_prompt_of_their_index() -> None:
    runner = Runner()
    indexes = AudioIndexes(cast(IndexRunner, runner), cast(GapLog, Gaps()))
    for one in (index("words"), index("other engine", "assemblyai"), index("time", segmenter="time", value=60)):
        await indexes.start(one)
    await indexes.segment_heard("rts-1", "local", spoken("one two three four", 100.0))
    await indexes.segment_heard("rts-2", "local", spoken("one two three", 100.0))
    [(name, job)] = runner.jobs
    assert (name, job.detail.words, job.detail.transcript) == ("words", 3, "one two three")
    assert job.ask is not None
    assert (await job.ask()).text == "Sum up: one two three"
    await indexes.clock("rts-1", "local", 200.0)  # a minute has passed in silence
    assert [name for name, _ in runner.jobs] == ["words", "time"]
    await indexes.transcript_ended("rts-1", "local")
    assert [(name, job.detail.transcript) for name, job in runner.jobs[2:]] == [("words", "four")]


async def test_a_pause_of_the_audio_does_not_cut_a_batch_of_words() -> None:
    runner = Runner()
    indexes = AudioIndexes(cast(IndexRunner, runner), cast(GapLog, Gaps()))
    for one in (index("words"), index("time", segmenter="time", value=60)):
        await indexes.start(one)
    await indexes.segment_heard("rts-1", "local", spoken("one two", 100.0))
    await indexes.transcript_ended("rts-1", "local", paused=True)
    assert [name for name, _ in runner.jobs] == ["time"]
    await indexes.segment_heard("rts-1", "local", spoken("three four", 106.0))
    await indexes.transcript_ended("rts-1", "local", paused=True)
    await runner.later[0]()  # more speech has followed since
    assert [job.detail.transcript for name, job in runner.jobs if name == "words"] == ["one two three"]
    await runner.later[1]()
    assert [job.detail.transcript for name, job in runner.jobs if name == "words"] == ["one two three", "four"]


@pytest.mark.parametrize(("segmenter", "value"), [("word", 5), ("sentence", 3)])
async def test_speech_that_is_missed_does_not_cut_a_batch_and_is_left_out_of_its_parts(
    segmenter: str, value: int
) -> None:
    runner, gaps = Runner(), Gaps()
    indexes = AudioIndexes(cast(IndexRunner, runner), cast(GapLog, gaps))
    await indexes.start(index("talk", segmenter=segmenter, value=value))
    for number, text in enumerate(("one two.", "three four.", "five.")):
        await indexes.segment_heard("rts-1", "local", spoken(text, 100.0 + 20 * number))
        await indexes.transcript_ended("rts-1", "local", paused=True)  # the speech engine was behind
        indexes.speech_missed("rts-1", "local", 101.0 + 20 * number, 120.0 + 20 * number)
    [(_, job)] = runner.jobs
    assert (job.detail.transcript, job.start, job.end) == ("one two. three four. five.", 100.0, 141.0)
    assert job.detail.parts == [(100.0, 101.0), (120.0, 121.0), (140.0, 141.0)]
    assert [hole[2:] for hole in gaps.holes] == [(101.0, 120.0), (121.0, 140.0), (141.0, 160.0)]


async def test_a_stopped_or_restarted_index_drops_what_it_has_collected() -> None:
    runner = Runner()
    indexes = AudioIndexes(cast(IndexRunner, runner), cast(GapLog, Gaps()))
    first = index("words")
    await indexes.start(first)
    await indexes.segment_heard("rts-1", "local", spoken("one two", 100.0))
    await indexes.start(index("words", prompt="Other"))
    assert first.scope.cancel_called
    await indexes.segment_heard("rts-1", "local", spoken("three", 102.0))
    assert runner.jobs == []
    await indexes.stop("words")
    assert indexes.of_stream("rts-1") == []
    with anyio.fail_after(1):
        await indexes.stop("words")


async def test_missed_speech_becomes_a_gap_of_the_indexes_that_listen() -> None:
    gaps = Gaps()
    indexes = AudioIndexes(cast(IndexRunner, Runner()), cast(GapLog, gaps))
    for one in (index("a"), index("b", "assemblyai")):
        await indexes.start(one)
    indexes.speech_missed("rts-1", "local", 100.0, 105.0)
    indexes.gap_ended("rts-1", "local", 110.0)
    indexes.gap_ended("rts-2", "local", 120.0)
    assert gaps.holes == [("rts-1", "a", 100.0, 105.0)]
    assert gaps.ended == [("rts-1", "a", 110.0)]
