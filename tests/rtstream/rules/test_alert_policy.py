"""When a match becomes an alert, against a slow and obvious model."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.alert_policy import AlertState, PolicyOptions, QuietHours, options, step

Scene = tuple[float | None, float, bool]  # confidence of the match or None, time, enabled

quiet = st.builds(QuietHours, st.times(), st.times(), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
rules = st.builds(
    PolicyOptions,
    cooldown_s=st.sampled_from([0.0, 5.0, 60.0]),
    consecutive=st.integers(1, 4),
    min_confidence=st.sampled_from([0.0, 0.5]),
    dedupe=st.booleans(),
    quiet=st.lists(quiet, max_size=2).map(tuple),
)
scenes = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from([0.2, 0.5, 1.0])),
        st.floats(0.5, 7200),
        st.sampled_from([True, True, False]),
    ),
    max_size=40,
).map(lambda steps: [(c, 1_700_000_000 + sum(s[1] for s in steps[: n + 1]), e) for n, (c, _, e) in enumerate(steps)])


def slow_model(rule: PolicyOptions, history: list[Scene]) -> list[int]:
    """Looks back over the whole history for every scene; returns the numbers of the scenes that fire."""
    fired: list[int] = []
    for n, (_, at, enabled) in enumerate(history):
        row = n
        while row >= 0 and (c := history[row][0]) is not None and c >= rule.min_confidence:
            row -= 1
        if n - row < max(1, rule.consecutive) or not enabled:
            continue
        if rule.dedupe and any(f > row for f in fired):
            continue
        if fired and at - history[fired[-1]][1] < rule.cooldown_s:
            continue
        if any(hours.covers(at) for hours in rule.quiet):
            continue
        fired.append(n)
    return fired


@given(rules, scenes)
def test_an_alert_fires_exactly_when_the_obvious_model_says_so(rule: PolicyOptions, history: list[Scene]) -> None:
    state, fired = AlertState(), []
    for n, (confidence, at, enabled) in enumerate(history):
        state, fires, reason = step(rule, AlertState.from_json(state.to_json()), confidence, at, enabled)
        if fires:
            fired.append(n)
        matched = confidence is not None
        assert bool(reason) == (matched and not fires)
    assert fired == slow_model(rule, history)


def test_a_thing_that_stays_is_reported_once_and_again_when_it_comes_back() -> None:
    state, fired = AlertState(), []
    for n, confidence in enumerate([1.0, 1.0, 1.0, None, 1.0, 1.0]):
        state, fires, _ = step(PolicyOptions(), state, confidence, float(n))
        fired.append(fires)
    assert fired == [True, False, False, False, True, False]


def test_quiet_hours_reach_over_midnight_and_follow_the_clock_of_their_place() -> None:
    night = QuietHours(time(22), time(7), "Europe/Berlin")
    assert night.covers(1_753_390_800)  # 2025-07-24 23:00 in Berlin (21:00 UTC)
    assert not night.covers(1_753_387_000)  # 21:56 in Berlin
    assert night.covers(1_753_419_540)  # 06:59
    assert not night.covers(1_753_419_600)  # 07:00
    assert night.covers(1_753_387_200)  # 22:00
    day = QuietHours(time(9), time(17))
    assert [day.covers(hour * 3600) for hour in (8, 9, 16, 17)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"cooldown_s": -1}, "cooldown_s must be a number from 0"),
        ({"cooldown_s": "soon"}, "cooldown_s must be a number"),
        ({"consecutive": 1.5}, "consecutive must be a whole number"),
        ({"min_confidence": 2}, "min_confidence must be a number from 0 to 1"),
        ({"dedupe": "yes"}, "dedupe must be true or false"),
        ({"quiet_hours": [{"start": "late", "end": "07:00"}]}, "Each entry of quiet_hours must look like"),
        ({"quiet_hours": [{"start": "22:00", "end": "07:00", "timezone": "Mars/Base"}]}, "Each entry of quiet_hours"),
        ({"quiet_hours": "22-7"}, "quiet_hours must be a list"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_sentence(given_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        options(given_)


@pytest.mark.parametrize(("at", "fires"), [(1100.0, False), (995.0, False), (1601.0, True), (700.0, True)])
def test_a_cooldown_ends_when_the_clock_is_set_back(at: float, fires: bool) -> None:
    state = AlertState(fired_at=1000.0)
    _, fired, _ = step(PolicyOptions(cooldown_s=600.0), state, 1.0, at)
    assert fired is fires


@pytest.mark.parametrize("back_s", [0.5, 2.0, 37.0, 59.0, 61.0, 3600.0])
@pytest.mark.parametrize("cooldown_s", [0.0, 0.5])
def test_a_clock_set_back_by_less_than_a_minute_silences_no_alert(back_s: float, cooldown_s: float) -> None:
    """A firing holds back others for its cooldown at most, however little the clock was set back."""
    state = AlertState(fired_at=1000.0)
    _, fired, _ = step(PolicyOptions(cooldown_s=cooldown_s, dedupe=False), state, 1.0, 1000.0 - back_s)
    assert fired


def test_an_alert_that_skips_late_scenes_fires_only_on_live_ones() -> None:
    skips, fires = options({"late": "skip", "dedupe": False}), options({"late": "fire", "dedupe": False})
    assert step(skips, AlertState(), 1.0, 100.0, late=True)[1:] == (False, "late")
    assert step(skips, AlertState(), 1.0, 100.0)[1:] == (True, "")
    assert step(fires, AlertState(), 1.0, 100.0, late=True)[1:] == (True, "")
    assert options({}) == options({"late": None}) == options({"late": "fire"})
    for wrong in ("later", 1, True, []):
        with pytest.raises(ValueError, match="late must be 'fire', 'skip' or 'all'"):
            options({"late": wrong or "no"})


def test_quiet_hours_are_read_with_and_without_a_place() -> None:
    entries = [{"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}, {"start": "12:00", "end": "13:30"}]
    berlin, utc = options({"quiet_hours": entries}).quiet
    assert (berlin.start, berlin.end, berlin.timezone) == (time(22), time(7), "Europe/Berlin")
    assert (utc.start, utc.end, utc.timezone) == (time(12), time(13, 30), "UTC")


def test_at_most_twenty_ranges_of_hours_are_read() -> None:
    entry = {"start": "22:00", "end": "06:00"}
    assert len(options({"quiet_hours": [entry] * 20}).quiet) == 20
    with pytest.raises(ValueError, match="at most 20"):
        options({"quiet_hours": [entry] * 21})


@pytest.mark.parametrize("entry", [{"start": "22:00+01:00", "end": "07:00"}, {"start": "22:00", "end": "07:00Z"}])
def test_quiet_hours_with_an_offset_are_refused(entry: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must not carry a time zone"):
        options({"quiet_hours": [entry]})


@pytest.mark.parametrize(
    ("since_s", "cooldown_s", "fires"),
    [
        (0.0, 0.0, True),
        (0.0, 10.0, False),
        (9.9, 10.0, False),
        (10.0, 10.0, True),
        (10.1, 10.0, True),
        (-9.9, 10.0, False),
        (-10.0, 10.0, True),
        (-59.0, 600.0, False),
        (-60.0, 600.0, True),
        (600.0, 600.0, True),
    ],
)
def test_a_cooldown_is_over_at_its_last_moment(since_s: float, cooldown_s: float, fires: bool) -> None:
    state = AlertState(fired_at=5000.0)
    _, fired, reason = step(PolicyOptions(cooldown_s=cooldown_s), state, 1.0, 5000.0 + since_s)
    assert (fired, reason) == (fires, "" if fires else "cooldown")


def test_an_alert_fires_in_its_active_hours_only_and_not_while_it_is_muted() -> None:
    day = options({"active_hours": [{"start": "09:00", "end": "17:00"}], "dedupe": False})
    assert step(day, AlertState(), 1.0, 8 * 3600.0)[1:] == (False, "active_hours")
    assert step(day, AlertState(), 1.0, 9 * 3600.0)[1:] == (True, "")
    working = [{"start": "09:00", "end": "17:00"}]
    lunch = options({"active_hours": working, "quiet_hours": [{"start": "12:00", "end": "13:00"}]})
    assert step(lunch, AlertState(), 1.0, 12.5 * 3600.0)[1:] == (False, "quiet_hours")
    muted = options({"muted_until": 1000.0})
    assert step(muted, AlertState(), 1.0, 999.0)[1:] == (False, "muted")
    assert step(muted, AlertState(), 1.0, 1000.0)[1:] == (True, "")


minutes = st.integers(0, 23).flatmap(lambda hour: st.sampled_from([time(hour), time(hour, 30)]))
ranges = st.lists(st.builds(QuietHours, minutes, minutes), max_size=4).map(tuple)


@given(ranges, ranges)
def test_hours_that_leave_no_moment_are_noticed(quiet: tuple[QuietHours, ...], active: tuple[QuietHours, ...]) -> None:
    policy = PolicyOptions(quiet=quiet, active=active)
    day = 1_781_654_400.0  # 2026-06-17
    allowed = any(policy.allows(day + 900.0 * quarter) for quarter in range(96))
    assert policy.never_fires is not allowed
