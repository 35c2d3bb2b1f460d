"""A session of utterances: cut at pauses, in order, and bounded while one is recognised."""

from __future__ import annotations

import anyio
import pytest

from rtstream.perception.protocols import ProviderError, Utterance
from rtstream.perception.speech.segments import SpeechSegment
from rtstream.perception.speech.session import SegmentedSession
from tests.rtstream.perception.speech.sounds import pcm, reading, silence

pytestmark = pytest.mark.anyio


async def recognise(segment: SpeechSegment) -> list[Utterance]:
    words = [{"word": "hello", "start": 0.25, "end": 0.75}]
    return [Utterance(text="hello", start=0.25, end=0.75, is_final=True, words=words)]


async def test_times_count_from_the_beginning_of_the_audio() -> None:
    session = SegmentedSession(recognise)
    found: list[Utterance] = []

    async def read() -> None:
        found.extend([utterance async for utterance in session.utterances()])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for _ in range(2):
                await session.feed(pcm(silence(2.0), reading(1.5), silence(2.5)))
            await session.finish()
    assert len(found) == 2
    assert 1.5 < found[0].start < 3.0
    assert found[1].start - found[0].start == pytest.approx(6.0, abs=0.3)
    for utterance in found:
        assert (utterance.words[0]["start"], utterance.words[0]["end"]) == (utterance.start, utterance.end)


async def test_audio_is_not_taken_while_an_utterance_waits() -> None:
    session = SegmentedSession(recognise)
    with anyio.fail_after(10):
        await session.feed(pcm(reading(1.5), silence(2.0)))
        with anyio.move_on_after(0.05) as waited:
            await session.feed(pcm(silence(0.1)))
        assert waited.cancelled_caught
        await session.aclose()
        await session.feed(pcm(silence(0.1)))  # nothing waits any more
        assert [utterance async for utterance in session.utterances()] == []


async def test_a_failure_of_the_recogniser_reaches_the_reader() -> None:
    async def fail(_: SpeechSegment) -> list[Utterance]:
        raise ProviderError("No model.")

    session = SegmentedSession(fail)
    await session.feed(pcm(reading(1.5), silence(2.0)))
    await session.finish()
    with pytest.raises(ProviderError, match="No model"):
        async for _ in session.utterances():
            pass
