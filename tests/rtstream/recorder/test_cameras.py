"""Cameras with a backchannel, short sessions, or a clock that was never set are recorded like others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtstream.messages import RecorderHealth, RecordingStarted, SegmentClosed
from rtstream.testsource import ClipSpec, LiveSource, rtp
from rtstream.testsource.timeline import VIDEO, VIDEO_CLOCK, LoopedClip, Unit
from tests.rtstream.recorder.recorder_client import decoded, recorder
from tests.rtstream.recorder.rtsp_front import RtspFront

BACKCHANNEL = b"m=audio 0 RTP/AVP 0\r\na=control:track9\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\n"


@pytest.mark.parametrize("is_first", [True, False])
def test_the_backchannel_of_a_camera_is_not_taken(live_source: LiveSource, is_first: bool, tmp_path: Path) -> None:
    def offer(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if b"m=video" not in body:
            return head, body
        at = body.index(b"m=video") if is_first else len(body)
        body = body[:at] + BACKCHANNEL + body[at:]
        return re.sub(rb"(?i)content-length: *\d+", b"Content-Length: %d" % len(body), head), body

    with RtspFront(live_source.rtsp_port, offer) as camera:
        with recorder(camera.url, tmp_path, segment_s=0.5) as client:
            client.wait_for(SegmentClosed, 2)
            client.stop()
        assert not [asked for asked in camera.requests if "track9" in asked]
    assert client.of(RecordingStarted)[0].codecs.endswith(",mp4a.40.2")


@pytest.mark.long
def test_a_session_is_kept_alive_by_get_parameter(live_source: LiveSource, tmp_path: Path) -> None:
    def short(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        return re.sub(rb"(?im)^(session: *[^;\r]+).*?\r?$", rb"\1;timeout=2\r", head).rstrip(b"\r"), body

    with RtspFront(live_source.rtsp_port, short, idle_s=2.5) as camera:
        with recorder(camera.url, tmp_path, segment_s=0.5) as client:
            client.wait_for(SegmentClosed, 9)
            client.stop()
        assert [asked for asked in camera.requests if asked.startswith("GET_PARAMETER ")]
    assert len(client.of(RecordingStarted)) == 1


@pytest.mark.long
def test_a_camera_that_ends_each_session_is_connected_again(live_source: LiveSource, tmp_path: Path) -> None:
    with (
        RtspFront(live_source.rtsp_port, lasts_s=2.0) as camera,
        recorder(camera.url, tmp_path, segment_s=0.5) as client,
    ):
        client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, 4)
        client.stop()
    first, second = client.of(RecordingStarted)[:2]
    assert second.started_at - first.started_at < 2.0 + 2.5


def test_a_clock_that_was_never_set_is_not_believed(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtp, "_NTP_UNIX_OFFSET", rtp._NTP_UNIX_OFFSET - int(time.time()))  # in 1970
    began = time.time()
    with LiveSource(clip) as source, recorder(source.rtsp_url, tmp_path, segment_s=0.5) as client:
        client.wait_for(SegmentClosed, 2)
        client.stop()
    (recording,) = client.of(RecordingStarted)
    assert began - 1 < recording.started_at < time.time()


class SwitchingClip(LoopedClip):
    """A clip that continues with the pictures and parameter sets of another one, as a camera at nightfall."""

    def __init__(self, day: Path, night: Path, at_s: float) -> None:
        super().__init__(day)
        self._night, self._at = LoopedClip(night), round(at_s * VIDEO_CLOCK)

    def units(self) -> Iterator[Unit]:
        pictures = (unit for unit in self._night.units() if unit.track == VIDEO)
        for unit in super().units():
            if unit.track == VIDEO and unit.dts >= self._at:
                self.parameter_sets = self._night.parameter_sets
                picture = next(pictures)
                yield replace(unit, keyframe=picture.keyframe, data=picture.data)
            else:
                yield unit


def test_a_camera_that_switches_to_night_mode_is_recorded_through_the_switch(
    clip: Path, clip_of: Callable[[ClipSpec], Path], tmp_path: Path
) -> None:
    night = clip_of(ClipSpec(width=192, height=108, seconds=6, gop=15, bitrate=300_000, voice="tones"))
    camera = LiveSource(clip)
    camera.clip = SwitchingClip(clip, night, 2.0)
    with camera, recorder(camera.rtsp_url, tmp_path, segment_s=0.5) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    first = client.of(RecordingStarted)[0]
    ended, began = (decoded(client.recorded(recording)) for recording in (first, second))
    assert (ended[-1][1], began[0][1]) == (59, 0)
    noted = next(health for health in client.of(RecorderHealth) if health.reasons)
    assert [reason.code for reason in noted.reasons] == ["format_changed"]
    assert noted.media is not None
    assert (noted.media["width"], noted.media["height"]) == (192, 108)
    assert not [health for health in client.of(RecorderHealth) if health.state == "reconnecting"]
