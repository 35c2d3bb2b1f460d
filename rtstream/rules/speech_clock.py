"""Converts positions in the audio of a speech session to Unix times."""

from __future__ import annotations

from bisect import bisect_right

CUT_S = 0.5
"""Length in seconds from which a hole in the audio ends the sentence."""
MAX_ANCHORS = 1000


class SpeechClock:
    """Converts positions in a session's audio to Unix times, even when small holes or drift separate the two."""

    def __init__(self) -> None:
        self._fed = 0.0
        self._positions: list[float] = []
        self._offsets: list[float] = []
        self.final_until = 0.0
        """Unix time of the end of the last final utterance."""

    def fits(self, at: float) -> bool:
        """Return whether audio that starts at the Unix time ``at`` continues the fed audio."""
        return not self._offsets or abs(self._offsets[-1] + self._fed - at) <= CUT_S

    def feed(self, at: float, seconds: float) -> None:
        """Note that ``seconds`` of audio starting at the Unix time ``at`` are fed."""
        if not self._offsets or abs(self._offsets[-1] + self._fed - at) > 0.02:
            self._positions.append(self._fed)
            self._offsets.append(at - self._fed)
            del self._positions[:-MAX_ANCHORS], self._offsets[:-MAX_ANCHORS]
        self._fed += seconds

    @property
    def reached(self) -> float:
        """Unix time of the end of the fed audio, or 0 if none was fed."""
        return self._offsets[-1] + self._fed if self._offsets else 0.0

    @property
    def begin(self) -> float:
        """Unix time of the start of the session's audio, or 0 if none was fed."""
        return self._offsets[0] + self._positions[0] if self._offsets else 0.0

    def unix(self, position: float) -> float:
        """Return the Unix time of a position (in seconds) in the session's audio."""
        return self._offsets[max(0, bisect_right(self._positions, position) - 1)] + position
