"""Moments in the words of a user: Unix seconds, ISO 8601, a time before now, or a clock time in a time zone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from rtstream.errors import InvalidRequest
from rtstream.rules.text_safety import clean

MAX_TEXT = 100  # characters
AHEAD_S = 60.0
"""Seconds that a moment may be in the future, because clocks differ."""
MILLISECONDS_FROM = 1e11
"""Numbers from here on are not seconds, because the time would be later than the year 5000."""
FORMS = (
    "Pass Unix seconds, ISO 8601 such as 2026-11-28T14:05:00+01:00, a time before now such as -10m, -90s or -2h, now, "
    "start (of the newest recording), or a clock time such as 14:05."
)
ZONES = "A time zone is a name such as Europe/Berlin, UTC, or an offset such as +01:00."

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DURATION = r"((?:\d+(?:\.\d+)?(?:days?|hours?|minutes?|mins?|seconds?|secs?|[dhms]))+)"
_BEFORE = re.compile(rf"(?:now)?-{_DURATION}|{_DURATION}ago")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])[a-z]*")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_HALF = r"[ap]\.?m\.?"
_CLOCK = re.compile(rf"(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}(?:\.\d{{1,6}})?))?(?: ?({_HALF}))?", re.IGNORECASE)
_SPACED_OFFSET = re.compile(r"(?<=\d) ([+-]\d{2}:?\d{2})$")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})?")
_CLOCK_WITH_OFFSET = re.compile(rf"(\d{{1,2}}:[\d:.]+(?: ?{_HALF})?) ?(Z|[+-]\d{{2}}(?::?\d{{2}})?)", re.IGNORECASE)
_WITH_NAME = re.compile(rf"(\d[^ ]*[:-][^ ]*(?: \d[^ ]*)?(?: ?{_HALF})?) (?!{_HALF}$)([A-Za-z].*)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"([^\[\]]*[^\[\] ]) ?\[([^\[\]]*)\]")  # RFC 9557: 2026-11-28T14:05+01:00[Europe/Berlin]
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,3}")
_DAYS = 3
"""Days before and after a day that are searched for a clock time. A day may lack one, so two would not do."""


@dataclass(frozen=True)
class Moment:
    """A moment in Unix seconds, and a sentence about how it was understood; empty if there is only one reading."""

    at: float
    note: str = ""


@dataclass(frozen=True)
class Reading:
    """Facts that a moment is read with.

    Args:
        now: Current time, Unix seconds.
        zone: Time zone of clock times and dates that name none.
        newest_recording: Start of the newest recording, Unix seconds; None if there is none.
    """

    now: float
    zone: tzinfo
    newest_recording: float | None = None


def read_moment(text: str, reading: Reading) -> Moment:
    """Read a moment. A clock time means the most recent such moment in the past.

    Raises:
        InvalidRequest: The text is not a moment, is in milliseconds, or is in the future.
    """
    words = _plain(text)
    clock = _clock(words, reading.zone)
    if clock is None:
        return _absolute(words, reading)
    wanted, zone = clock
    moments = (each for each in _moments(wanted, zone, reading.now, both=False) if each.timestamp() <= reading.now)
    found = max(moments, key=datetime.timestamp)
    return Moment(found.timestamp(), _understood(words, found, wanted))


def read_end(text: str, reading: Reading, start: float | None) -> Moment:
    """Read the end of a range. A clock time means the first such moment after ``start``, at the latest now.

    Args:
        text: The words of the user.
        reading: The facts to read it with.
        start: Start of the range, Unix seconds; None if it has none, so that a clock time is the most recent one.

    Raises:
        InvalidRequest: As of ``read_moment``.
    """
    words = _plain(text)
    clock = None if start is None else _clock(words, reading.zone)
    if clock is None or start is None:
        return read_moment(text, reading)
    wanted, zone = clock
    moments = (each for each in _moments(wanted, zone, start, both=True) if each.timestamp() > start)
    found = min(moments, key=datetime.timestamp)
    understood = _understood(words, found, wanted)
    if found.timestamp() > reading.now:
        now = shown(reading.now, zone)
        return Moment(reading.now, f"{understood} That is in the future, so the range ends now, at {now}.")
    return Moment(found.timestamp(), understood)


def find_zone(name: str) -> tzinfo:
    """Return a time zone by its name, such as ``Europe/Berlin``, ``UTC``, ``Z`` or ``+01:00``.

    Raises:
        ValueError: There is no such zone, or its data is not installed.
    """
    if name.upper() in ("Z", "UTC", "GMT"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        if hours > 14 or minutes > 59:
            raise ValueError(f"There is no time zone with the offset {name}.")
        return timezone((-1 if offset[1] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    try:
        if _ZONE_NAME.fullmatch(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a missing file, an invalid name, a folder
        pass
    raise ValueError(f"There is no such time zone. {ZONES}")


def zone_name(zone: tzinfo, at: float) -> str:
    """The name of a zone, else its offset at a moment (Unix seconds)."""
    if zone is UTC:
        return "UTC"
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    return _offset(datetime.fromtimestamp(at, zone))


def shown(at: float, zone: tzinfo) -> str:
    """Return Unix seconds as ISO 8601 with the offset of a zone, to the millisecond where it has a fraction."""
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    found = datetime.fromtimestamp(seconds, zone).replace(microsecond=milliseconds * 1000)
    return found.isoformat(timespec="milliseconds" if milliseconds else "seconds")


def _plain(text: str) -> str:
    short = clean(text[: 2 * MAX_TEXT], 2 * MAX_TEXT)
    words = " ".join(short.replace("\u2212", "-").replace("\u2013", "-").split())  # minus sign, en dash
    if not words or len(words) > MAX_TEXT:
        raise InvalidRequest(f"This is not a time. {FORMS}")
    return words


def _absolute(words: str, reading: Reading) -> Moment:
    lower = words.lower().replace(" ", "")
    if lower == "now":
        return Moment(reading.now)
    if lower == "start":
        if reading.newest_recording is None:
            raise InvalidRequest(
                "'start' means the beginning of the newest recording, and there is none. Name one stream that has a "
                "recording, or pass a time."
            )
        return Moment(reading.newest_recording)
    if before := _BEFORE.fullmatch(lower):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(before[1] or before[2]))
        return Moment(_possible(reading.now - seconds, words))
    if _NUMBER.fullmatch(lower):
        return Moment(_number(float(lower), words, reading))
    return _date(words, reading)


def _number(value: float, words: str, reading: Reading) -> float:
    if value >= MILLISECONDS_FROM:
        raise InvalidRequest(_too_large(value, words, reading.zone))
    if value < 0:
        raise InvalidRequest(f"{words} has no unit. Write {words}s for seconds before now, or {words}m for minutes.")
    if value > reading.now + AHEAD_S:
        as_milliseconds = shown(value / 1000, reading.zone)
        raise InvalidRequest(
            f"{words} is in the future. In Unix seconds, it is {_safe(value, reading.zone)}; in milliseconds, it would "
            f"be {as_milliseconds}. It is now {shown(reading.now, reading.zone)}, Unix {reading.now:.0f}."
        )
    return value


def _too_large(value: float, words: str, zone: tzinfo) -> str:
    for unit, factor in (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)):
        seconds = value / factor
        if seconds < MILLISECONDS_FROM:
            return (
                f"{words} looks like {unit}. Times are in seconds: pass {round(seconds, 3):.15g}, "
                f"which is {_safe(seconds, zone)}."
            )
    return f"{words} is too large for a time in seconds. {FORMS}"


def _date(words: str, reading: Reading) -> Moment:
    """Read ISO 8601 with or without a zone, which may be a name after it."""
    text, named = _split_zone(words)
    try:
        found = datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1", text).upper())
    except ValueError:
        raise InvalidRequest(f"This is not a time. {FORMS}") from None
    zone = found.tzinfo or (reading.zone if named is None else named)
    has_zone = found.tzinfo is not None or named is not None
    wanted = found.replace(tzinfo=zone)
    at = _possible(_timestamp(wanted), words)
    if at > reading.now + AHEAD_S:
        raise InvalidRequest(_future(words, wanted, at, reading, has_zone=has_zone))
    if has_zone:
        return Moment(at, _irregular(wanted, datetime.fromtimestamp(at, zone)))
    return Moment(at, _understood(words, datetime.fromtimestamp(at, zone), wanted.timetz()))


def _future(words: str, wanted: datetime, at: float, reading: Reading, *, has_zone: bool) -> str:
    first = f"In the zone {zone_name(wanted.tzinfo or UTC, at)}, it is {_safe(at, wanted.tzinfo or UTC)}"
    if has_zone:
        other = f"in the zone {zone_name(reading.zone, at)}, that is {_safe(at, reading.zone)}"
    else:
        in_utc = _safe(wanted.replace(tzinfo=UTC).timestamp(), reading.zone)
        other = f"read in UTC, it would be {in_utc}"
    return (
        f"{words} is in the future. {first}; {other}. It is now {shown(reading.now, reading.zone)}. "
        "Pass a moment in the past."
    )


def _clock(words: str, zone: tzinfo) -> tuple[time, tzinfo] | None:
    """The clock time in the text and its zone; None if the text is not a clock time."""
    text, named = _split_zone(words)
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), float(match[3] or 0)
    if match[4] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if match[4].lower().startswith("p") else 0)
    try:
        wanted = time(hour, minute, int(second), round(second % 1 * 1e6) % 1_000_000)
    except ValueError:
        raise InvalidRequest(f"{words} is not a clock time. Use 00:00 to 23:59:59.") from None
    return wanted, zone if named is None else named


def _split_zone(words: str) -> tuple[str, tzinfo | None]:
    """The text without the zone that follows it, and the zone. An offset inside ISO 8601 stays where it is."""
    for pattern in (_IN_BRACKETS, _CLOCK_WITH_OFFSET, _WITH_NAME):
        if match := pattern.fullmatch(words):
            try:
                return match[1], find_zone(match[2])
            except ValueError:
                raise InvalidRequest(f"'{match[2]}' is not a time zone. {ZONES} {FORMS}") from None
    return words, None


def _moments(wanted: time, zone: tzinfo, near: float, *, both: bool) -> Iterator[datetime]:
    """The moments of a clock time on the days around ``near`` (Unix seconds), in the zone.

    A clock time that a day lacks, because the clocks go forward, is the moment that far after the change. With
    ``both``, the second moment of a clock time that a day has twice is among them.
    """
    today = datetime.fromtimestamp(near, zone).date()
    for number in range(-_DAYS, _DAYS + 1):
        first = datetime.combine(today + timedelta(days=number), wanted, zone)
        yield datetime.fromtimestamp(first.timestamp(), zone)
        if both and _occurs_twice(first):
            yield datetime.fromtimestamp(first.replace(fold=1).timestamp(), zone)


def _occurs_twice(wanted: datetime) -> bool:
    first, second = wanted.replace(fold=0).utcoffset(), wanted.replace(fold=1).utcoffset()
    return first is not None and second is not None and first > second


def _understood(words: str, found: datetime, wanted: time) -> str:
    zone = found.tzinfo or UTC
    at = found.timestamp()
    meant = f"{words} is read as {shown(at, zone)} ({zone_name(zone, at)})."
    return f"{meant} {_irregular(datetime.combine(found.date(), wanted.replace(tzinfo=None), zone), found)}".rstrip()


def _irregular(wanted: datetime, found: datetime) -> str:
    """A sentence about a clock time that a day has twice or lacks, because the clocks change."""
    clock, day = wanted.strftime("%H:%M:%S" if wanted.second else "%H:%M"), wanted.date().isoformat()
    if abs(wanted.replace(tzinfo=None) - found.replace(tzinfo=None)) >= timedelta(seconds=1):
        return f"{clock} does not exist on {day}, because the clocks go forward."
    if not _occurs_twice(wanted):
        return ""
    which = "later" if found.fold else "earlier"
    return f"{clock} occurs twice on {day}, because the clocks go back. The {which} one is used."


def _timestamp(wanted: datetime) -> float:
    try:
        return wanted.timestamp()
    except (OverflowError, ValueError):
        return -math.inf


def _possible(at: float, words: str) -> float:
    if at < 0:
        raise InvalidRequest(f"{words} is before 1970. {FORMS}")
    return at


def _safe(at: float, zone: tzinfo) -> str:
    try:
        return shown(at, zone)
    except (OverflowError, ValueError, OSError):
        return "after the year 9999"


def _offset(at: datetime) -> str:
    return at.strftime("%z")[:3] + ":" + at.strftime("%z")[3:5]
