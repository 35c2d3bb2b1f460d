"""Audio indexes, in which the language model summarises batches of the transcript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.indexes.runner import IndexRunner, RunningIndex, WindowJob
from rtstream.json_types import JsonObject
from rtstream.perception.protocols import LanguageProvider, VisionAnswer
from rtstream.rules.batches import Batch, Batches, Segmenter, words_of
from rtstream.rules.scene_detail import SceneDetail
from rtstream.store.indexes import IndexRow

PAUSE_S = 15.0
"""Seconds for which a batch waits for more speech after the audio paused."""


@dataclass
class RunningAudioIndex(RunningIndex):
    """A running audio index."""

    prompt: str = ""
    segmenter: Segmenter = "word"
    value: float = 10
    json_schema: JsonObject | None = None
    engine: str = ""
    """Name of the speech engine whose transcript is summarised."""
    batches: Batches = field(init=False)
    heard: int = 0
    """Number of transcript segments so far."""
    resuming: bool = False
    """Whether a gap before the first speech is still open."""
    live_from: float | None = None
    """Unix time from which on it heard live speech, or None before that."""

    def __post_init__(self) -> None:
        self.batches = Batches(self.segmenter, self.value, whole_sentences=True)


class AudioIndexes:
    """The running audio indexes.

    They summarise final transcript segments. ``TranscriptService`` runs the transcripts they need.

    Args:
        runner: Runs the indexes.
        gaps: Stores the gaps of the indexes.
    """

    def __init__(self, runner: IndexRunner, gaps: GapLog) -> None:
        self._runner = runner
        self._gaps = gaps
        self._running: dict[str, RunningAudioIndex] = {}
        self._past: dict[str, RunningAudioIndex] = {}

    async def start(self, index: RunningAudioIndex) -> None:
        """Start an index, or restart it with a changed prompt."""
        await self.stop(index.id)
        self._running[index.id] = index
        self._runner.start(index)

    async def stop(self, index_id: str) -> None:
        """Stop an index. Speech that has not been summarised is dropped."""
        index = self._running.pop(index_id, None)
        if index is not None:
            index.scope.cancel()

    @property
    def idle(self) -> bool:
        """Whether no audio index is running, and none looks at the past."""
        return not self._running and not self._past

    def get(self, index_id: str) -> RunningAudioIndex | None:
        """Return a running audio index, or None if it is not running."""
        return self._running.get(index_id)

    def find(self, index_id: str) -> RunningAudioIndex | None:
        """Return an index that is running, or that summarises the past only. None if it is neither."""
        return self._running.get(index_id) or self._past.get(index_id)

    def open_past(self, index: RunningAudioIndex) -> None:
        """Let an index that is not running summarise the past, until ``close_past``."""
        self._past[index.id] = index

    def close_past(self, index_id: str) -> None:
        """End ``open_past``."""
        self._past.pop(index_id, None)

    def of_stream(self, stream_id: str) -> list[RunningAudioIndex]:
        """Return the running audio indexes of a stream."""
        return [index for index in self._running.values() if index.stream_id == stream_id]

    async def segment_heard(self, stream_id: str, engine: str, record: JsonObject) -> None:
        """Add a final transcript segment to the batches."""
        words = words_of(record["text"], record["start"], record["end"], record["detail"].get("words") or ())
        for index in self._listening(stream_id, engine):
            if index.live_from is None:
                self.resume_at(index, record["start"])
            index.heard += 1
            await self._complete(index, index.batches.add(words))

    def resume_at(self, index: RunningAudioIndex, at: float) -> None:
        """Begin with the speech after the Unix time ``at``. A gap before it ends there."""
        index.live_from = at
        if index.resuming:
            index.resuming = False
            self._gaps.end(index.stream_id, index.id, at)

    def gap_ended(self, stream_id: str, engine: str, at: float) -> None:
        """End the open gaps, because live speech begins at the Unix time ``at``."""
        for index in self._listening(stream_id, engine):
            index.live_from, index.resuming = at, False
            self._gaps.end(stream_id, index.id, at)

    def speech_missed(self, stream_id: str, engine: str, start: float, end: float) -> None:
        """Begin a gap for speech of [start, end), which is transcribed later."""
        for index in self._listening(stream_id, engine):
            self._gaps.add_missed_speech(stream_id, index.id, start, end)

    async def clock(self, stream_id: str, engine: str, reached: float) -> None:
        """Complete the batches by time that end before the Unix time ``reached``, even in silence.

        All speech before ``reached`` has been transcribed.
        """
        for index in self._listening(stream_id, engine):
            await self._complete(index, index.batches.reach(reached))

    async def transcript_ended(self, stream_id: str, engine: str, *, paused: bool = False) -> None:
        """Complete the current batches early, because no more speech follows for now.

        After a pause, as between the segments of an HLS stream or around audio that is transcribed later, more speech
        may follow soon. Batches of words and sentences are therefore completed only if none does within ``PAUSE_S``.
        """
        for index in self._listening(stream_id, engine):
            if paused and index.segmenter != "time":
                index.batches.interrupt()
                self._runner.call_later(PAUSE_S, partial(self._complete_unless_heard, index, index.heard))
            else:
                await self._complete(index, index.batches.flush())

    async def _complete_unless_heard(self, index: RunningAudioIndex, heard: int) -> None:
        if index.heard == heard and self._running.get(index.id) is index:
            await self._complete(index, index.batches.flush())

    def _listening(self, stream_id: str, engine: str) -> list[RunningAudioIndex]:
        return [index for index in self.of_stream(stream_id) if index.engine == engine]

    async def _complete(self, index: RunningAudioIndex, batches: list[Batch]) -> None:
        for batch in batches:
            await self._runner.put(index, job_of(index, batch))


def job_of(index: RunningAudioIndex, batch: Batch) -> WindowJob:
    """Return the job of summarising a batch."""
    parts = batch.parts if len(batch.breaks) else []
    detail = SceneDetail(words=len(batch.words), transcript=batch.text, parts=parts)
    return WindowJob(batch.start, batch.end, _summary_call(index, batch), detail)


def _summary_call(index: RunningAudioIndex, batch: Batch) -> Callable[[], Awaitable[VisionAnswer]]:
    provider = cast("LanguageProvider", index.provider)

    async def ask() -> VisionAnswer:
        return await provider.summarise(index.prompt, batch.text, json_schema=index.json_schema)

    return ask


def audio_index(row: IndexRow, stream_name: str, provider: LanguageProvider, engine: str) -> RunningAudioIndex:
    """Return a running index for a stored one."""
    config = row.extraction_config
    return RunningAudioIndex(
        id=row.id,
        stream_id=row.stream_id,
        stream_name=stream_name,
        name=row.name or "",
        channel="audio_index",
        provider=provider,
        prompt=row.prompt or "Summarize the speech",
        segmenter=config["segmenter"],
        value=config["segmentation_value"],
        json_schema=(row.model_config or {}).get("json_schema"),
        engine=engine,
    )
