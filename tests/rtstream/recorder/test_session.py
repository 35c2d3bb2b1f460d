"""The recorded media has the right pictures at the right times, as a demuxer reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from rtstream.messages import RecorderSpec, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.recorder import session
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.outbox import Outbox
from rtstream.recorder.source import open_source
from rtstream.rules.track_flow import TrackFlow
from rtstream.testsource import ClipSpec, LiveSource
from tests.rtstream.recorder.recorder_client import Shown, recorder
from tests.rtstream.recorder.recorder_sources import audio_file, served

FRAME_S = 1 / 30
TOLERANCE_S = FRAME_S + 0.05


def happened(source: LiveSource, picture: Shown) -> bool:
    """Whether the source showed this picture at that time, give or take a frame and 50 ms."""
    steps = [picture.time + step * FRAME_S / 2 for step in range(-5, 6)]
    return picture.number in {source.frame_number(at) for at in steps if abs(at - picture.time) <= TOLERANCE_S}


@pytest.fixture
def bframes_clip(clip_of: Callable[[ClipSpec], Path]) -> Path:
    return clip_of(ClipSpec(width=320, height=180, seconds=4, gop=15, bframes=2, bitrate=300_000, voice="tones"))


@pytest.mark.parametrize(
    ("transport", "reordered"),
    [
        ("http_url", False),
        ("http_url", True),
        ("rtsp_url", False),
        ("rtsp_url", True),
        pytest.param("hls_url", False, marks=pytest.mark.long),
    ],
)
def test_segments_hold_every_picture_at_the_time_it_happened(
    transport: str, reordered: bool, clip: Path, bframes_clip: Path, tmp_path: Path
) -> None:
    with LiveSource(bframes_clip if reordered else clip) as source:
        with recorder(getattr(source, transport), tmp_path, segment_s=0.5) as client:
            client.wait_for(SegmentClosed, 5)
            client.stop()
        recording = client.of(RecordingStarted)[0]
        segments = client.segments(recording)
        assert recording.codecs.startswith("avc1.")
        assert recording.codecs.endswith(",mp4a.40.2")
        assert abs(recording.started_at - segments[0].start) < 0.001
        for segment in segments:
            shown = client.shown(segment)
            missing = round(segment.duration / FRAME_S) - len(shown)
            # Where the stream is cut, pictures that are coded later but shown earlier are missing.
            assert missing == 0 or (segment is segments[-1] and 0 <= missing <= 2)
            for picture in shown:
                assert happened(source, picture), picture
        for before, after in pairwise(segments):
            assert abs(before.start + before.duration - after.start) < 0.001
        ended = client.of(RecordingEnded)[0]
        assert abs(ended.ended_at - segments[-1].start - segments[-1].duration) < 0.001


@pytest.mark.parametrize(("form", "codec"), [("mp3", "libmp3lame"), ("aac", "aac")])
def test_the_last_segment_of_a_source_with_fine_ticks_ends_with_its_media(
    form: str, codec: str, tmp_path: Path
) -> None:
    path = audio_file(tmp_path / f"radio.{form}", codec)
    with served((path.read_bytes(), 1.5)) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    (recording,) = client.of(RecordingStarted)
    segments = client.segments(recording)
    assert sum(segment.duration for segment in segments) < 2.2
    ended = client.of(RecordingEnded)[0]
    assert abs(ended.ended_at - segments[-1].start - segments[-1].duration) < 0.001


def test_a_pause_of_the_recording_does_not_count_as_a_pause_of_the_source(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RecorderSpec("rts-1", clip.as_uri(), ["video"], True, str(tmp_path))
    flow = TrackFlow("video", time.monotonic())
    source = open_source(spec)
    checked = session.Session(spec, source, Outbox(), DiskSync(), {"video": flow, "audio": TrackFlow("audio", 0.0)})
    began = time.monotonic()
    checked.health.pause("the disk is full", "disk_full")
    for later in range(0, 602, 2):
        flow.received += 50
        if later == 600:
            checked.health.resume()
        monkeypatch.setattr(session.time, "monotonic", lambda at=began + later: at)
        checked.check()
    monkeypatch.undo()
    assert flow.longest_gap_s(began + 602) < 5
    source.close()
