"""A recording of video and audio with a keyframe every second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.mp4.recordings import StoredRecording
from tests.sources import record

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

START = 1_790_000_000.25
FPS = 30
SECONDS = 8


@pytest.fixture(scope="session")
def recorded(clip_of: Callable[[ClipSpec], Path], tmp_path_factory: pytest.TempPathFactory) -> StoredRecording:
    """Eight seconds with a keyframe every second, and audio. Pictures are decoded in another order than shown."""
    from rtstream.testsource import ClipSpec

    clip = clip_of(ClipSpec(width=320, height=180, seconds=SECONDS, gop=FPS, bframes=2, bitrate=300_000, voice="tones"))
    return record(clip, tmp_path_factory.mktemp("recorded"), start=START, audio=True)


@pytest.fixture(scope="session")
def media(recorded: StoredRecording) -> bytes:
    """The bytes of its file."""
    from tests.sources import FILES

    with FILES.open(recorded.pieces[0].key) as file:
        return file.read()
