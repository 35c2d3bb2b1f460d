"""Sounds for tests of speech: 16 kHz mono, 16 bit little-endian."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from rtstream.perception.protocols import SpeechProvider, Utterance

RATE = 16_000

REFERENCE = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness "
    "it was the epoch of belief it was the epoch of incredulity"
)
"""The words of the first 13 s of the reading."""


def reading(seconds: float) -> Any:
    """A human voice: the beginning of A Tale of Two Cities, as float samples of -1 to 1."""
    moonshine = pytest.importorskip("moonshine_voice", reason='the reading comes with the extra "local"')
    path = Path(moonshine.__file__).parent / "assets" / "two_cities.wav"
    with wave.open(str(path)) as file:
        assert file.getframerate() == 3 * RATE
        samples = np.frombuffer(file.readframes(round(seconds * RATE) * 3), np.int16)
    return samples.reshape(-1, 3).mean(axis=1) / 32768


def silence(seconds: float) -> Any:
    """Nothing."""
    return np.zeros(round(seconds * RATE))


def tone(seconds: float, level: float = 0.3) -> Any:
    """440 Hz."""
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float, level: float = 0.05) -> Any:
    """White noise."""
    return np.random.default_rng(7).normal(0, level, round(seconds * RATE))


def pcm(*parts: Any) -> bytes:
    """The parts one after the other as samples."""
    return (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes()


async def hear(
    provider: SpeechProvider, sound: bytes, *, language: str | None = None, chunk_s: float = 0.1, limit_s: float = 60
) -> list[Utterance]:
    """All utterances of one session that is given ``sound`` as fast as it takes it."""
    session = await provider.open(language=language)
    heard: list[Utterance] = []

    async def listen() -> None:
        heard.extend([utterance async for utterance in session.utterances()])

    size = round(chunk_s * RATE) * 2
    try:
        with anyio.fail_after(limit_s):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                for at in range(0, len(sound), size):
                    await session.feed(sound[at : at + size])
                await session.finish()
    finally:
        await session.aclose()
    return heard


def finals(heard: Sequence[Utterance]) -> list[Utterance]:
    """Those that do not change any more."""
    return [utterance for utterance in heard if utterance.is_final]
