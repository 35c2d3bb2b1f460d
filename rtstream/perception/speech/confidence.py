"""What Whisper's own figures say of its text (thresholds of the paper, arXiv 2212.04356, section 4.5)."""

from __future__ import annotations

NO_SPEECH = 0.6
LOW_LOGPROB = -1.0
HIGH_COMPRESSION = 2.4
"""Text that compresses this well repeats itself."""


def empty(avg_logprob: float, no_speech_prob: float) -> bool:
    """The model itself took the sound for silence: the text is made up."""
    return no_speech_prob > NO_SPEECH and avg_logprob < LOW_LOGPROB


def doubtful(avg_logprob: float, no_speech_prob: float, compression_ratio: float) -> bool:
    """The text is not to be trusted."""
    return avg_logprob < LOW_LOGPROB or no_speech_prob > NO_SPEECH or compression_ratio > HIGH_COMPRESSION
