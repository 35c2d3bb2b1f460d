"""The listing of the codec library names the programs of a source and all of its tracks."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest

from rtstream.recorder.stream_listing import programs, track_kinds
from tests.rtstream.recorder.test_source_choice import program_stream


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_programs_and_kinds_are_read(tmp_path: Path) -> None:
    mapping = ["-program", "title=Program 7:st=0:st=1", "-program", "title=B:st=2:st=3"]
    with av.open(str(program_stream(tmp_path / "a.ts", [(160, 90), (80, 60)], *mapping))) as container:
        assert programs(container) == [{0, 1}, {2, 3}]
        assert track_kinds(container) == {0: "video", 1: "audio", 2: "video", 3: "audio"}


def test_a_file_without_programs_has_none(clip: Path) -> None:
    with av.open(str(clip)) as container:
        assert programs(container) == []
