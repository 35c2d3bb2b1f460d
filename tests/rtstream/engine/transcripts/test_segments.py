"""A segment of the past is marked late, in its row and in the journal."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.engine.transcripts.segments import segment
from rtstream.engine.transcripts.state import RunningTranscript


@pytest.mark.anyio
@pytest.mark.parametrize("late", [True, False])
async def test_a_segment_and_its_entry_agree(late: bool) -> None:
    provider: Any = None
    transcript = RunningTranscript("rts-1", "Desk", "fake", provider, "en", gap_id=7 if late else 0)
    values, entry = segment(
        transcript, "speech", 1.0, 2.0, "Hello.", {"confidence": 0.9, "words": [], "language": "en"}
    )
    assert bool(values["detail"].get("late")) is bool(entry.data.get("late")) is late
    assert values["detail"]["language"] == "en"
    assert (entry.channel, entry.stream_id, entry.stream_name) == ("transcript", "rts-1", "Desk")
    shared = ("text", "start", "end", "engine", "kind")
    assert {key: values[key] for key in shared} == {key: entry.data[key] for key in shared}
    assert entry.data["confidence"] == 0.9
    assert "words" not in entry.data
