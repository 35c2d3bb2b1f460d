"""The wall-clock times of media stay right while packets are late, early or lost."""

from __future__ import annotations

import pytest

from rtstream.rules.wall_clock import WallClock

NOW = 1_800_000_000.0


def test_the_quickest_picture_sets_the_clock() -> None:
    clock = WallClock()
    for n in range(90):
        late = 0.4 if n < 30 else 0.2 * (n % 7) / 7  # a burst at first, then jitter
        assert clock.observe(NOW + n / 30 + late, n / 30, n / 30)
    assert clock.offset == pytest.approx(NOW, abs=0.001)


def test_reordered_pictures_do_not_shift_the_clock() -> None:
    clock = WallClock()
    # Decode order I P B B, two frames of reordering; each is sent when it has been shown to the encoder.
    for n in range(90):
        shown = n + 2 if n % 3 == 0 else n - 1
        clock.observe(NOW + (n + 2) / 30, n / 30, shown / 30)
    assert clock.offset == pytest.approx(NOW, abs=0.001)


def test_the_clock_settles_also_while_only_another_track_sends() -> None:
    clock = WallClock()
    clock.settle(NOW)
    assert clock.offset is None
    for n in range(10):
        clock.observe(NOW + n / 30, n / 30, n / 30)
    clock.settle(NOW + 1.9)
    assert clock.offset is None
    clock.settle(NOW + 2.1)
    assert clock.offset == pytest.approx(NOW)


def test_a_source_that_paused_or_drifts_is_noticed() -> None:
    clock = WallClock()
    steady = [clock.observe(NOW + n / 10, n / 10, n / 10) for n in range(600)]
    assert all(steady)
    paused = [clock.observe(NOW + 5 + n / 10, n / 10, n / 10) for n in range(600, 900)]
    assert not all(paused)


def test_a_hiccup_that_is_made_up_for_is_no_reason_to_start_anew() -> None:
    clock = WallClock()
    for n in range(1200):
        late = 3.0 if 400 < n < 460 else 0.0
        assert clock.observe(NOW + n / 10 + late, n / 10, n / 10)


def test_the_senders_clock_is_believed_when_it_is_plausible() -> None:
    clock = WallClock()
    assert not clock.believe(NOW - 3600, 0.0, NOW)
    assert clock.offset is None
    assert clock.believe(NOW - 0.3, 1.0, NOW)
    assert clock.offset == pytest.approx(NOW - 1.3)
    assert not clock.believe(NOW + 1, 1.0, NOW)


def test_pictures_that_took_long_are_believed_where_that_is_usual_and_those_of_the_future_are_not() -> None:
    for ago, believed in ((-4.0, True), (-6.0, False), (40.0, True), (121.0, False)):
        clock = WallClock()
        assert clock.believe(NOW - ago, 1.0, NOW, oldest_s=120.0) is believed
        assert (clock.offset is not None) is believed


def test_a_clock_set_by_the_sender_still_notices_a_pause_by_arrival() -> None:
    clock = WallClock()
    assert clock.believe(NOW - 30, 0.0, NOW, oldest_s=120.0)
    assert all(clock.observe(NOW + n / 10, n / 10, n / 10) for n in range(600))
    assert clock.lag(NOW + 60.5, 60.0) == pytest.approx(0.5)
    assert clock.offset == pytest.approx(NOW - 30)
    assert not all(clock.observe(NOW + 5 + n / 10, n / 10, n / 10) for n in range(600, 900))


@pytest.mark.parametrize(
    ("late_s", "fits"),
    [(0.0, True), (0.9, True), (0.99, True), (1.01, False), (1.5, False), (-0.99, True), (-1.5, False)],
)
def test_a_clock_that_is_off_by_more_than_a_second_is_noticed(late_s: float, fits: bool) -> None:
    clock, now = WallClock(), NOW
    at = 0.0
    while at < 4:  # settles after two seconds
        assert clock.observe(now + at, at, at)
        at += 0.5
    found = [clock.observe(now + at + late_s + later, at + later, at + later) for later in range(25)]
    assert all(found) is fits
