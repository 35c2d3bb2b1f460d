"""When webhooks are tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.delivery import DELAYS_S, next_attempt


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
