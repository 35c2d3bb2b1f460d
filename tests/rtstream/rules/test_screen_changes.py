"""Measurements that are missing are not stored, and damaged ones count as missing."""

from __future__ import annotations

from rtstream.rules.screen_changes import ScreenChanges

FOUND = ScreenChanges(first=False, changed=True, share=0.25, cuts=0, still_s=1.5, colours=["red"], appeared=[])


def test_measurements_survive_their_storage() -> None:
    assert ScreenChanges.from_json(FOUND.to_json()) == FOUND
    assert set(FOUND.to_json()) == {"first", "changed", "share", "cuts", "still_s", "colours", "appeared"}
    assert ScreenChanges.from_json(None) == ScreenChanges()


def test_a_field_of_another_type_counts_as_not_measured() -> None:
    damaged = {"changed": "yes", "share": "0.5", "cuts": 1.5, "appeared": "a line", "still_s": 2, "unknown": 1}
    assert ScreenChanges.from_json(damaged) == ScreenChanges(still_s=2)


def test_the_measured_numbers_contain_no_text_of_the_stream() -> None:
    assert FOUND.measured() == {"first": False, "changed": True, "share": 0.25, "cuts": 0, "still_s": 1.5}
