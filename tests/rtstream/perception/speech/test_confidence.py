"""Whisper's own figures decide whether it invented or garbled a text."""

from __future__ import annotations

import pytest

from rtstream.perception.speech.confidence import is_silence, is_unreliable


@pytest.mark.parametrize(
    ("logprob", "no_speech", "compression", "silence", "unreliable"),
    [
        (-0.3, 0.1, 1.5, False, False),
        (-1.5, 0.9, 1.5, True, True),
        (-1.5, 0.1, 1.5, False, True),  # unsure, but it heard speech
        (-0.3, 0.9, 1.5, False, True),  # sure of words in what it took for silence
        (-0.3, 0.1, 3.0, False, True),  # repetitive
        (-1.0, 0.6, 2.4, False, False),  # the thresholds themselves
    ],
)
def test_figures_beyond_the_thresholds_are_not_trusted(
    logprob: float, no_speech: float, compression: float, silence: bool, unreliable: bool
) -> None:
    assert is_silence(logprob, no_speech) is silence
    assert is_unreliable(logprob, no_speech, compression) is unreliable
