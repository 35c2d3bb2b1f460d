"""Evaluates Whisper's own confidence figures (thresholds of the paper, arXiv 2212.04356, section 4.5)."""

from __future__ import annotations

NO_SPEECH = 0.6
LOW_LOGPROB = -1.0
HIGH_COMPRESSION = 2.4
"""Text that compresses this well is repetitive."""


def is_silence(avg_logprob: float, no_speech_prob: float) -> bool:
    """Return whether the model itself took the audio for silence, so that the text is invented."""
    return no_speech_prob > NO_SPEECH and avg_logprob < LOW_LOGPROB


def is_unreliable(avg_logprob: float, no_speech_prob: float, compression_ratio: float) -> bool:
    """Return whether the text is unreliable."""
    return avg_logprob < LOW_LOGPROB or no_speech_prob > NO_SPEECH or compression_ratio > HIGH_COMPRESSION
