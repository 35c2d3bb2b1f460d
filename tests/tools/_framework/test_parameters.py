"""Names, ranges and notes in results."""

from __future__ import annotations

from tools._framework.parameters import left_out, name, note, ranges


def test_a_name_is_short_and_has_no_control_characters() -> None:
    assert name("Front\x1b door\u202e") == "Front door"
    assert len(name("x" * 999)) <= 100


def test_ranges_are_rounded_to_milliseconds() -> None:
    assert ranges([(1.23456, 2.0), (3, 4.0004)]) == [[1.235, 2.0], [3, 4.0]]


def test_what_was_not_recorded_is_summed_up() -> None:
    assert left_out([]) is None
    assert left_out([(0.0, 60.0)]) == (
        "Not recorded, and skipped when played: 60.0 s, from 1970-01-01 00:00:00 to 1970-01-01 00:01:00 UTC."
    )
    assert "61.5 s" in (left_out([(0.0, 60.0), (100.0, 101.5)]) or "")
    assert "and 1 more." in (left_out([(0.0, 60.0), (100.0, 101.5)]) or "")


def test_an_empty_note_is_left_out() -> None:
    assert (note(""), note("\x00"), note("a")) == (None, None, "a")
