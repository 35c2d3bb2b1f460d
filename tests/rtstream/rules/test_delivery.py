"""When webhooks are tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.delivery import DELAYS_S, failure, next_attempt, retry_after_s, wait_s


@given(st.integers(1, len(DELAYS_S)), st.floats(0, 1))
def test_a_failed_webhook_is_tried_again_after_its_delay_and_at_most_a_fifth_more(attempts: int, jitter: float) -> None:
    at = next_attempt(attempts, 1000.0, jitter)
    assert at is not None
    assert DELAYS_S[attempts - 1] <= at - 1000.0 <= DELAYS_S[attempts - 1] * 1.2 + 1e-6


def test_a_webhook_is_given_up_after_many_hours_and_not_before() -> None:
    assert sum(DELAYS_S) > 12 * 3600
    assert next_attempt(len(DELAYS_S) + 1, 0.0, 0.0) is None


def test_a_receiver_that_asks_for_more_time_gets_it_up_to_an_hour() -> None:
    assert next_attempt(1, 0.0, 0.0, retry_after_s=90) == 90
    assert next_attempt(1, 0.0, 0.0, retry_after_s=1e9) == 3600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Tue, 20 Jan 1970 10:40:00 GMT", 1_680_000 - 1000),
        ("Thursday, 01-Jan-70 00:20:00 GMT", 200),
        ("Thu Jan  1 00:20:00 1970", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_a_receiver_asks_for_time_in_seconds_or_as_a_date(value: str, seconds: float) -> None:
    assert retry_after_s(value, 1000.0) == seconds


@given(st.one_of(st.text(), st.from_regex(r"-?[0-9]{1,30}(\.[0-9]+)?", fullmatch=True)))
def test_any_retry_after_is_a_number_of_seconds_or_ignored(value: str) -> None:
    found = retry_after_s(value, 1000.0)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (301, "redirect"),
        (308, "redirect"),
        (401, "password"),
        (413, "large"),
        (403, "token"),
        (404, "address"),
        (410, "no more"),
        (429, "fewer requests"),
    ],
)
def test_the_error_of_a_refused_webhook_says_what_to_do(status: int, advice: str) -> None:
    assert str(status) in failure(status)
    assert advice in failure(status)


@given(st.integers(1, len(DELAYS_S)), st.floats(0, 1), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_no_attempt_waits_longer_than_its_delay_even_if_the_clock_is_set(
    attempts: int, jitter: float, now: float, step: float
) -> None:
    at = next_attempt(attempts, now, jitter)
    assert at is not None
    assert 0.0 <= wait_s(at, now + step, now) <= max(0.0, at - now)
    assert wait_s(at, now, now) == pytest.approx(at - now)


def test_an_attempt_that_was_planned_before_the_clock_was_set_back_is_made_at_once() -> None:
    assert wait_s(1010.0, 1000.0, 1005.0) == 0.0
    assert wait_s(1000.0 + 3600.0, 1000.0, 1000.0) == 3600.0  # as Retry-After asks


def test_the_first_attempt_is_made_at_once_whatever_the_clock_says() -> None:
    assert wait_s(4600.0, 1000.0, None) == 0.0


def test_the_delays_are_those_that_are_documented() -> None:
    minutes, hours = 60, 3600
    documented = [2, 5, 15, 30, minutes, 2 * minutes, 5 * minutes, 10 * minutes, 20 * minutes, 30 * minutes]
    assert list(DELAYS_S) == [*documented, hours, 2 * hours, 4 * hours, 8 * hours]
