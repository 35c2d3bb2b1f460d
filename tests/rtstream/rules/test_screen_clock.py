"""Running clocks are told apart from times that are written on a page, in a table or in a log."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.screen_clock import (
    MAX_ALIKE,
    MAX_RUNNING,
    ClockPlace,
    ScreenClock,
    clocks_in,
    running_clocks,
    with_edge_clocks,
    without_clocks,
)

NOON = 1_800_000_000.0  # 08:00:00 UTC


@dataclass(frozen=True)
class Line:
    text: str
    box: tuple[float, float, float, float] = (0.8, 0.2, 0.95, 0.24)


def at(text: str, row: int) -> Line:
    return Line(text, (0.1, 0.1 + row * 0.05, 0.5, 0.14 + row * 0.05))


def shown(old: list[Line], new: list[Line], elapsed_s: float, known: tuple[ClockPlace, ...] = ()) -> list[str]:
    found = running_clocks(old, new, elapsed_s, known)
    return [without_clocks(line.text, found.running.get(number, ())) for number, line in enumerate(new)]


def test_clocks_are_found_in_a_line() -> None:
    assert clocks_in("14:05 to 15:20:30, ratio 4:3") == (ScreenClock(50700, 60), ScreenClock(55230, 1))
    assert clocks_in("00:10.5") == (ScreenClock(600, 60),)
    assert clocks_in("192.168.0.1:8080 and 1:234") == ()


@pytest.mark.parametrize(
    ("before", "after", "elapsed_s", "left"),
    [
        ("14:05:07", "14:05:12", 5, ""),
        ("Recording 00:59", "Recording 01:04", 5, "Recording"),
        ("Time left: 04:59", "Time left: 04:54", 5, "Time left:"),
        ("REC (00:12:33)", "REC (00:12:38)", 5, "REC"),
        ("1:23 / 4:56", "1:28 / 4:56", 5, "4:56"),
        ("Sat 28 Nov 2:05 PM", "Sat 28 Nov 2:06 PM", 5, "Sat 28 Nov"),
        ("2026-11-28 14:05:07 UTC", "2026-11-28 14:05:12 UTC", 5, "2026-11-28"),
        ("14:05:07 | Hall 2", "14:05:12 | Hall 2", 5, "Hall 2"),
        ("00:55.3", "01:00.1", 5, ""),
    ],
)
def test_a_clock_that_runs_is_left_out_with_what_belongs_to_it(
    before: str, after: str, elapsed_s: float, left: str
) -> None:
    assert shown([Line(before)], [Line(after)], elapsed_s) == [left]


@pytest.mark.parametrize(
    ("before", "after", "elapsed_s"),
    [
        ("14:05:07", "14:05:07", 5),
        ("14:05:07", "15:05:07", 5),
        ("Deploy at 18:00", "Deploy at 19:30", 5),
        ("Call 14:05:07", "Meet 14:05:12", 5),
        ("14:05:07 to 15:00:00", "14:05:12", 5),
        ("14:05:07", "14:05:09", 8),
        ("14:05:07", "14:05:22", 8),
    ],
)
def test_a_time_that_stands_still_or_jumps_is_kept(before: str, after: str, elapsed_s: float) -> None:
    assert shown([Line(before)], [Line(after)], elapsed_s) == [after]


def test_a_clock_in_another_place_is_another_one() -> None:
    assert shown([Line("14:05:07")], [at("14:05:12", 3)], 5) == ["14:05:12"]
    moved = Line("14:05:12", (0.9, 0.2, 1.05, 0.24))
    assert shown([Line("14:05:07")], [moved], 5) == ["14:05:12"]


def test_the_times_of_a_log_are_kept_when_it_scrolls_and_when_it_is_replaced() -> None:
    log = [f"08:{m:02d}:{s:02d} INFO tick" for m in range(3) for s in range(0, 60, 5)]
    one, two = [at(text, row) for row, text in enumerate(log[:6])], [at(t, row) for row, t in enumerate(log[1:7])]
    assert shown(one, two, 5) == log[1:7]
    page = [at(text, row) for row, text in enumerate(log[6:12])]
    assert shown(one, page, 30) == log[6:12]
    few = [f"08:00:{s:02d} {word}" for s in range(0, 45, 5) for word in [f"step {s}"]]
    later = [f"08:00:{s + 5:02d} step {s}" for s in range(0, 45, 5)]
    assert len(few) > MAX_RUNNING > MAX_ALIKE
    found = shown([at(t, row) for row, t in enumerate(few)], [at(t, row) for row, t in enumerate(later)], 5)
    assert found == later


def test_a_clock_that_was_seen_running_stays_out_between_its_ticks_and_when_it_is_misread() -> None:
    first = running_clocks([Line("14:05")], [Line("14:06")], 5)
    assert [place.words for place in first.places] == [""]
    again = running_clocks([Line("14:06")], [Line("14:06")], 5, first.places)
    assert again.running == {0: frozenset({0})}
    blurred = running_clocks([Line("14:06")], [Line("14:O6"), at("14:O6", 3)], 5, again.places)
    assert [without_clocks("14:O6", blurred.running.get(n, ())) for n in range(2)] == ["", "14:O6"]
    assert running_clocks([], [Line("14:07")], 5, blurred.places).running == {0: frozenset({0})}


@pytest.mark.parametrize(
    ("text", "box", "apart_s", "found"),
    [
        ("08:00", (0.9, 0.0, 0.98, 0.04), 0, True),
        ("Sat 28 Nov 10:00", (0.4, 0.0, 0.6, 0.04), 60, True),
        ("28.11.2026 13:30", (0.9, 0.95, 0.99, 0.99), -60, True),
        ("08:00", (0.9, 0.5, 0.98, 0.54), 0, False),
        ("08:00", (0.9, 0.0, 0.98, 0.04), 300, False),
        ("14:05:07", (0.9, 0.0, 0.98, 0.04), 0, True),
        ("00:15.1", (0.9, 0.95, 0.98, 0.99), 0, True),
        ("14:05:07", (0.9, 0.5, 0.98, 0.54), 0, False),
        ("14:05:07 started", (0.4, 0.0, 0.6, 0.04), 0, False),
        ("08:00 Stand-up", (0.4, 0.0, 0.6, 0.04), 0, False),
        ("08:00 to 09:00", (0.4, 0.0, 0.6, 0.04), 0, False),
        ("No clock", (0.4, 0.0, 0.6, 0.04), 0, False),
    ],
)
def test_seconds_or_the_time_of_day_alone_at_the_edge_of_the_picture_are_a_clock(
    text: str, box: tuple[float, float, float, float], apart_s: float, found: bool
) -> None:
    lines = [Line(text, box), at("Something else", 4)]
    seen = with_edge_clocks(running_clocks([], lines, 0), lines, NOON + apart_s)
    assert seen.running == ({0: frozenset({0})} if found else {})
    assert len(seen.places) == found


def test_several_times_at_the_edge_are_a_list() -> None:
    lines = [Line("08:00", (0.2 * n, 0.0, 0.2 * n + 0.1, 0.04)) for n in range(MAX_ALIKE + 1)]
    assert not with_edge_clocks(running_clocks([], lines, 0), lines, NOON).running
    assert len(with_edge_clocks(running_clocks([], lines[:-1], 0), lines[:-1], NOON).running) == MAX_ALIKE


@given(st.text("0123456789:/. ab", max_size=40), st.sets(st.integers(0, 3)))
def test_a_line_without_clocks_has_only_what_it_had(text: str, running: set[int]) -> None:
    left = without_clocks(text, running)
    assert len(left) <= len(text)
    assert set(left) <= set(text) | {" "}
    kept = [clock for number, clock in enumerate(clocks_in(text)) if number not in running]
    assert len(clocks_in(left)) >= len(kept) or running
