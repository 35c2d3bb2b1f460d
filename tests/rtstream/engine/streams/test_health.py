"""Reports of a recorder about its source are shown in the health and the journal of its stream."""

from __future__ import annotations

import pytest

from rtstream.messages import HealthNote, RecorderHealth, decode, encode

pytestmark = pytest.mark.anyio


def test_the_reasons_of_a_recorder_arrive_as_they_were_sent() -> None:
    sent = RecorderHealth("connected", reasons=[HealthNote("format_changed", "note", "the video changed")])
    assert decode(encode(sent)) == sent
