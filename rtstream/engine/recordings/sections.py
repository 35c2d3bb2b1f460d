"""Sections of recordings and exported videos, which the ranges of a link show one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rtstream.engine.recordings.playback_audio import is_converted
from rtstream.mp4.recordings import StoredSegment

FIRST_AT_S = 10.0
"""Start of the timeline of ranges in seconds, because audio may begin a little before the first picture."""


@dataclass(frozen=True)
class SectionPart:
    """Stored fragments that are served as one. ``start`` is in Unix seconds, ``duration`` in seconds."""

    start: float
    duration: float
    key: str
    offset: int
    length: int

    @property
    def micros(self) -> int:
        """``start`` in microseconds, which names the part in URLs, whatever is stored or deleted before it."""
        return round(self.start * 1e6)

    def stored(self) -> StoredSegment:
        """Return the part in the form that media processes read."""
        return StoredSegment(self.key, self.offset, self.length, self.start)


@dataclass(frozen=True)
class Section:
    """Consecutive parts of one recording or video, of which [start, end] (Unix seconds) is shown.

    Attributes:
        owner: Id of the stream or video.
        source: Id of the recording or video, which names the init segment in URLs.
        init: The init segment.
        codecs: Its codecs parameter (RFC 6381).
        start: Unix seconds in the first part.
        end: Unix seconds in the last part.
        parts: At least one part, sorted by start.
        place: Position of its range in the link, from 0.
    """

    owner: str
    source: str
    init: bytes
    codecs: str
    start: float
    end: float
    parts: Sequence[SectionPart]
    place: int = 0

    @property
    def converted(self) -> bool:
        """Whether the audio is converted for playback."""
        return is_converted(self.init, self.codecs)


class PlacedPart(NamedTuple):
    """A part at its place in the order of playback.

    Attributes:
        section: Its section.
        number: Its position in the section, from 0.
        at: Its start in seconds on the timeline of the ranges.
    """

    section: Section
    number: int
    at: float

    @property
    def part(self) -> SectionPart:
        """The part itself."""
        return self.section.parts[self.number]


def placed(sections: Sequence[Section]) -> list[PlacedPart]:
    """Return all parts in the order of playback. Each begins where the one before it ends."""
    found: list[PlacedPart] = []
    at = FIRST_AT_S
    for section in sections:
        for number, part in enumerate(section.parts):
            found.append(PlacedPart(section, number, at))
            at += part.duration
    return found


def shifts(sections: Sequence[Section]) -> list[float]:
    """Return the seconds by which the times of each section are shifted, so that the sections are consecutive."""
    found: list[float] = []
    at = sections[0].parts[0].start - sections[0].start
    for section in sections:
        found.append(at - section.parts[0].start)
        at = section.parts[-1].start + section.parts[-1].duration + found[-1]
    return found
