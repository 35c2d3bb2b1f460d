"""The audio that waits for a speech engine is measured in seconds of it."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest

from rtstream import messages as m
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.perception.protocols import SpeechProvider

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("waiting", "seconds"), [(0, 0.0), (m.AUDIO_BYTES_PER_S, 1.0), (m.AUDIO_BYTES_PER_S // 4, 0.25)]
)
async def test_bytes_that_wait_are_seconds_of_audio(waiting: int, seconds: float) -> None:
    transcript = RunningTranscript("rts-1", "Door", "local", create_autospec(SpeechProvider), None)
    transcript.waiting = waiting
    assert transcript.waiting_s == pytest.approx(seconds)
