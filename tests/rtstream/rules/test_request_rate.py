"""The rate of requests: bursts pass, and points come back over time."""

from __future__ import annotations

import pytest

from rtstream.rules.request_rate import RequestRate


def test_a_burst_passes_and_the_next_request_waits_for_its_points() -> None:
    rate = RequestRate(burst=10.0, per_s=2.0)
    assert [rate.wait_s(2.0, 100.0) for _ in range(5)] == [0.0] * 5
    assert rate.wait_s(2.0, 100.0) == 1.0
    assert rate.wait_s(2.0, 100.5) == 0.5  # a refused request costs nothing
    assert rate.wait_s(2.0, 101.0) == 0.0


def test_points_do_not_pile_up_beyond_a_burst() -> None:
    rate = RequestRate(burst=10.0, per_s=2.0)
    rate.wait_s(4.0, 0.0)
    assert rate.wait_s(10.0, 1e6) == 0.0
    assert rate.wait_s(1.0, 1e6) == pytest.approx(0.5)


def test_a_request_that_costs_more_than_a_burst_never_passes() -> None:
    rate = RequestRate(burst=10.0, per_s=2.0)
    assert all(rate.wait_s(11.0, now) > 0 for now in (0.0, 1e3, 1e6))
