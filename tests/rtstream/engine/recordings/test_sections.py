"""Sections are placed one after the other."""

from __future__ import annotations

import pytest

from rtstream.engine.recordings.sections import FIRST_AT_S, Section, SectionPart, placed, shifts
from rtstream.mp4.recordings import StoredSegment


def section(start: float, *durations: float, skipped: float = 0.0) -> Section:
    parts: list[SectionPart] = []
    at = start
    for number, duration in enumerate(durations):
        parts.append(SectionPart(at, duration, "key", 100 * number, 100))
        at += duration
    return Section("rts-1", "rec-1", b"", "avc1", start + skipped, at, parts)


def test_each_part_begins_where_the_one_before_it_ends() -> None:
    found = placed([section(1000.0, 2.0, 1.0), section(50.0, 4.0)])
    assert [(one.at - FIRST_AT_S, one.number, one.part.micros) for one in found] == [
        (0.0, 0, 1_000_000_000),
        (2.0, 1, 1_002_000_000),
        (3.0, 0, 50_000_000),
    ]
    assert found[1].part.stored() == StoredSegment("key", 100, 100, 1002.0)


def test_the_first_section_is_shown_from_zero() -> None:
    sections = [section(1000.0, 2.0, skipped=0.5), section(50.0, 4.0)]
    moved = shifts(sections)
    assert sections[0].start + moved[0] == pytest.approx(0.0)
    assert sections[1].parts[0].start + moved[1] == pytest.approx(1.5)
