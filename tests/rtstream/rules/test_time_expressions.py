"""Moments as users and models write them, at the boundaries of days, zones and changes of the clocks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtstream.errors import InvalidRequest
from rtstream.rules.time_expressions import AHEAD_S, Reading, find_zone, read_end, read_moment, shown, zone_name

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour
APIA = ZoneInfo("Pacific/Apia")  # it had no 30 December 2011


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def at(now: str, zone: tzinfo = BERLIN, newest: str | None = None) -> Reading:
    return Reading(unix(now), zone, unix(newest) if newest else None)


NOON = at("2026-11-28T12:00:00+01:00", newest="2026-11-28T09:30:00+01:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-28T12:00:00+01:00"),
        (" NOW ", "2026-11-28T12:00:00+01:00"),
        ("start", "2026-11-28T09:30:00+01:00"),
        ("-10m", "2026-11-28T11:50:00+01:00"),
        ("−10m", "2026-11-28T11:50:00+01:00"),
        ("-90s", "2026-11-28T11:58:30+01:00"),
        ("-2h", "2026-11-28T10:00:00+01:00"),
        ("-1h30m", "2026-11-28T10:30:00+01:00"),
        ("-1.5h", "2026-11-28T10:30:00+01:00"),
        ("-1d", "2026-11-27T12:00:00+01:00"),
        ("now - 5 min", "2026-11-28T11:55:00+01:00"),
        ("10 minutes ago", "2026-11-28T11:50:00+01:00"),
        ("1795863600", "2026-11-28T12:00:00+01:00"),
        ("1795863600.25", "2026-11-28T12:00:00.250+01:00"),
        ("1.7958636e9", "2026-11-28T12:00:00+01:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("2026-11-28T10:00:00Z", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28t10:00z", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28T10:00:00-05:00", None),
        ("2026-11-28T05:00:00-05:00", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28 05:00 -0500", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28T11:00", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28 11:00:00.5", "2026-11-28T11:00:00.500+01:00"),
        ("2026-11-28", "2026-11-28T00:00:00+01:00"),
        ("20261128T100000Z", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28T11:00[Europe/Berlin]", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28T11:00+01:00[Europe/Berlin]", "2026-11-28T11:00:00+01:00"),
        ("2026-11-28 19:00 Asia/Tokyo", "2026-11-28T11:00:00+01:00"),
        ("11:59", "2026-11-28T11:59:00+01:00"),
        ("12:00", "2026-11-28T12:00:00+01:00"),
        ("12:01", "2026-11-27T12:01:00+01:00"),
        ("14:05", "2026-11-27T14:05:00+01:00"),
        ("14:05:09", "2026-11-27T14:05:09+01:00"),
        ("0:30", "2026-11-28T00:30:00+01:00"),
        ("9:15 am", "2026-11-28T09:15:00+01:00"),
        ("2:05 PM", "2026-11-27T14:05:00+01:00"),
        ("12:10 a.m.", "2026-11-28T00:10:00+01:00"),
        ("10:59Z", "2026-11-28T11:59:00+01:00"),
        ("11:01 UTC", "2026-11-27T12:01:00+01:00"),
        ("16:25+05:30", "2026-11-28T11:55:00+01:00"),
        ("05:30 America/New_York", "2026-11-28T11:30:00+01:00"),
        ("19:30 [Asia/Tokyo]", "2026-11-28T11:30:00+01:00"),
    ],
)
def test_each_form_of_a_moment_is_read(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InvalidRequest, match="in the future"):
            read_moment(text, NOON)
    else:
        assert shown(read_moment(text, NOON).at, BERLIN) == shown(unix(expected), BERLIN)


def test_a_clock_time_and_a_date_without_a_zone_are_repeated_with_their_zone() -> None:
    assert read_moment("14:05", NOON).note == "14:05 is read as 2026-11-27T14:05:00+01:00 (Europe/Berlin)."
    assert "2026-11-28T11:30:00+00:00 (UTC)" in read_moment("11:30 UTC", at("2026-11-28T12:00Z")).note
    assert "(America/New_York)" in read_moment("05:30 America/New_York", NOON).note
    assert "2026-11-28T11:00:00+01:00 (Europe/Berlin)" in read_moment("2026-11-28T11:00", NOON).note
    for only in ("now", "-10m", "start", "1795863600", "2026-11-28T10:00Z"):
        assert read_moment(only, NOON).note == ""


@pytest.mark.parametrize(
    ("now", "start", "end", "first", "last"),
    [
        ("2026-11-28T15:00+01:00", "14:05", "14:10", "2026-11-28T14:05+01:00", "2026-11-28T14:10+01:00"),
        ("2026-11-28T09:00+01:00", "14:05", "14:10", "2026-11-27T14:05+01:00", "2026-11-27T14:10+01:00"),
        ("2026-11-28T09:00+01:00", "23:50", "00:10", "2026-11-27T23:50+01:00", "2026-11-28T00:10+01:00"),
        ("2026-11-28T14:07+01:00", "14:05", "14:10", "2026-11-28T14:05+01:00", "2026-11-28T14:07+01:00"),
        ("2026-11-28T14:07+01:00", "14:05", "13:00", "2026-11-28T14:05+01:00", "2026-11-28T14:07+01:00"),
        ("2026-11-28T15:00+01:00", "-2h", "13:30", "2026-11-28T13:00+01:00", "2026-11-28T13:30+01:00"),
        ("2026-11-28T15:00+01:00", "2026-11-20T07:00Z", "08:30", "2026-11-20T07:00Z", "2026-11-20T07:30Z"),
        ("2026-11-28T15:00+01:00", "14:05", "now", "2026-11-28T14:05+01:00", "2026-11-28T15:00+01:00"),
        ("2026-11-28T15:00+01:00", "14:05", "-5m", "2026-11-28T14:05+01:00", "2026-11-28T14:55+01:00"),
    ],
)  # fmt: skip
def test_an_end_is_the_first_such_moment_after_the_start_and_at_the_latest_now(
    now: str, start: str, end: str, first: str, last: str
) -> None:
    reading = at(now)
    began = read_moment(start, reading)
    ended = read_end(end, reading, began.at)
    assert (began.at, ended.at) == (unix(first), unix(last))
    if ended.at == reading.now and end not in ("now", "-5m"):
        assert "That is in the future, so the range ends now" in ended.note


def test_an_end_without_a_start_is_the_most_recent_such_moment() -> None:
    assert read_end("14:05", NOON, None).at == unix("2026-11-27T14:05:00+01:00")


def test_an_hour_that_occurs_twice_is_the_earlier_one_with_a_note() -> None:
    found = read_moment("02:30", at("2026-10-25T12:00+01:00"))
    assert found.at == unix("2026-10-25T02:30+02:00")
    assert "occurs twice on 2026-10-25" in found.note
    assert "earlier" in found.note
    assert read_moment("2026-10-25T02:30", NOON).at == unix("2026-10-25T02:30+02:00")
    assert "earlier" in read_moment("2026-10-25T02:30 Europe/Berlin", NOON).note
    assert "twice" not in read_moment("2026-10-25T02:30+01:00", NOON).note
    assert "twice" not in read_moment("03:00", at("2026-10-25T12:00+01:00")).note
    # Between the two, the earlier one is in the past, and before the first, it was yesterday.
    assert read_moment("02:30", at("2026-10-25T02:10+01:00")).at == unix("2026-10-25T02:30+02:00")
    assert read_moment("02:30", at("2026-10-25T02:10+02:00")).at == unix("2026-10-24T02:30+02:00")


def test_an_end_after_a_start_in_the_hour_that_occurs_twice_may_be_the_later_one() -> None:
    reading = at("2026-10-25T12:00+01:00")
    start = read_moment("02:40", reading)
    end = read_end("02:10", reading, start.at)
    assert end.at == unix("2026-10-25T02:10+01:00")
    assert "later" in end.note
    assert read_end("02:50", reading, start.at).at == unix("2026-10-25T02:50+02:00")


def test_an_hour_that_does_not_exist_is_that_far_after_the_change_with_a_note() -> None:
    found = read_moment("02:30", at("2026-03-29T12:00+02:00"))
    assert found.at == unix("2026-03-29T03:30+02:00")
    assert "02:30 does not exist on 2026-03-29" in found.note
    assert read_moment("2026-03-29T02:30", NOON).at == found.at
    assert "does not exist" in read_moment("2026-03-29T02:30", NOON).note
    start = read_moment("01:50", at("2026-03-29T12:00+02:00")).at
    assert read_end("02:30", at("2026-03-29T12:00+02:00"), start).at == found.at
    assert read_moment("03:30", at("2026-03-29T12:00+02:00")).note.endswith("(Europe/Berlin).")


def test_zones_with_small_changes_and_days_that_do_not_exist_are_read() -> None:
    found = read_moment("01:45", at("2026-04-05T12:00+10:30", LORD_HOWE))
    assert found.at == unix("2026-04-05T01:45+11:00")
    assert "twice" in found.note
    assert read_moment("12:00", at("2011-12-31T09:00+14:00", APIA)).at <= unix("2011-12-31T09:00+14:00")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-29T14:05", ["in the future", "T14:05:00+01:00", "read in UTC", "2026-11-29T15:05:00+01:00"]),
        ("2026-11-28T12:30Z", ["is in the future", "2026-11-28T12:30:00+00:00", "2026-11-28T13:30:00+01:00"]),
        ("1795950000", ["is in the future", "2026-11-29T12:00:00+01:00", "in milliseconds", "1970-01-21"]),
        ("1795863600000", ["looks like milliseconds", "pass 1795863600,", "2026-11-28T12:00:00+01:00"]),
        ("1795863600123", ["looks like milliseconds", "pass 1795863600.123,"]),
        ("1795863600123456", ["looks like microseconds", "pass 1795863600.123,"]),
        ("1795863600123456789", ["looks like nanoseconds", "pass 1795863600.123,"]),
        ("1e40", ["too large"]),
        ("9" * 90, ["too large"]),
        ("-600", ["no unit", "-600s"]),
        ("1969-12-31", ["before 1970"]),
        ("0001-01-01", ["before 1970"]),
        ("-999999h", ["before 1970"]),
        ("14:05 tomorrow", ["'tomorrow' is not a time zone", "Pass Unix seconds"]),
        ("14:05 PST", ["'PST' is not a time zone", "Europe/Berlin"]),
        ("14:05 ../../etc/passwd", ["not a time"]),
        ("14:05 Europe", ["'Europe' is not a time zone"]),
        ("14:05+27:00", ["is not a time zone"]),
        ("25:00", ["00:00 to 23:59:59"]),
        ("14:60", ["00:00 to 23:59:59"]),
        ("23:59:60", ["00:00 to 23:59:59"]),
        ("yesterday", ["not a time", "ISO 8601"]),
        ("2026-13-01", ["not a time"]),
        ("+10m", ["not a time"]),
        ("", ["not a time"]),
        ("-10m" * 50, ["not a time"]),
        ("nan", ["not a time"]),
        ("inf", ["not a time"]),
        ("\u202e14:05\u0000x", ["not a time"]),
    ],
)  # fmt: skip
def test_what_is_not_a_moment_in_the_past_is_an_error_with_the_way_out(text: str, words: list[str]) -> None:
    for read in (lambda: read_moment(text, NOON), lambda: read_end(text, NOON, NOON.now - 60)):
        with pytest.raises(InvalidRequest) as refused:
            read()
        for word in words:
            assert word in refused.value.message


def test_the_word_start_needs_a_recording() -> None:
    with pytest.raises(InvalidRequest, match="newest recording, and there is none"):
        read_moment("start", at("2026-11-28T12:00Z"))


def test_clocks_may_differ_by_a_minute() -> None:
    soon = f"{NOON.now + AHEAD_S:.0f}"
    assert read_moment(soon, NOON).at == NOON.now + AHEAD_S
    with pytest.raises(InvalidRequest, match="in the future"):
        read_moment(f"{NOON.now + AHEAD_S + 1:.0f}", NOON)


@pytest.mark.parametrize(("name", "seconds"), [("Z", 0), ("utc", 0), ("+01:00", 3600), ("-0530", -19800)])
def test_a_zone_is_found_by_its_offset(name: str, seconds: int) -> None:
    assert find_zone(name).utcoffset(None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "+15:00", "Europe", "x" * 500])
def test_a_zone_that_does_not_exist_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"no such time zone|no time zone with the offset"):
        find_zone(name)


def test_a_zone_is_named_by_its_key_or_its_offset() -> None:
    now = unix("2026-11-28T12:00Z")
    assert zone_name(BERLIN, now) == "Europe/Berlin"
    assert zone_name(UTC, now) == "UTC"
    assert zone_name(timezone(-timedelta(hours=5, minutes=30)), now) == "-05:30"


@given(
    st.floats(1e9, 4e9),
    st.times(),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, APIA, UTC, timezone(timedelta(hours=5, minutes=30))]),
)
@example(unix("2026-10-25T02:10+01:00"), datetime(2026, 1, 1, 2, 30).time(), BERLIN)
@example(unix("2026-03-29T03:10+02:00"), datetime(2026, 1, 1, 2, 30).time(), BERLIN)
def test_a_clock_time_is_the_most_recent_moment_with_that_time(now: float, clock: object, zone: tzinfo) -> None:
    text = clock.strftime("%H:%M:%S")  # pyright: ignore[reportAttributeAccessIssue]
    found = read_moment(text, Reading(now, zone))
    assert now - 2 * 86400 - 3600 < found.at <= now
    local = datetime.fromtimestamp(found.at, zone)
    if "does not exist" not in found.note:
        assert local.strftime("%H:%M:%S") == text
        if found.at > now - 86400 + 3600:  # no later one is in the past, even if the clocks changed
            assert found.at + 86400 + 3600 > now
    end = read_end(text, Reading(now, zone), found.at - 1)
    assert end.at == pytest.approx(found.at, abs=3600)
    assert found.at - 1 < end.at <= now


@given(st.floats(1e8, 4e9), st.sampled_from([BERLIN, NEW_YORK, UTC]))
def test_a_time_as_shown_is_read_as_the_same_moment(seconds: float, zone: tzinfo) -> None:
    reading = Reading(5e9, zone)
    assert read_moment(shown(seconds, zone), reading).at == pytest.approx(seconds, abs=0.0006)
    assert read_moment(repr(seconds), reading).at == seconds


@given(st.text(max_size=150))
def test_any_text_is_a_moment_in_the_past_or_one_sentence(text: str) -> None:
    for read in (lambda: read_moment(text, NOON), lambda: read_end(text, NOON, 1000.0)):
        said = ""
        try:
            assert 0 <= read().at <= NOON.now + AHEAD_S
        except InvalidRequest as refused:
            said = refused.message
        assert len(said) < 700
        assert not re.search(r"[\x00-\x1f]", said)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00+00:00"),
        (1_700_000_000.0004, "2023-11-14T22:13:20+00:00"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250+00:00"),
        (1_700_000_000.9996, "2023-11-14T22:13:21+00:00"),
    ],
)
def test_a_moment_is_shown_to_the_millisecond(at: float, text: str) -> None:
    assert shown(at, UTC) == text
