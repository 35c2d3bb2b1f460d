"""Detects voice activity by energy above an adaptive noise floor and cuts audio into utterances."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz
FRAME = 320  # samples: 20 ms
FRAME_S = FRAME / RATE
FLOOR_S = 6.0
"""The quietest tenth of these seconds is the floor. Speech always pauses within them, and a fan is soon followed."""
ABOVE_DB = 9.0
LEAST_DB = -58.0
MOST_DB = -22.0
"""Speech is ``ABOVE_DB`` above the floor. The threshold stays between these levels, relative to full scale."""
PAUSE_S = 0.5
"""Seconds of silence that end an utterance."""
MARGIN_S = 0.2
"""Seconds of silence included before and after an utterance, because words begin and end softly."""
LEAST_S = 0.16
"""Minimum duration of speech in an utterance. Anything shorter is a click."""
EVEN_DB, WINDOW_DB = 3.0, 20.0
"""Audio is steady if the middle half of its louder frames differs by less than this. Speech varies more."""
MAX_S = 15.0
SEEK_S = 3.0
"""An utterance longer than ``MAX_S`` is cut at the quietest moment of its last ``SEEK_S`` seconds."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class SpeechSegment:
    """The audio of one utterance.

    Attributes:
        start: Seconds since the first sample of the session.
        samples: 16 kHz mono, 16-bit little-endian samples.
    """

    start: float
    samples: bytes

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / (2 * RATE)


class Segmenter:
    """Cuts audio of any chunk size into utterances. Silence and steady noise or tones yield none."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._levels: deque[float] = deque(maxlen=round(FLOOR_S / FRAME_S))
        self._floor = LEAST_DB
        self._frames = 0  # since the beginning
        self._buffer: deque[Samples] = deque()  # the utterance, or the margin before the next one
        self._buffer_levels: deque[float] = deque()
        self._speech = 0  # frames with speech in the utterance; 0 between utterances
        self._quiet = 0  # frames since speech

    def add(self, samples: bytes) -> list[SpeechSegment]:
        """Add audio and return the utterances that it completes."""
        audio = np.concatenate([self._rest, np.frombuffer(samples, "<i2")])
        whole = len(audio) // FRAME
        frames, self._rest = audio[: whole * FRAME].reshape(whole, FRAME), audio[whole * FRAME :]
        power = (frames.astype(np.float32) / 32768) ** 2
        done: list[SpeechSegment] = []
        for frame, level in zip(frames, 10 * np.log10(power.mean(axis=1) + 1e-10), strict=True):
            done += self._take(frame, float(level))
        return done

    def flush(self) -> list[SpeechSegment]:
        """Return the unfinished utterance, if any, at the end of the audio."""
        return self._end(len(self._buffer)) if self._speech else []

    def _take(self, frame: Samples, level: float) -> list[SpeechSegment]:
        self._levels.append(level)
        if self._frames % 5 == 0:
            self._floor = sorted(self._levels)[len(self._levels) // 10]
        self._frames += 1
        self._buffer.append(frame)
        self._buffer_levels.append(level)
        if level > min(MOST_DB, max(LEAST_DB, self._floor + ABOVE_DB)):
            self._speech += 1
            self._quiet = 0
        elif self._speech:
            self._quiet += 1
        if not self._speech:
            self._drop(len(self._buffer) - round(MARGIN_S / FRAME_S))
        elif self._quiet * FRAME_S >= PAUSE_S:
            return self._end(len(self._buffer) - self._quiet + round(MARGIN_S / FRAME_S))
        elif len(self._buffer) * FRAME_S >= MAX_S:
            levels, seek = list(self._buffer_levels), round(SEEK_S / FRAME_S)
            return self._end(len(levels) - seek + int(np.argmin(levels[-seek:])), continues=True)
        return []

    def _end(self, count: int, *, continues: bool = False) -> list[SpeechSegment]:
        """Return the utterance in the first ``count`` buffered frames, if it is one.

        With ``continues``, the next utterance begins immediately.
        """
        first = self._frames - len(self._buffer)
        samples = np.concatenate(list(self._buffer)[:count])
        is_speech = self._speech * FRAME_S >= LEAST_S and self._varies(list(self._buffer_levels)[:count])
        self._drop(count)
        self._speech = len(self._buffer) if continues else 0
        self._quiet = 0
        return [SpeechSegment(first * FRAME_S, samples.tobytes())] if is_speech else []

    def _varies(self, levels: list[float]) -> bool:
        loud = float(np.percentile(levels, 90))
        low, high = np.percentile([level for level in levels if level > loud - WINDOW_DB], (25, 75))
        # Compare with the current floor, because noise that has just begun is only recognised after some seconds.
        return loud > min(MOST_DB, self._floor + ABOVE_DB) and high - low >= EVEN_DB

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._buffer.popleft()
            self._buffer_levels.popleft()


def speech_share(pieces: Iterable[bytes]) -> float:
    """Return the share of utterances in pieces of audio, as 16 kHz mono, 16-bit little-endian samples, else 0."""
    heard = spoken = 0.0
    for piece in pieces:
        segmenter = Segmenter()
        spoken += sum(one.seconds for one in (*segmenter.add(piece), *segmenter.flush()))
        heard += len(piece) / (2 * RATE)
    return min(1.0, spoken / heard) if heard else 0.0
