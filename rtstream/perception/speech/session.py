"""A live transcription by an engine that takes whole utterances: sound is cut at pauses, each piece is one call."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import anyio

from rtstream.perception.protocols import Utterance
from rtstream.perception.speech.segments import Segmenter, SpeechSegment

Recognise = Callable[[SpeechSegment], Awaitable[Sequence[Utterance]]]
"""What was said in a piece of sound; times from its beginning. Raises ProviderError."""


class SegmentedSession:
    """SpeechSession with finals only. At most one utterance waits while another is recognised."""

    def __init__(self, recognise: Recognise) -> None:
        self._recognise = recognise
        self._segmenter = Segmenter()
        self._waiting: deque[SpeechSegment] = deque()
        self._finished = self._closed = False
        self._changed = anyio.Event()

    async def feed(self, samples: bytes) -> None:
        """Take sound; waits while an utterance waits."""
        while self._waiting and not self._closed:
            await self._changed.wait()
        self._waiting += self._segmenter.add(samples)
        self._wake()

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Finals in order. Raises ProviderError."""
        while not self._closed:
            if not self._waiting:
                if self._finished:
                    return
                await self._changed.wait()
                continue
            segment = self._waiting.popleft()
            self._wake()
            for said in await self._recognise(segment):
                yield _moved(said, segment.start)

    async def finish(self) -> None:
        """No more sound."""
        self._waiting += self._segmenter.flush()
        self._finished = True
        self._wake()

    async def aclose(self) -> None:
        """Drop everything at once."""
        self._closed = True
        self._waiting.clear()
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def _moved(said: Utterance, by: float) -> Utterance:
    words = [{**word, "start": word["start"] + by, "end": word["end"] + by} for word in said.words]
    return replace(said, start=said.start + by, end=said.end + by, words=words)
