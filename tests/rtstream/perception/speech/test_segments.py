"""Speech is told from other sounds, and cut at its pauses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstream.perception.speech.segments import MAX_S, Segmenter, SpeechSegment, speech_share
from tests.rtstream.perception.speech.sounds import RATE, noise, pcm, reading, silence, tone


def cut(sound: bytes, size: int = 3200) -> list[SpeechSegment]:
    segmenter = Segmenter()
    done: list[SpeechSegment] = []
    for at in range(0, len(sound), size):
        done += segmenter.add(sound[at : at + size])
    return done + segmenter.flush()


def test_phrases_are_cut_at_pauses() -> None:
    segments = cut(pcm(silence(2), reading(13), silence(2)))
    # The reading's phrases, as its pauses divide it (seconds of the reading).
    phrases = [(1.1, 4.6), (5.0, 6.2), (6.6, 8.2), (8.8, 10.3), (10.7, 12.8)]
    for start, end in phrases:
        covering = [s for s in segments if s.start - 2 <= start + 0.1 and s.start + s.seconds - 2 >= end - 0.15]
        assert len(covering) == 1, (start, end, [(s.start - 2, s.seconds) for s in segments])
    assert all(one.start + one.seconds <= other.start for one, other in pairwise(segments))


@pytest.mark.parametrize("level", [0.1, 1.0, 20.0])
def test_quiet_loud_and_clipped_speech_is_speech(level: float) -> None:
    spoken = sum(segment.seconds for segment in cut(pcm(silence(2), level * reading(13), silence(2))))
    assert 8 < spoken < 13


def test_speech_in_noise_is_speech() -> None:
    voice = reading(13)
    spoken = cut(pcm(noise(5, 0.001), voice + noise(13, 0.001), noise(2, 0.001)))
    assert sum(segment.seconds for segment in spoken) > 8


@pytest.mark.parametrize(
    "sound",
    [
        silence(20),
        noise(20),
        noise(20, 0.5),
        tone(20),
        np.concatenate([silence(8), noise(20)]),
        np.concatenate([silence(8), tone(20)]),
        np.concatenate([noise(10, 0.01), noise(20, 0.1)]),
    ],
    ids=["silence", "noise", "loud noise", "tone", "noise begins", "tone begins", "noise grows"],
)
def test_silence_and_even_sounds_are_no_speech(sound: Any) -> None:
    assert cut(pcm(sound)) == []


def test_a_click_is_no_speech() -> None:
    click = silence(10)
    click[5 * RATE : 5 * RATE + 400] = 0.9
    assert cut(pcm(click)) == []


def test_speech_without_a_pause_is_cut_where_it_is_quietest_and_nothing_is_lost() -> None:
    # The phrases without the pauses between them.
    voice = np.concatenate([s for s in np.split(reading(26), 260) if np.sqrt(np.mean(s**2)) > 0.004])
    segments = cut(pcm(silence(1), voice, voice, silence(1)))
    assert len(segments) > 1
    assert all(segment.seconds <= MAX_S for segment in segments)
    assert sum(segment.seconds for segment in segments) >= 2 * len(voice) / RATE - 0.1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=20))
def test_the_pieces_in_which_sound_comes_make_no_difference(sizes: list[int]) -> None:
    sound = pcm(silence(1), reading(5), silence(1))
    segmenter, done, at = Segmenter(), [], 0
    for turn in range(10_000):
        size = 2 * sizes[turn % len(sizes)]
        done += segmenter.add(sound[at : at + size])
        at += size
        if at >= len(sound):
            break
    done += segmenter.add(sound[at:]) + segmenter.flush()
    assert done == cut(sound)


def test_the_share_of_speech_is_that_of_all_pieces() -> None:
    voice = reading(10)
    full = speech_share([pcm(voice)])
    assert full > 0.7
    assert speech_share([pcm(voice), pcm(silence(10))]) == pytest.approx(full / 2, abs=0.03)
    assert speech_share([pcm(silence(5))]) == speech_share([]) == speech_share([b""]) == 0.0
