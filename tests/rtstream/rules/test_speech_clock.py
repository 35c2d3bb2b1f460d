"""Positions in the audio of a speech session are converted to Unix times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.speech_clock import CUT_S, SpeechClock


@given(st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0.0, CUT_S / 2)), min_size=1, max_size=50), st.floats(0, 2e9))
def test_a_position_is_at_the_time_of_the_audio_that_was_fed_there(
    blocks: list[tuple[float, float]], start: float
) -> None:
    clock, at, fed = SpeechClock(), start, 0.0
    middles: list[tuple[float, float]] = []
    for seconds, hole in blocks:
        assert clock.fits(at)
        clock.feed(at, seconds)
        middles.append((fed + seconds / 2, at + seconds / 2))
        fed, at = fed + seconds, at + seconds + hole
    for position, time in middles:
        # Holes up to 0.02 s are added up before they are followed.
        assert clock.unix(position) == pytest.approx(time, abs=0.021)
    assert clock.begin == pytest.approx(start)
    assert clock.reached == pytest.approx(at - blocks[-1][1], abs=0.021)


@pytest.mark.parametrize("jump", [CUT_S + 0.1, -CUT_S - 0.1, 3600.0, -3600.0])
def test_audio_behind_a_hole_or_from_another_time_does_not_fit(jump: float) -> None:
    clock = SpeechClock()
    assert clock.fits(5.0)
    assert (clock.begin, clock.reached) == (0.0, 0.0)
    clock.feed(1000.0, 2.0)
    assert clock.fits(1002.0)
    assert not clock.fits(1002.0 + jump)


def test_the_anchors_of_a_long_session_are_bounded_and_new_positions_stay_exact() -> None:
    clock = SpeechClock()
    for number in range(3000):
        clock.feed(number * 1.1, 1.0)
    assert clock.unix(2999.5) == pytest.approx(2999 * 1.1 + 0.5)
    assert clock.reached == pytest.approx(2999 * 1.1 + 1.0)
