"""A source is described from its own packets, without being recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source_check import check_source
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.recorder_sources import video_file


def spec(url: str) -> RecorderSpec:
    return RecorderSpec("check", url, ["video", "audio"], True, "", allow_networks="loopback")


def test_a_live_source_is_described_within_the_time(live_source: LiveSource) -> None:
    found = check_source(spec(live_source.rtsp_url), 1.2)
    assert (found.media["video_codec"], found.media["width"], found.media["audio_codec"]) == ("h264", 320, "aac")
    video, audio = found.traffic["video"], found.traffic["audio"]
    assert video.keyframe_s == pytest.approx(0.5, abs=0.05)
    assert 20 <= video.packets <= 100
    assert video.bit_rate is not None
    assert 50_000 < video.bit_rate < 600_000
    assert audio.packets > 40
    assert found.audio_stored_as == "aac"
    assert found.unrecordable == []


@pytest.mark.parametrize(
    ("codec", "suffix", "stored", "named"), [("pcm_mulaw", "mov", "aac", ""), ("wavpack", "mkv", "", "wavpack audio")]
)
def test_the_form_in_which_audio_is_stored_is_known_before(
    codec: str, suffix: str, stored: str, named: str, tmp_path: Path
) -> None:
    clip = video_file(tmp_path / f"clip.{suffix}", "libx264", codec, preset="ultrafast")
    found = check_source(spec(clip.as_uri()), 5.0)
    assert found.audio_stored_as == stored
    assert [text[: len(named)] for text in found.unrecordable] == ([named] if named else [])
    assert found.traffic["video"].packets == 60


def test_a_source_that_is_not_there_has_a_reason() -> None:
    with pytest.raises(SourceFailed, match="refused the connection"):
        check_source(spec("tcp://127.0.0.1:1"), 1.0)
