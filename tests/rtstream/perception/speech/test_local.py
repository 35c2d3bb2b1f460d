import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from rtstream.perception.protocols import ProviderError, Utterance
from rtstream.perception.speech.local import LocalSpeech

pytestmark = pytest.mark.anyio
moonshine = pytest.importorskip("moonshine_voice", reason='needs the extra "local"')
RATE = 16_000


@pytest.fixture(scope="module")
def reading() -> bytes:
    """12 s of a human voice: the beginning of A Tale of Two Cities, at 16 kHz."""
    path = Path(moonshine.__file__).parent / "assets" / "two_cities.wav"
    with wave.open(str(path)) as file:
        assert file.getframerate() == 3 * RATE
        samples = np.frombuffer(file.readframes(12 * 3 * RATE), np.int16)
    return samples.reshape(-1, 3).mean(axis=1).astype(np.int16).tobytes()


async def hear(provider: LocalSpeech, sound: bytes, chunk_s: float = 0.5) -> list[Utterance]:
    session = await provider.open(language="en")
    heard: list[Utterance] = []

    async def listen() -> None:
        heard.extend([utterance async for utterance in session.utterances()])

    size = int(2 * RATE * chunk_s)
    with anyio.fail_after(90):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            for at in range(0, len(sound), size):
                await session.feed(sound[at : at + size])
                await anyio.wait_all_tasks_blocked()
            await session.finish()
    return heard


async def test_speech_becomes_partials_and_finals_with_word_times(reading: bytes) -> None:
    provider = LocalSpeech()
    try:
        heard = await hear(provider, reading)
    finally:
        await provider.aclose()
    finals = [u for u in heard if u.is_final]
    said = " ".join(u.text for u in finals).lower()
    for words in ("best of times", "age of wisdom", "age of foolishness", "epoch of belief"):
        assert words in said
    assert len(heard) > len(finals)
    assert all(one.end <= other.start + 0.3 for one, other in pairwise(finals))
    assert not any(u.low_confidence for u in heard)
    for final in finals:
        assert [word["word"] for word in final.words] == final.text.split()
        starts = [word["start"] for word in final.words]
        assert starts == sorted(starts)
        assert final.start - 0.3 <= starts[0]
        assert final.words[-1]["end"] <= final.end + 0.3


def silence(seconds: int) -> Any:
    return np.zeros(seconds * RATE)


def tone(seconds: int) -> Any:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(seconds * RATE) / RATE)


def noise(seconds: int) -> Any:
    return np.random.default_rng(7).normal(0, 0.05, seconds * RATE)


async def test_silence_tones_and_noise_give_no_text() -> None:
    provider = LocalSpeech()
    try:
        sound = np.concatenate([silence(8), tone(8), noise(8)])
        heard = await hear(provider, (sound * 32767).astype(np.int16).tobytes(), 2.0)
    finally:
        await provider.aclose()
    assert heard == []


async def test_another_language_is_refused_at_once() -> None:
    provider = LocalSpeech()
    with pytest.raises(ProviderError, match="supports English only") as failure:
        await provider.open(language="fr-FR")
    assert failure.value.permanent
    await provider.aclose()


async def test_a_dropped_session_ends_its_utterances() -> None:
    provider = LocalSpeech()
    try:
        session = await provider.open()
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:

                async def listen() -> None:
                    assert [u async for u in session.utterances()] == []

                tasks.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                await session.aclose()
    finally:
        await provider.aclose()
