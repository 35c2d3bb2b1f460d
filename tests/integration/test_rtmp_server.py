"""Our clips through nginx's RTMP server: what the other tests build on."""

from __future__ import annotations

import time
from pathlib import Path

import av
import pytest

from rtstream.messages import RecorderHealth, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.testsource import ClipSpec, make_clip, read_barcode
from tests.rtstream.recorder.recorder_client import recorder
from tests.sources import on_nginx


@pytest.mark.rtmp_server
def test_the_clip_comes_out_of_nginx_as_it_went_in(nginx_rtmp: str) -> None:
    with av.open(nginx_rtmp, options={"rw_timeout": "10000000"}) as container:
        frames = zip(container.decode(video=0), range(30), strict=False)
        numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for frame, _ in frames]
        assert container.streams.audio[0].codec_context.name == "aac"
    assert numbers == [(numbers[0] + n) % 180 for n in range(30)]


@pytest.mark.rtmp_server
def test_a_stream_that_declares_a_silent_audio_track_is_recorded_from_its_first_keyframe(
    clip: Path, tmp_path: Path
) -> None:
    silent = ("-bsf:a", "noise=drop=1", "-max_interleave_delta", "100000", "-flush_packets", "1")
    with on_nginx(tmp_path, "-stream_loop", "-1", "-i", str(clip), "-c", "copy", *silent) as url:
        began = time.time()
        with recorder(url, tmp_path, segment_s=1.0) as client:
            client.wait_for_state("connected")
            opened_s = time.time() - began
            run = client.wait_for(RecordingStarted)
            client.wait_for(SegmentClosed)
            client.stop()
    assert opened_s < 8  # it examines 2 s of media from the first keyframe on
    assert run.codecs.startswith("avc1.")
    assert "mp4a" not in run.codecs
    assert run.started_at - began < 3


@pytest.mark.long
@pytest.mark.rtmp_server
def test_a_stream_that_declares_a_silent_video_track_is_recorded_as_audio(clip: Path, tmp_path: Path) -> None:
    silent = ("-bsf:v", "noise=drop=1", "-max_interleave_delta", "100000", "-flush_packets", "1")
    looped = ("-stream_loop", "-1", "-i", str(clip), "-c", "copy")
    with on_nginx(tmp_path, *looped, *silent) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        recording = client.wait_for(RecordingStarted)
        client.wait_for(SegmentClosed)
        client.stop()
    assert recording.codecs.startswith("mp4a.40")
    assert {health.state for health in client.of(RecorderHealth)} <= {"connecting", "connected", "stopped"}


@pytest.mark.long
@pytest.mark.rtmp_server
@pytest.mark.parametrize("late", ["video", "audio"])
def test_a_track_that_begins_late_over_rtmp_is_recorded_after_a_group_of_pictures(
    late: str, clip: Path, tmp_path: Path
) -> None:
    loop = ("-stream_loop", "-1")
    inputs = (*loop, "-i", str(clip), "-re", "-itsoffset", "6", *loop, "-i", str(clip))
    tracks = ("-map", f"0:{'a' if late == 'video' else 'v'}", "-map", f"1:{late[0]}")
    sent = ("-c", "copy", "-max_interleave_delta", "100000", "-flush_packets", "1")
    with on_nginx(tmp_path, *inputs, *tracks, *sent) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        recording = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
        client.stop()
    assert len(recording.codecs.split(",")) == 2
    assert recording.started_at - client.of(RecordingEnded)[0].ended_at < 0.5 + 0.7  # a group of pictures, and opening
    reasons = {health.reason for health in client.of(RecorderHealth) if health.code == "format_changed"}
    assert all(reason.startswith(f"the source now sends {late}") for reason in reasons)
    assert client.of(RecorderHealth)[-2].media is not None


GROUP_S = 6.0


@pytest.fixture
def long_groups(tmp_path: Path) -> Path:
    """A clip with a keyframe every ``GROUP_S`` seconds."""
    spec = ClipSpec(width=320, height=180, seconds=12, gop=int(30 * GROUP_S), bitrate=300_000, voice="tones")
    return make_clip(spec, tmp_path)


@pytest.mark.long
@pytest.mark.rtmp_server
def test_video_is_recorded_from_its_next_keyframe_however_late_it_comes(long_groups: Path, tmp_path: Path) -> None:
    with on_nginx(tmp_path, "-stream_loop", "-1", "-i", str(long_groups), "-c", "copy") as url:
        began = time.time()
        with recorder(url, tmp_path, segment_s=0.5) as client:
            recording = client.wait_for(RecordingStarted, where=lambda found: found.codecs.startswith("avc1"))
            client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
            client.stop()
    assert recording.codecs.count(",") == 1
    assert recording.started_at - began < GROUP_S + 2.0
    assert {health.state for health in client.of(RecorderHealth)} == {"connecting", "connected", "stopped"}


@pytest.mark.long
@pytest.mark.rtmp_server
def test_a_late_track_costs_at_most_one_long_group_of_pictures(long_groups: Path, tmp_path: Path) -> None:
    loop = ("-stream_loop", "-1")
    inputs = (*loop, "-i", str(long_groups), "-re", "-itsoffset", "15", *loop, "-i", str(long_groups))
    sent = ("-map", "0:v", "-map", "1:a", "-c", "copy", "-max_interleave_delta", "100000", "-flush_packets", "1")
    with on_nginx(tmp_path, *inputs, *sent) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        both = client.wait_for(RecordingStarted, where=lambda found: found.codecs.count(",") == 1)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == both.recording_id)
        client.stop()
    first, *audio = client.of(RecordingStarted)[:-1]
    ended = client.of(RecordingEnded)
    assert both.started_at - ended[0].ended_at < GROUP_S + 0.5
    assert first.codecs.startswith("avc1")
    assert [found.codecs for found in audio] == ["mp4a.40.2"]
    assert audio[0].started_at - ended[0].ended_at < 2.0
    assert [health.state for health in client.of(RecorderHealth)].count("reconnecting") == 1
