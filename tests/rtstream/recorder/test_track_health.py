"""A track that is wanted and not stored is named in health, with the reason, and its packets are counted."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from rtstream.messages import RecorderHealth, RecorderStats, RecordingStarted, SegmentClosed
from rtstream.testsource import LiveSource, rtp
from tests.rtstream.recorder.recorder_client import RecorderClient, recorder
from tests.rtstream.recorder.recorder_sources import served, video_file
from tests.waiting import eventually_sync


def muxed(
    file: Path, *, audio_later_s: float = 0.0, speed: int = 1, without_first_s: float = 0.0, without: str = ""
) -> bytes:
    """A file as a transport stream, whose audio has other times or whose beginning or one kind of track is missing."""
    sink = io.BytesIO()
    in_order = {"max_interleave_delta": "1000"}  # of the arrival, not of the times
    with av.open(str(file)) as source, av.open(sink, "w", format="mpegts", options=in_order) as out:
        copies = {stream: out.add_stream_from_template(stream) for stream in source.streams if stream.type != without}
        for packet in source.demux(*copies):
            if packet.dts is None or packet.pts is None or packet.dts * packet.time_base < without_first_s:
                continue
            if packet.stream.type == "audio":
                later = round(audio_later_s / packet.time_base)
                packet.dts, packet.pts = speed * packet.dts + later, speed * packet.pts + later
            packet.stream = copies[packet.stream]
            out.mux_one(packet)
    return sink.getvalue()


@pytest.mark.long
def test_audio_with_unfitting_times_is_named_while_the_video_is_recorded(tmp_path: Path) -> None:
    file = video_file(tmp_path / "both.mkv", "libx264", "aac", seconds=12, preset="ultrafast", tune="zerolatency")
    media = muxed(file, audio_later_s=20.0, speed=3)
    with served((media, 12.0)) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        health = client.wait_for(RecorderHealth, where=lambda health: health.code == "times_unusable")
        stats = client.wait_for(RecorderStats, where=lambda stats: bool(stats.tracks.get("audio", {}).get("dropped")))
        client.wait_for(SegmentClosed)
        client.stop()
    assert health.state == "connected"
    assert "audio" in health.reason
    assert stats.tracks["audio"]["stored"] == 0
    assert stats.tracks["audio"]["dropped"]["timestamps_wild"] > 10
    assert stats.tracks["video"]["stored"] > 0


def in_step(client: RecorderClient) -> None:
    """The last recording has audio of the same seconds as its video."""
    with av.open(io.BytesIO(client.recorded(client.of(RecordingStarted)[-1])), "r") as container:
        ends = {stream.type: 0.0 for stream in container.streams}
        for packet in container.demux():
            if packet.dts is not None:
                ends[packet.stream.type] = float(packet.dts * packet.time_base)
    assert ends["audio"] == pytest.approx(ends["video"], abs=1.5)


@pytest.mark.long
@pytest.mark.parametrize("skew_s", [5.0, 14.0, -12.0, 25.0, 3600.0, -7200.0])
def test_audio_whose_times_are_far_off_is_aligned_to_the_video_and_recorded(skew_s: float, tmp_path: Path) -> None:
    file = video_file(tmp_path / "both.mkv", "libx264", "aac", seconds=12, preset="ultrafast", tune="zerolatency")
    with served((muxed(file, audio_later_s=skew_s), 12.0)) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        client.wait_for(RecorderHealth, where=lambda health: health.state == "reconnecting")
        client.stop()
    notes = [each for health in client.of(RecorderHealth) for each in health.reasons if each.level == "note"]
    assert any(each.code == "times_unusable" and "audio" in each.text for each in notes)
    in_step(client)


@pytest.mark.long
@pytest.mark.parametrize(("track", "hours"), [("audio", -3), ("audio", 200), ("video", 5)])
def test_a_camera_whose_tracks_have_clocks_of_their_own_is_recorded_with_both(
    track: str, hours: int, live_source: LiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = rtp.RtpTrack.sender_report

    def wrong(self: rtp.RtpTrack, seconds: float, epoch: float) -> bytes:
        off = 3600 * hours if (self.track == 0) == (track == "video") else 0
        return reported(self, seconds, epoch + off)

    monkeypatch.setattr(rtp.RtpTrack, "sender_report", wrong)
    with recorder(live_source.rtsp_url, tmp_path, segment_s=1.0) as client:
        client.wait_for(SegmentClosed, 14)

        # The reports of the two tracks arrive at different times, and each may cost a recording without audio.
        def together() -> bool:
            newest = client.of(RecordingStarted)[-1]
            return "mp4a" in newest.codecs and len(client.segments(newest)) >= 2

        eventually_sync(together, what="a recording with both tracks")
        client.stop()
    in_step(client)


@pytest.mark.long
def test_video_without_keyframes_says_so(tmp_path: Path) -> None:
    file = video_file(
        tmp_path / "long.mkv", "libx264", seconds=25, gop=2000, preset="ultrafast", x264_params="repeat-headers=1"
    )
    with served((muxed(file, without_first_s=1.0), 24.0)) as url, recorder(url, tmp_path) as client:
        health = client.wait_for(RecorderHealth, where=lambda health: health.code == "no_keyframe")
        client.stop()
    assert "keyframe" in health.reason


@pytest.mark.long
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_track_that_the_source_lacks_is_noted_and_a_problem_once_something_needs_it(
    kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "one.mkv"
    video_file(file, "libx264", None if kind == "audio" else "aac", seconds=9, preset="ultrafast")
    with served((muxed(file, without=kind), 9.0)) as url, recorder(url, tmp_path) as client:
        note = client.wait_for(RecorderHealth, where=lambda health: bool(health.reasons))
        assert [(each.code, each.level) for each in note.reasons] == [(f"no_{kind}_track", "note")]
        assert (note.state, note.code) == ("connected", "")
        if kind == "audio":
            client.set_taps(audio=True)
        else:
            client.set_taps(index=(0.5, 320))
        health = client.wait_for(RecorderHealth, where=lambda health: health.code == f"no_{kind}_track")
        assert f"no {kind}" in health.reason
        known = len(client.of(RecorderHealth))
        client.set_taps()
        assert client.wait_for(RecorderHealth, known + 1).code == ""
        client.stop()


@pytest.mark.parametrize(
    ("kind", "tracks"),
    [
        ("audio", "a1"),
        pytest.param("video", "v2", marks=pytest.mark.long),
        pytest.param("audio", "de", marks=pytest.mark.long),
    ],
)
def test_a_track_that_is_asked_for_by_its_id_is_a_problem_if_the_source_has_none(
    kind: str, tracks: str, tmp_path: Path
) -> None:
    file = video_file(tmp_path / "one.mkv", "libx264", None if kind == "audio" else "aac", seconds=5)
    with served((muxed(file, without=kind), 5.0)) as url, recorder(url, tmp_path, tracks=tracks) as client:
        health = client.wait_for(RecorderHealth, where=lambda health: bool(health.reasons or health.code))
        client.stop()
    assert health.code == ("" if tracks == "de" else f"no_{kind}_track")
