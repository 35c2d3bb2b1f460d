"""Cuts a stream of sampled frames into windows of equal length on the Unix time line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rtstream.rules.sample_grid import grid_cell


class Timed(Protocol):
    """Anything with a Unix time in seconds."""

    @property
    def time(self) -> float:
        """Unix seconds."""
        ...


P = TypeVar("P", bound=Timed)


@dataclass(frozen=True)
class Window(Generic[P]):
    """The frames of ``[start, end)``, oldest first and never empty.

    A frame may lie up to ``sample_grid.SLACK_S`` before the window.
    """

    start: float
    end: float
    pictures: Sequence[P]


@dataclass
class Windows(Generic[P]):
    """Collects frames into windows ``[k * length, (k + 1) * length)``.

    A window is complete once a later frame or ``reach`` has passed its end. Windows without a frame are skipped,
    because a gap in the stream is not a scene. Each window stores at most ``frame_count`` frames.
    """

    length: float  # seconds
    frame_count: int
    _open: int | None = None
    _first: int | None = None
    _ignored: int | None = None
    _pictures: list[P] = field(default_factory=list)

    def begin_with(self, number: int) -> None:
        """Ignore the frames before window ``number`` until the first one that is not, or the clock is set back."""
        self._first, self._ignored = number, None

    def add(self, picture: P) -> list[Window[P]]:
        """Add a frame and return the windows it completes.

        A frame of the window before the open one is ignored. An older one means that the clock was set back, so the
        open window is complete.
        """
        number = self._number(picture.time)
        if self._first is not None:
            if number < self._first and number >= (self._ignored or number):
                self._ignored = number
                return []
            self._first = None
        done: list[Window[P]] = []
        if self._open is not None and number < self._open:
            if number == self._open - 1:
                return []
            done = self.flush()
        done += self._close_before(number)
        self._open = number
        if len(self._pictures) < self.frame_count:
            self._pictures.append(picture)
        return done

    def reach(self, time: float) -> list[Window[P]]:
        """Return the window, if any, that is complete once all frames before the Unix time ``time`` have been added."""
        return self._close_before(self._number(time))

    def flush(self) -> list[Window[P]]:
        """Close the open window as it is, because no more frames of this recording will follow."""
        return [] if self._open is None else self._close_before(self._open + 1)

    def _number(self, time: float) -> int:
        # Use the sampling grid. Otherwise, a frame just before a boundary would be sampled for one window and land in
        # another.
        return grid_cell(time, self.length)

    def _close_before(self, number: int) -> list[Window[P]]:
        if self._open is None or number <= self._open:
            return []
        window = Window(self._open * self.length, (self._open + 1) * self.length, tuple(self._pictures))
        self._open, self._pictures = None, []
        return [window] if window.pictures else []
