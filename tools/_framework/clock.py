"""The time zone of a server, and the times in results as ISO 8601 beside Unix seconds."""

from __future__ import annotations

import time
from datetime import tzinfo

from rtstream.client import RTStreamClient
from rtstream.errors import RTStreamError
from rtstream.json_types import JsonObject, JsonValue
from rtstream.local_clock import local_zone
from rtstream.rules.time_expressions import find_zone, shown

CURRENT_S = 300.0
"""Seconds for which the zone of the engine is remembered."""
TIMES = frozenset(
    {
        "start", "end", "at", "time", "times", "frame_times", "now", "since", "until", "created", "began", "ended",
        "expires", "newest", "next_try", "recorded", "covered", "gaps", "shows",
    }
)  # fmt: skip
"""Fields of results that hold Unix seconds, alone or in lists. Times of a video are seconds from its start."""
OLDEST = 1e8
"""Unix seconds in 1973. A smaller number is a time from the start of a video, or a duration."""
OF_OTHERS = ("untrusted_", "options", "rule")
"""Beginnings of the names of fields whose content others chose, which stays as it is."""
MAX_DEPTH = 6


class Clock:
    """The time zone of clock times: that of the settings, else that of the engine, else that of this machine."""

    def __init__(self, client: RTStreamClient, setting: str = "") -> None:
        self._client = client
        self._setting = setting
        self._found: tuple[tzinfo, float] | None = None

    async def zone(self) -> tzinfo:
        """Return the zone. No engine is started for it."""
        if self._setting:
            return find_zone(self._setting)
        if self._found is None or time.monotonic() > self._found[1]:
            self._found = (await self._ask(), time.monotonic() + CURRENT_S)
        return self._found[0]

    async def _ask(self) -> tzinfo:
        try:
            info = await self._client.info(start=False)
            return find_zone(info.timezone) if info is not None and info.timezone else local_zone()
        except (RTStreamError, ValueError):  # no engine runs, or its zone is not known here
            return local_zone()

    async def with_times(self, result: JsonObject) -> JsonObject:
        """Return a result in which each field ``x`` with Unix seconds is followed by ``x_at`` with ISO 8601."""
        if not _has_time(result, MAX_DEPTH):
            return result
        found = _with_times(result, await self.zone(), MAX_DEPTH)
        assert isinstance(found, dict)
        return found


def _has_time(value: JsonValue, depth: int) -> bool:
    if isinstance(value, list):
        return depth > 0 and any(_has_time(part, depth - 1) for part in value)
    if not isinstance(value, dict) or depth == 0:
        return False
    return any(
        (key in TIMES and _shown_times(inner, None) is not None) or _has_time(inner, depth - 1)
        for key, inner in value.items()
        if not key.startswith(OF_OTHERS)
    )


def _with_times(value: JsonValue, zone: tzinfo, depth: int) -> JsonValue:
    if isinstance(value, list):
        return [_with_times(part, zone, depth - 1) for part in value] if depth else value
    if not isinstance(value, dict) or depth == 0:
        return value
    found: JsonObject = {}
    for key, inner in value.items():
        if key.startswith(OF_OTHERS):
            found[key] = inner
            continue
        found[key] = _with_times(inner, zone, depth - 1)
        beside = f"{key}_at"
        if key in TIMES and beside not in value and (times := _shown_times(inner, zone)) is not None:
            found[beside] = times
    return found


def _shown_times(value: JsonValue, zone: tzinfo | None) -> JsonValue:
    """The times in ISO 8601, or None if the value is not a time. Without a zone, only the check is made."""
    if isinstance(value, list):
        shown_parts = [_shown_times(part, zone) for part in value]
        return shown_parts if shown_parts and None not in shown_parts else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not OLDEST <= value < 1e11:
        return None
    return shown(value, zone) if zone is not None else ""
