"""Cameras with a backchannel, short sessions, or a clock that was never set are recorded like others."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from rtstream.messages import RecordingStarted, SegmentClosed
from rtstream.testsource import LiveSource, rtp
from tests.rtstream.recorder.recorder_client import recorder
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
