"""Voice activity by energy above an adaptive floor, and the cutting of sound into utterances."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE = 16_000  # Hz
FRAME = 320  # samples: 20 ms
FRAME_S = FRAME / RATE
FLOOR_S = 6.0
"""Seconds whose quietest tenth is the floor: longer than speech goes without a pause, short enough to follow a fan."""
ABOVE_DB = 9.0
LEAST_DB = -58.0
MOST_DB = -22.0
"""Speech is ``ABOVE_DB`` above the floor; the threshold stays between these levels of full scale."""
PAUSE_S = 0.5
"""Quiet after which an utterance is over."""
MARGIN_S = 0.2
"""Quiet kept before and after an utterance: soft sounds begin and end words."""
LEAST_S = 0.16
"""Speech an utterance must have; less is a click."""
EVEN_DB, WINDOW_DB = 3.0, 20.0
"""A sound is even when the middle half of its louder frames differs by less than this: speech varies more."""
MAX_S = 15.0
SEEK_S = 3.0
"""A longer utterance is cut at the quietest moment of its last seconds."""

Samples = np.ndarray[Any, np.dtype[np.int16]]


@dataclass(frozen=True)
class SpeechSegment:
    """One utterance as sound. ``start``: seconds from the first sample given; 16 kHz mono, 16 bit little-endian."""

    start: float
    samples: bytes

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / (2 * RATE)


class Segmenter:
    """Takes sound in any pieces, gives utterances. Silence, and noise or tones that go on evenly, give none."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._levels: deque[float] = deque(maxlen=round(FLOOR_S / FRAME_S))
        self._floor = LEAST_DB
        self._frames = 0  # taken since the beginning
        self._kept: deque[Samples] = deque()  # of the utterance, or of the margin before the next one
        self._kept_levels: deque[float] = deque()
        self._speech = 0  # frames of the utterance with speech; 0 between utterances
        self._quiet = 0  # frames since speech

    def add(self, samples: bytes) -> list[SpeechSegment]:
        """The utterances that ``samples`` complete."""
        sound = np.concatenate([self._rest, np.frombuffer(samples, "<i2")])
        whole = len(sound) // FRAME
        frames, self._rest = sound[: whole * FRAME].reshape(whole, FRAME), sound[whole * FRAME :]
        power = (frames.astype(np.float32) / 32768) ** 2
        done: list[SpeechSegment] = []
        for frame, level in zip(frames, 10 * np.log10(power.mean(axis=1) + 1e-10), strict=True):
            done += self._take(frame, float(level))
        return done

    def flush(self) -> list[SpeechSegment]:
        """What is left when no more sound comes."""
        return self._end(len(self._kept)) if self._speech else []

    def _take(self, frame: Samples, level: float) -> list[SpeechSegment]:
        self._levels.append(level)
        if self._frames % 5 == 0:
            self._floor = sorted(self._levels)[len(self._levels) // 10]
        self._frames += 1
        self._kept.append(frame)
        self._kept_levels.append(level)
        if level > min(MOST_DB, max(LEAST_DB, self._floor + ABOVE_DB)):
            self._speech += 1
            self._quiet = 0
        elif self._speech:
            self._quiet += 1
        if not self._speech:
            self._drop(len(self._kept) - round(MARGIN_S / FRAME_S))
        elif self._quiet * FRAME_S >= PAUSE_S:
            return self._end(len(self._kept) - self._quiet + round(MARGIN_S / FRAME_S))
        elif len(self._kept) * FRAME_S >= MAX_S:
            levels, seek = list(self._kept_levels), round(SEEK_S / FRAME_S)
            return self._end(len(levels) - seek + int(np.argmin(levels[-seek:])), goes_on=True)
        return []

    def _end(self, count: int, *, goes_on: bool = False) -> list[SpeechSegment]:
        """The utterance in the first ``count`` kept frames, if it is one. ``goes_on``: the next begins at once."""
        first = self._frames - len(self._kept)
        samples = np.concatenate(list(self._kept)[:count])
        heard = self._speech * FRAME_S >= LEAST_S and self._varies(list(self._kept_levels)[:count])
        self._drop(count)
        self._speech = len(self._kept) if goes_on else 0
        self._quiet = 0
        return [SpeechSegment(first * FRAME_S, samples.tobytes())] if heard else []

    def _varies(self, levels: list[float]) -> bool:
        loud = float(np.percentile(levels, 90))
        low, high = np.percentile([level for level in levels if level > loud - WINDOW_DB], (25, 75))
        # Judged again with what the floor is by now: a noise that began is known as one after some seconds.
        return loud > min(MOST_DB, self._floor + ABOVE_DB) and high - low >= EVEN_DB

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._kept.popleft()
            self._kept_levels.popleft()
