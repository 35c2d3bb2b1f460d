"""Pictures and audio that the recorder takes for the engine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from rtstream.messages import (
    AudioTaken,
    ClockReached,
    FrameTaken,
    RecorderHealth,
    RecorderStats,
    RecordingStarted,
    SegmentClosed,
)
from rtstream.recorder.frames import LONGEST_GOP_S, Sampler
from rtstream.testsource import ClipSpec, LiveSource
from tests.rtstream.recorder.recorder_client import Shown, jpeg_barcode, recorder
from tests.rtstream.recorder.test_session import happened


def test_each_tap_gets_even_pictures_of_the_moment(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.set_taps(fast=(0.2, 320), slow=(1.0, 320), small=(1.0, 160))
        client.wait_for(FrameTaken, 4, lambda frame: "slow" in frame.taps)
        clock = client.wait_for(ClockReached, 3)
        client.stop()
    frames = client.of(FrameTaken)
    assert all(happened(live_source, Shown(frame.time, jpeg_barcode(frame.payload))) for frame in frames)
    assert {(frame.width, frame.height) for frame in frames if "small" in frame.taps} == {(160, 90)}
    # One picture serves all taps of its size.
    assert any({"fast", "slow"} <= set(frame.taps) for frame in frames)
    for name, interval in (("fast", 0.2), ("slow", 1.0), ("small", 1.0)):
        times = [frame.time for frame in frames if name in frame.taps][1:]  # the first comes at once
        for before, after in pairwise(times):
            assert after - before == pytest.approx(interval, abs=1 / 30 + 0.005)
            # The clock may still settle by a millisecond or so, and thereby move a picture before its grid line.
            assert (after + 0.005) % interval <= 1 / 30 + 0.01
    assert any(frame.time >= clock.time - 1.0 for frame in frames)


def test_keyframes_alone_are_decoded_when_they_come_often_enough(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.set_taps(tap=(0.5, 320))
        client.wait_for(FrameTaken, 6)
        client.stop()
    # The clip has a keyframe every 15 pictures.
    numbers = [jpeg_barcode(frame.payload) for frame in client.of(FrameTaken)][1:]
    assert all(number % 15 == 0 for number in numbers)
    assert all((after - before) % 180 == 15 for before, after in pairwise(numbers))


def test_taps_can_change_and_end(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.set_taps(first=(0.2, 320))
        client.wait_for(FrameTaken, 3)
        client.set_taps(second=(0.2, 160))
        client.wait_for(FrameTaken, 3, lambda frame: frame.taps == ["second"])
        client.set_taps()
        client.snapshot()  # carried out after the change
        before = len(client.of(FrameTaken))
        client.wait_for(SegmentClosed, len(client.of(SegmentClosed)) + 2)
        client.stop()
    assert len(client.of(FrameTaken)) == before


def test_sound_is_continuous_and_at_its_time(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.set_taps(audio=True)
        client.wait_for(AudioTaken, 30)
        client.stop()
    blocks = client.of(AudioTaken)
    for before, after in pairwise(blocks):
        assert len(before.payload) == 3200
        assert after.time - before.time == pytest.approx(0.1, abs=0.002)
    samples = np.frombuffer(b"".join(block.payload for block in blocks), "<i2")
    assert np.abs(samples).max() > 500
    recording = client.of(RecordingStarted)[0]
    assert blocks[0].time == pytest.approx(recording.started_at, abs=3.0)


@pytest.mark.parametrize("record", [pytest.param(True, marks=pytest.mark.long), False])
def test_the_current_picture_needs_no_tap_and_no_recording(
    record: bool, live_source: LiveSource, tmp_path: Path
) -> None:
    with recorder(live_source.rtsp_url, tmp_path, record=record) as client:
        client.wait_for_state("connected")
        client.wait_for(RecorderStats)
        taken = client.snapshot(max_side=200)
        client.stop()
    assert (taken.width, taken.height, taken.reason) == (200, 112, "")
    assert happened(live_source, Shown(taken.time, jpeg_barcode(taken.payload)))
    assert bool(client.of(RecordingStarted)) == record
    assert bool(list(tmp_path.iterdir())) == record


def test_the_current_picture_is_the_newest_while_taps_decode(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.set_taps(tap=(0.1, 160))
        taken_last = client.wait_for(FrameTaken, 5)
        taken = client.snapshot()
        client.stop()
    assert taken.time >= taken_last.time
    assert happened(live_source, Shown(taken.time, jpeg_barcode(taken.payload)))


def test_reordered_pictures_are_sampled_at_their_own_time(clip_of: Callable[[ClipSpec], Path], tmp_path: Path) -> None:
    clip = clip_of(ClipSpec(width=320, height=180, seconds=4, gop=30, bframes=2, bitrate=300_000, voice="tones"))
    with LiveSource(clip) as source, recorder(source.rtsp_url, tmp_path) as client:
        client.set_taps(tap=(0.1, 320))
        client.wait_for(FrameTaken, 20)
        taken = client.snapshot()
        client.stop()
        frames = [Shown(frame.time, jpeg_barcode(frame.payload)) for frame in client.of(FrameTaken)]
        assert all(happened(source, frame) for frame in frames)
        assert all(before.time < after.time for before, after in pairwise(frames))
        assert happened(source, Shown(taken.time, jpeg_barcode(taken.payload)))


def test_a_source_without_pictures_says_so(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path, media_types=["audio"]) as client:
        client.wait_for_state("connected")
        assert client.snapshot().reason == "the stream has no pictures"


def test_before_a_source_is_connected_there_is_no_picture(tmp_path: Path) -> None:
    with recorder("tcp://127.0.0.1:9", tmp_path) as client:
        client.wait_for(RecorderHealth, 2)
        taken = client.snapshot()
    assert (taken.payload, taken.reason) == (b"", "the source is not connected")


def test_damaged_pictures_are_left_out_and_counted(clip: Path, tmp_path: Path) -> None:
    with LiveSource(clip) as source, recorder(source.rtsp_url, tmp_path) as client:
        client.set_taps(tap=(0.04, 320))
        client.wait_for(FrameTaken, 10)
        source.faults.corrupt = 0.05
        counted = client.wait_for(RecorderStats, 1, lambda stats: stats.dropped.get("pictures_corrupt", 0) > 0)
        client.stop()
    assert counted.dropped["pictures_corrupt"] >= 1
    assert client.of(SegmentClosed)


def test_a_source_without_keyframes_is_opened_again_after_minutes() -> None:
    sampler = Sampler(VideoCodecContext.create("h264", "r"), 90_000, lambda message: None, lambda what: None)
    assert sampler.keyframes_missing(LONGEST_GOP_S - 1) == ""
    assert sampler.keyframes_missing(LONGEST_GOP_S + 1) == "the source sent no keyframe for 5 minutes"
