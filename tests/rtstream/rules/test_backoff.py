"""The pause between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.backoff import ReconnectBackoff, RetryBackoff, delay


@given(st.integers(0, 10**9), st.floats(0.1, 3600), st.floats(0, 1))
def test_the_pause_stays_within_its_bounds(attempt: int, longest: float, luck: float) -> None:
    assert min(longest, 0.5) / 2 <= delay(attempt, longest, luck) <= longest


def test_the_pause_doubles_until_it_is_at_its_longest() -> None:
    assert [delay(attempt, 30, 1.0) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_luck_spreads_the_pause_over_its_upper_half() -> None:
    assert (delay(4, 30, 0.0), delay(4, 30, 0.5), delay(4, 30, 1.0)) == (2.0, 3.0, 4.0)


@given(st.lists(st.floats(0, 60), min_size=1, max_size=40), st.floats(0, 1))
def test_a_wait_is_at_most_a_second_or_a_quarter_of_the_interruption(pauses: list[float], luck: float) -> None:
    backoff, now = ReconnectBackoff(0.0), 0.0
    for pause in pauses:
        now += pause
        assert backoff.failed(now, 30.0, luck) <= min(30.0, max(1.0, now / 4))


def test_a_long_interruption_reaches_the_longest_wait() -> None:
    backoff, now = ReconnectBackoff(0.0), 0.0
    while now < 600 and (wait := backoff.failed(now, 30.0, 1.0)) < 30:
        now += wait
    assert 100 < now < 200
    assert backoff.attempts < 30


def test_a_source_that_was_read_is_tried_again_at_once() -> None:
    backoff = ReconnectBackoff(0.0)
    for at in range(60):
        backoff.failed(float(at), 30.0, 1.0)
    backoff.opened(60.0)
    backoff.opened(64.0)  # its tracks have changed
    assert backoff.failed(65.0, 30.0, 1.0) == 0.5
    assert backoff.attempts == 1


def test_attempts_are_counted_until_a_connection_lasts() -> None:
    backoff = ReconnectBackoff(0.0)
    for count in range(1, 5):
        backoff.opened(10.0 * count)
        assert backoff.failed(10.0 * count + 2, 30.0, 1.0) <= 1.0
        assert backoff.attempts == count


def test_each_piece_of_work_waits_on_its_own_until_it_succeeds() -> None:
    backoff: RetryBackoff[str] = RetryBackoff(5.0, 60.0)
    assert backoff.wait(0.0) is None
    waits, now = [], 0.0
    for _ in range(6):
        backoff.failed("a", now, 1.0)
        wait = backoff.wait(now)
        assert wait is not None
        assert not backoff.due("a", now + wait - 0.1)
        assert backoff.due("b", now)
        waits.append(wait)
        now += wait
        assert backoff.due("a", now)
    assert waits == [5, 10, 20, 40, 60, 60]
    backoff.failed("b", now, 0.0)
    assert (backoff.attempts("a"), backoff.attempts("b"), backoff.wait(now)) == (6, 1, 0.0)
    backoff.keep({"b"})
    assert (backoff.attempts("a"), backoff.wait(now)) == (0, 2.5)
    backoff.forget("b")
    assert backoff.wait(now) is None
