"""The time zone of the settings, or of the machine."""

from __future__ import annotations

import time

import pytest

from rtstream.local_clock import local_zone, local_zone_name
from rtstream.rules.time_expressions import find_zone


def test_the_setting_comes_before_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert local_zone_name("Europe/Berlin") == "Europe/Berlin"
    assert local_zone_name("+05:30") == "+05:30"
    assert local_zone_name() == "Asia/Tokyo"


def test_a_machine_whose_zone_is_unknown_has_its_present_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Nowhere/City")
    offset = local_zone().utcoffset(None)  # of a fixed zone
    assert offset is not None
    assert offset.total_seconds() == time.localtime().tm_gmtoff
    assert find_zone(local_zone_name()) is not None
