"""Live transcription with engines that take whole utterances. Audio is cut at pauses, with one call per utterance."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from rtstream.concurrency import Broadcast
from rtstream.perception.protocols import Utterance
from rtstream.perception.speech.segments import Segmenter, SpeechSegment

Recognise = Callable[[SpeechSegment], Awaitable[Sequence[Utterance]]]
"""Transcribes one utterance. Times count from its beginning. Raises ProviderError."""


class SegmentedSession:
    """SpeechSession that yields final utterances only. At most one utterance waits while another is recognised."""

    def __init__(self, recognise: Recognise) -> None:
        self._recognise = recognise
        self._segmenter = Segmenter()
        self._waiting: deque[SpeechSegment] = deque()
        self._finished = self._closed = False
        self._changed = Broadcast()

    async def feed(self, samples: bytes) -> None:
        """Add audio. Blocks while an utterance is waiting to be recognised."""
        while self._waiting and not self._closed:
            await self._changed.wait()
        self._waiting += self._segmenter.add(samples)
        self._wake()

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Yield final utterances in order. Raises ProviderError."""
        while not self._closed:
            if not self._waiting:
                if self._finished:
                    return
                await self._changed.wait()
                continue
            segment = self._waiting.popleft()
            self._wake()
            for utterance in await self._recognise(segment):
                yield _shifted(utterance, segment.start)

    async def finish(self) -> None:
        """Signal the end of the audio."""
        self._waiting += self._segmenter.flush()
        self._finished = True
        self._wake()

    async def aclose(self) -> None:
        """Discard everything immediately."""
        self._closed = True
        self._waiting.clear()
        self._wake()

    def _wake(self) -> None:
        self._changed.notify()


def _shifted(utterance: Utterance, by: float) -> Utterance:
    words = [{**word, "start": word["start"] + by, "end": word["end"] + by} for word in utterance.words]
    return replace(utterance, start=utterance.start + by, end=utterance.end + by, words=words)
