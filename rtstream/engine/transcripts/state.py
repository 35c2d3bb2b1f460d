"""The state of a running transcript."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import anyio

from rtstream import messages as m
from rtstream.perception.protocols import SpeechProvider
from rtstream.rules.gaps import Arrivals
from rtstream.states import TranscriptState


@dataclass
class RunningTranscript:
    """One running transcript of a stream."""

    stream_id: str
    stream_name: str
    engine: str
    """Name of the speech engine, under which the transcript is stored."""
    provider: SpeechProvider
    language: str | None
    blocks: deque[m.AudioTaken] = field(default_factory=deque)
    waiting: int = 0  # bytes
    arrived: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    stopping: bool = False
    ended: anyio.Event = field(default_factory=anyio.Event)
    skipped_s: float = 0.0
    gap: tuple[float, float, str] | None = None
    """Start, end and reason of skipped audio that is not written yet."""
    state: TranscriptState = TranscriptState.RUNNING
    reason: str = ""
    failures: int = 0
    """Number of consecutive failures."""
    recorded: bool = False
    """Whether audio that is not transcribed live can be transcribed later."""
    resuming: bool = False
    """Whether a gap before the first audio is still open."""
    gap_id: int = 0
    """The gap that is transcribed, or 0 for the live transcript."""
    live_from: float | None = None
    """Unix time of its first live audio, or None before that."""
    noted_until: float = 0.0
    audio_at: float = field(default_factory=time.monotonic)
    """Monotonic time of the last audio."""
    arrivals: Arrivals = field(default_factory=Arrivals)

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait for the speech engine."""
        return self.waiting / m.AUDIO_BYTES_PER_S
