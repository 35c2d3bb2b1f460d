"""Cutting a stream of sampled pictures into windows of equal length on the Unix time line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rtstream.rules.sample_grid import grid_cell


class Timed(Protocol):
    """Anything that happened at a Unix time in seconds."""

    @property
    def time(self) -> float: ...


P = TypeVar("P", bound=Timed)


@dataclass(frozen=True)
class Window(Generic[P]):
    """``pictures`` of [start, end), a hair before each (``sampling.SLACK_S``), oldest first; never empty."""

    start: float
    end: float
    pictures: Sequence[P]


@dataclass
class Windows(Generic[P]):
    """Collects pictures into windows [k * length, (k + 1) * length).

    A window is complete once the clock (a later picture, or ``reach``) is past its end. Windows without a picture
    are left out: a gap in the stream is not a scene. At most ``frame_count`` pictures a window are kept.
    """

    length: float  # seconds
    frame_count: int
    _open: int | None = None
    _pictures: list[P] = field(default_factory=list)

    def add(self, picture: P) -> list[Window[P]]:
        """Take a picture; returns the windows it completes. A picture older than the open window is ignored."""
        number = self._number(picture.time)
        if self._open is not None and number < self._open:
            return []
        done = self._close_before(number)
        self._open = number
        if len(self._pictures) < self.frame_count:
            self._pictures.append(picture)
        return done

    def reach(self, time: float) -> list[Window[P]]:
        """All pictures before ``time`` were given; returns the window this completes, if any."""
        return self._close_before(self._number(time))

    def flush(self) -> list[Window[P]]:
        """No more pictures of this run will come: the open window ends as it is."""
        return [] if self._open is None else self._close_before(self._open + 1)

    def _number(self, time: float) -> int:
        # As pictures are sampled: else one a hair before a boundary would be taken for a window and land in the other.
        return grid_cell(time, self.length)

    def _close_before(self, number: int) -> list[Window[P]]:
        if self._open is None or number <= self._open:
            return []
        window = Window(self._open * self.length, (self._open + 1) * self.length, tuple(self._pictures))
        self._open, self._pictures = None, []
        return [window] if window.pictures else []
