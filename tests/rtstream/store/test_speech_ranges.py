"""Ranges whose speech is in a transcript are joined where they meet, and never overlap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from rtstream.store import speech_ranges
from tests.rtstream.store.conftest import in_memory


def of(conn: Connection, engine: str = "local") -> list[tuple[float, float]]:
    return speech_ranges.between(conn, "rts-1", engine, 0.0, 1e9)


def test_ranges_that_meet_become_one_and_others_stay_apart(conn: Connection) -> None:
    for start, end in ((10.0, 20.0), (20.3, 30.0), (40.0, 50.0), (0.0, 5.0)):
        speech_ranges.add(conn, "rts-1", "local", start, end)
    speech_ranges.add(conn, "rts-1", "other", 15.0, 60.0)
    speech_ranges.add(conn, "rts-1", "local", 60.0, 60.0)  # nothing
    assert of(conn) == [(0.0, 5.0), (10.0, 30.0), (40.0, 50.0)]
    assert of(conn, "other") == [(15.0, 60.0)]
    assert speech_ranges.between(conn, "rts-1", "local", 30.0, 45.0) == [(40.0, 50.0)]
    assert speech_ranges.begins(conn, "rts-1") == {"local": 0.0, "other": 15.0}
    assert speech_ranges.seconds(conn, "rts-1", "local") == 35.0
    assert speech_ranges.seconds(conn, "rts-1", "none") == 0.0


def test_a_range_over_several_others_replaces_them(conn: Connection) -> None:
    for start, end in ((10.0, 20.0), (30.0, 40.0), (5.0, 45.0)):
        speech_ranges.add(conn, "rts-1", "local", start, end)
    assert of(conn) == [(5.0, 45.0)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_every_second_that_was_added_is_there_once(parts: list[tuple[int, int]]) -> None:
    with in_memory() as conn:
        speech_ranges.speech_ranges.metadata.create_all(conn)
        for start, length in parts:
            speech_ranges.add(conn, "rts-1", "local", float(start), float(start + length))
        found = of(conn)
    seconds = {second for start, length in parts for second in range(start, start + length)}
    assert {second for start, end in found for second in range(round(start), round(end))} == seconds
    assert sum(end - start for start, end in found) == len(seconds)
