"""Times in results: beside Unix seconds, in ISO 8601 with the zone of the user."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.client import RTStreamClient
from tools._framework.clock import Clock

pytestmark = pytest.mark.anyio
AT = 1795863600.0


@pytest.fixture
def clock() -> Clock:
    return Clock(RTStreamClient("http://127.0.0.1:1", "key"), "Europe/Berlin")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"start": AT}, {"start": AT, "start_at": "2026-11-28T12:00:00+01:00"}),
        ({"start": AT + 0.25}, {"start": AT + 0.25, "start_at": "2026-11-28T12:00:00.250+01:00"}),
        ({"scenes": [{"end": AT}]}, {"scenes": [{"end": AT, "end_at": "2026-11-28T12:00:00+01:00"}]}),
        (
            {"recorded": [[AT, AT + 1]]},
            {"recorded": [[AT, AT + 1]], "recorded_at": [["2026-11-28T12:00:00+01:00", "2026-11-28T12:00:01+01:00"]]},
        ),
        ({"times": [AT]}, {"times": [AT], "times_at": ["2026-11-28T12:00:00+01:00"]}),
    ],
)
async def test_each_time_is_followed_by_the_same_in_iso_8601(clock: Clock, result: Any, expected: Any) -> None:
    found = await clock.with_times(result)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    "result",
    [
        {"start": 12.5},  # seconds from the start of a video
        {"start": None, "times": [], "recorded": [[]]},
        {"start": "14:05", "now": True, "at": [AT, "x"]},
        {"untrusted_data": {"start": AT}, "options": {"start": AT}, "rule": {"end": AT}},
        {"confidence": AT, "cursor": int(AT)},
        {"start": AT, "start_at": "x"},
    ],
)
async def test_other_values_and_the_content_of_others_stay_as_they_are(clock: Clock, result: Any) -> None:
    assert await clock.with_times(result) == result


async def test_without_a_setting_and_without_an_engine_the_zone_is_that_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock = Clock(RTStreamClient("http://127.0.0.1:1", "key"))
    assert (await clock.with_times({"now": AT}))["now_at"] == "2026-11-28T20:00:00+09:00"
