"""The listing of the codec library names the programs of a source and all of its tracks."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import av
import pytest

from rtstream.recorder.stream_listing import codec_names, programs, track_kinds
from tests.rtstream.recorder.recorder_sources import transport_stream, video_file
from tests.rtstream.recorder.test_source_choice import program_stream


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_programs_and_kinds_are_read(tmp_path: Path) -> None:
    mapping = ["-program", "title=Program 7:st=0:st=1", "-program", "title=B:st=2:st=3"]
    with av.open(str(program_stream(tmp_path / "a.ts", [(160, 90), (80, 60)], *mapping))) as container:
        assert programs(container) == [{0, 1}, {2, 3}]
        assert track_kinds(container) == {0: "video", 1: "audio", 2: "video", 3: "audio"}


def test_the_codec_that_a_track_has_now_is_read(clip: Path, tmp_path: Path) -> None:
    other = video_file(tmp_path / "h265.ts", "libx265", seconds=2, x265_params="log-level=none")
    media = io.BytesIO(transport_stream(clip, 10, 2) + other.read_bytes())
    with av.open(media, "r", options={"probesize": "20000"}) as container:
        assert codec_names(container)[0] == ("video", "h264")
        assert sum(bool(packet.size) for packet in container.demux(video=0)) > 100
        assert container.streams.video[0].codec_context.name == "h264"
        assert codec_names(container)[0] == ("video", "hevc")


def test_a_file_without_programs_has_none(clip: Path) -> None:
    with av.open(str(clip)) as container:
        assert programs(container) == []
