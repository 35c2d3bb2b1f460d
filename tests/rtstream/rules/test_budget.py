"""The cap on model calls, against a slow and obvious model of itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.budget import DAY_S, HOUR_S, SLOT_S, Budget

AT = 1_790_000_000.0


def test_without_caps_every_call_is_allowed_and_counted() -> None:
    budget = Budget()
    assert [budget.take(AT + second) for second in range(1000)] == [None] * 1000
    assert budget.used(AT + 1000) == {"hour": 1000, "day": 1000}


def test_a_full_hour_says_when_it_goes_on() -> None:
    budget = Budget(per_hour=2)
    assert budget.take(AT) is None
    assert budget.take(AT + 600) is None
    refusal = budget.take(AT + 601)
    assert refusal is not None
    assert "2 model calls per hour" in refusal.reason
    assert AT + HOUR_S <= refusal.until <= AT + HOUR_S + SLOT_S
    assert budget.take(refusal.until - 1) is not None
    assert budget.take(refusal.until) is None


def test_a_restart_gives_no_new_allowance() -> None:
    budget = Budget(per_day=3)
    for _ in range(3):
        assert budget.take(AT) is None
    again = Budget(per_day=3, spent=budget.spent)
    assert again.take(AT + HOUR_S) is not None
    assert again.take(AT + DAY_S + SLOT_S) is None


def test_a_lowered_cap_counts_what_was_spent() -> None:
    budget = Budget(spent=[(int(AT // SLOT_S), 10)])
    assert Budget(per_hour=5, spent=budget.spent).refusal(AT) is not None


def test_what_is_kept_stays_small() -> None:
    budget = Budget()
    for minute in range(5000):
        budget.take(AT + minute * SLOT_S)
    assert len(budget.spent) <= DAY_S // SLOT_S + 1


caps = st.none() | st.integers(1, 6)


@given(caps, caps, st.lists(st.integers(0, 2 * HOUR_S), max_size=60), st.integers(0, 50))
def test_no_window_ever_holds_more_than_its_cap(
    per_hour: int | None, per_day: int | None, pauses: list[int], restart: int
) -> None:
    budget, taken, now = Budget(per_hour, per_day), [], AT
    for number, pause in enumerate(pauses):
        now += pause
        if number == restart:
            budget = Budget(per_hour, per_day, budget.spent)
        refusal = budget.take(now)
        if refusal is None:
            taken.append(now)
        else:
            # A refusal is never for nothing: within a minute's grain, the window really is full.
            assert any(
                cap is not None and sum(at > now - window - SLOT_S for at in taken) >= cap
                for window, cap in ((HOUR_S, per_hour), (DAY_S, per_day))
            )
            assert refusal.until > now
            assert Budget(per_hour, per_day, budget.spent).take(refusal.until) is None
        for window, cap in ((HOUR_S, per_hour), (DAY_S, per_day)):
            assert cap is None or sum(at > now - window for at in taken) <= cap


def test_calls_are_counted_by_minute_and_those_of_a_restart_belong_to_theirs() -> None:
    minute = int(AT // SLOT_S)
    budget = Budget(spent=[(minute, 2), (minute - 3, 5)])
    assert budget.take(AT) is None
    assert budget.spent == [(minute - 3, 5), (minute, 3)]
    assert budget.take((minute + 1) * SLOT_S) is None
    assert budget.take((minute - 9) * SLOT_S) is None  # a clock that was set back adds to the newest minute
    assert budget.spent == [(minute - 3, 5), (minute, 3), (minute + 1, 2)]
    assert budget.used((minute + 1) * SLOT_S) == {"hour": 10, "day": 10}
    assert budget.used((minute + 1) * SLOT_S + HOUR_S + 2 * SLOT_S) == {"hour": 0, "day": 10}
