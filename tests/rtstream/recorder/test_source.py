"""Each kind of source and content that a recorder accepts, and its errors for the others."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from rtstream.messages import (
    AudioTaken,
    RecorderHealth,
    RecorderSpec,
    RecordingEnded,
    RecordingStarted,
    SegmentClosed,
)
from rtstream.recorder.source import SourceFailed, open_source
from rtstream.testsource import ClipSpec, LiveSource
from tests.rtstream.recorder.hostile import FORBIDDEN_HOST, ONLY_ALLOWED, forbidden
from tests.rtstream.recorder.recorder_client import ALLOWED, decoded, recorder
from tests.rtstream.recorder.recorder_sources import (
    sent,
    sent_to_group,
    served,
    served_folder,
    transport_stream,
    video_file,
)


def test_a_file_plays_at_the_pace_of_time_and_ends(clip: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    with recorder(f"file://{clip}", tmp_path) as client:
        client.wait_end()
    assert time.monotonic() - began > 5.9
    stopped = client.of(RecorderHealth)[-1]
    assert (stopped.state, stopped.reason) == ("stopped", "end of file")
    segments = client.of(SegmentClosed)
    assert sum(segment.duration for segment in segments) == pytest.approx(6.0, abs=0.01)
    assert [number for _, number in decoded(client.recorded())] == list(range(180))


def test_hls_is_recorded_without_a_hole(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.hls_url, tmp_path) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    segments = client.of(SegmentClosed)
    assert len(client.of(RecordingStarted)) == 1, client.of(RecorderHealth)
    for before, after in pairwise(segments):
        assert before.start + before.duration == pytest.approx(after.start, abs=0.001)
    numbers = [number for _, number in decoded(client.recorded())]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))


def test_an_hls_source_that_publishes_nothing_new_counts_as_ended(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "0.ts").write_bytes(transport_stream(clip, 10, 2))
    playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\n0.ts\n"
    (folder / "live.m3u8").write_text(playlist)
    with served_folder(folder) as url, recorder(f"{url}/live.m3u8", tmp_path, stall_timeout_s=1.0) as client:
        client.wait_for_state("connected")
        ended = client.wait_for_state("reconnecting")
        assert client.process.is_alive()
    assert ended.reason == "the source ended the stream"


def test_rtsp_over_udp_is_recorded_when_asked_for(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(f"{live_source.rtsp_url}?rtstream_transport=udp", tmp_path) as client:
        client.wait_for(SegmentClosed, 2)
        client.stop()
    numbers = [number for _, number in decoded(client.recorded())]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))


def test_no_kind_of_source_is_read_through_a_proxy_of_the_environment(
    live_source: LiveSource, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forbidden() as proxy, served((transport_stream(clip), 1.0)) as tcp_url:
        for name in ("http_proxy", "https_proxy", "all_proxy", "rtsp_proxy", "socks_proxy", "ftp_proxy"):
            for written in (name, name.upper()):
                monkeypatch.setenv(written, f"http://{FORBIDDEN_HOST}:{proxy.port}")
        for url in (live_source.http_url, live_source.hls_url, live_source.rtsp_url, tcp_url):
            source = open_source(RecorderSpec("rts-test", url, ["video"], True, str(tmp_path), **ONLY_ALLOWED))
            assert source.video is not None
            source.close()
        assert not proxy.connected.is_set()


def test_sound_alone_is_cut_by_time(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path, media_types=["audio"]) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    assert client.of(RecordingStarted)[0].codecs == "mp4a.40.2"
    for before, after in pairwise(client.of(SegmentClosed)):
        assert before.duration == pytest.approx(1.0, abs=0.1)
        assert before.start + before.duration == pytest.approx(after.start, abs=0.001)


def test_pictures_alone_are_recorded_when_only_they_are_wanted(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.rtsp_url, tmp_path, media_types=["video"]) as client:
        connected = client.wait_for_state("connected")
        client.wait_for(SegmentClosed, 2)
        client.stop()
    assert connected.media is not None
    assert "audio_codec" not in connected.media
    assert "," not in client.of(RecordingStarted)[0].codecs


def test_h265_is_recorded_as_browsers_expect_it(tmp_path: Path) -> None:
    clip = video_file(tmp_path / "h.mkv", "libx265", "aac", x265_params="log-level=none", preset="ultrafast")
    with recorder(str(clip), tmp_path) as client:
        client.wait_end()
    assert client.of(RecordingStarted)[0].codecs.startswith("hvc1.1.6.L")
    assert [number for _, number in decoded(client.recorded())] == list(range(60))


def raw(file: Path, form: str) -> list[bytes]:
    """The video of a file as its bare units, in a piece per picture."""
    sink, ends = io.BytesIO(), [0]
    with av.open(str(file)) as source, av.open(sink, "w", format=form) as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
                ends.append(sink.tell())
    return [sink.getvalue()[begin:end] for begin, end in pairwise([*ends, len(sink.getvalue())])]


@pytest.mark.long
@pytest.mark.parametrize(
    ("codec", "form", "bframes", "without_first"),
    [("libx264", "h264", 2, 0), ("libx264", "h264", 0, 10), ("libx265", "hevc", 0, 0), ("libx265", "hevc", 3, 10)],
)
def test_raw_video_over_tcp_is_recorded_in_order_at_the_times_of_its_arrival(
    codec: str, form: str, bframes: int, without_first: int, tmp_path: Path
) -> None:
    closed: dict[str, Any] = {"x265_params": "log-level=none:open-gop=0"} if codec == "libx265" else {}
    file = video_file(tmp_path / "a.mp4", codec, seconds=3, preset="ultrafast", bf=bframes, **closed)
    began = time.time()
    parts = [(picture, 1 / 30) for picture in raw(file, form)[without_first:]]
    with served(*parts) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        recording = client.wait_for(RecordingStarted)
        client.wait_for(RecordingEnded)
        took_s = time.time() - began
        client.stop()
    pictures = [picture for segment in client.segments(recording) for picture in client.shown(segment)]
    numbers = [picture.number for picture in pictures]
    assert numbers == list(range(0 if not without_first else 15, 90))
    times = [picture.time for picture in pictures]
    assert times == sorted(set(times))
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert max(steps) < 0.3
    assert times[-1] - times[0] < took_s
    assert began - 0.5 < times[0]
    shown = next(health.media for health in client.of(RecorderHealth) if health.media is not None)
    assert shown["timing"] == "arrival"


def test_sound_that_mp4_cannot_hold_is_heard_and_not_recorded(tmp_path: Path) -> None:
    clip = video_file(tmp_path / "wavpack.mkv", "libx264", "wavpack", preset="ultrafast")
    with recorder(str(clip), tmp_path) as client:
        client.set_taps(audio=True)
        connected = client.wait_for_state("connected")
        client.wait_end()
    assert connected.reason == "wavpack audio cannot be stored in MP4, so the audio is analysed but not recorded"
    assert "," not in client.of(RecordingStarted)[0].codecs
    assert client.of(AudioTaken)


def test_pictures_that_mp4_cannot_hold_are_seen_and_not_recorded(tmp_path: Path) -> None:
    clip = video_file(tmp_path / "vp8.webm", "libvpx", deadline="realtime")
    with recorder(str(clip), tmp_path) as client:
        connected = client.wait_for_state("connected")
        client.wait_end()
    assert connected.reason == "vp8 video cannot be stored in MP4, so the video is analysed but not recorded"
    assert not client.of(RecordingStarted)


@pytest.mark.parametrize(
    "codecs",
    [pytest.param(("h264", "hevc"), marks=pytest.mark.long), ("hevc", "h264")],
    ids=["to-hevc", "to-h264"],
)
def test_a_change_of_codec_is_read_again_at_once_and_no_garbage_is_recorded(
    codecs: tuple[str, str], clip: Path, tmp_path: Path
) -> None:
    other = video_file(tmp_path / "h265.ts", "libx265", seconds=2, x265_params="log-level=none:keyint=15")
    media = {"h264": transport_stream(clip, 10, 2), "hevc": other.read_bytes()}
    with served(*((media[codec], 2.0) for codec in codecs)) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        client.wait_for(RecordingStarted, 2)
        client.wait_for_state("reconnecting")  # the server closes at the end
        client.process.kill()
        client.wait_end()
    texts = [each.text for health in client.of(RecorderHealth) for each in health.reasons]
    assert f"the video changed from {codecs[0]} to {codecs[1]}, so a new recording began" in texts
    first, second = client.of(RecordingStarted)[:2]
    numbers = [number for _, number in decoded(client.recorded(first))]
    # The last picture of the old codec and the first of the new one reach us as one packet.
    assert numbers[:-1] == list(range(numbers[0], numbers[0] + len(numbers) - 1))
    assert 40 < len(numbers) <= 61
    assert [number for _, number in decoded(client.recorded(second))] == list(range(60))


def test_a_jump_of_timestamps_begins_a_recording_at_the_right_time(clip: Path, tmp_path: Path) -> None:
    parts = (transport_stream(clip, 10, 3), 3.0), (transport_stream(clip, 500, 4), 4.0)
    with served(*parts) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == second.recording_id)
        first = client.of(RecordingStarted)[0]
        # Both at the wall clock's time, three seconds apart, whatever the source's counter says.
        assert second.started_at - first.started_at == pytest.approx(3.0, abs=0.4)
        assert decoded(client.recorded(second))[0][1] == 0


def test_a_counter_that_wraps_continues_the_recording(clip: Path, tmp_path: Path) -> None:
    wrap_s = 2**33 / 90000
    with served((transport_stream(clip, wrap_s - 2.0, 4), 4.0)) as url, recorder(url, tmp_path) as client:
        client.wait_for_state("reconnecting")  # the server closes at the end
    assert len(client.of(RecordingStarted)) == 1
    numbers = [number for _, number in decoded(client.recorded())]
    assert numbers == list(range(numbers[0], 120))
    assert sum(segment.duration for segment in client.of(SegmentClosed)) == pytest.approx(len(numbers) / 30, abs=0.1)


def test_mpegts_over_udp_is_recorded(clip: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg, the sender of this test, is not installed")
    send = [ffmpeg, "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-f", "mpegts"]
    with subprocess.Popen([*send, f"udp://127.0.0.1:{port}?pkt_size=1316"]) as sender:
        try:
            with recorder(f"udp://127.0.0.1:{port}", tmp_path) as client:
                client.wait_for(SegmentClosed, 2)
                client.stop()
        finally:
            sender.kill()
    numbers = [number for _, number in decoded(client.recorded())]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))


def test_multicast_groups_on_one_port_are_told_apart(clip: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    other = video_file(tmp_path / "other.ts", "mpeg2video", "mp2")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(sent_to_group("239.255.77.1", port, transport_stream(clip), 6.0))
            stack.enter_context(sent_to_group("239.255.77.2", port, other.read_bytes(), 2.0))
        except OSError:
            pytest.skip("loopback has no multicast")
        client = stack.enter_context(recorder(url, tmp_path, allow_networks="private,loopback"))
        client.wait_for(SegmentClosed, 2)
        client.stop()
    numbers = [number for _, number in decoded(client.recorded())]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))
    assert {health.media["video_codec"] for health in client.of(RecorderHealth) if health.media} == {"h264"}


def test_srt_comes_through_an_ffmpeg_that_speaks_it(clip: Path, tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if (
        ffmpeg is None
        or "srt" not in subprocess.run([ffmpeg, "-protocols"], capture_output=True, text=True).stdout.split()
    ):
        pytest.skip("there is no ffmpeg with SRT")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    send = [ffmpeg, "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-f", "mpegts"]
    with subprocess.Popen([*send, f"srt://127.0.0.1:{port}?mode=listener"]) as sender:
        try:
            with recorder(f"srt://127.0.0.1:{port}", tmp_path) as client:
                client.wait_for(SegmentClosed, 2)
                client.stop()
        finally:
            sender.kill()
    numbers = [number for _, number in decoded(client.recorded())]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "SRT needs the ffmpeg program, and it is not on PATH"),
        ("#!/bin/sh\necho 'srt://…: Protocol not found' >&2; exit 1", "SRT needs an ffmpeg with SRT support"),
    ],
)
def test_srt_without_an_ffmpeg_that_speaks_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        (tmp_path / "ffmpeg").write_text(program)
        (tmp_path / "ffmpeg").chmod(0o700)
    spec = RecorderSpec(
        "rts-test",
        "srt://127.0.0.1:9?passphrase=secretsecret",
        ["video"],
        True,
        str(tmp_path),
        allow_networks="loopback",
    )
    with pytest.raises(SourceFailed, match=reason) as failed:
        open_source(spec)
    assert failed.value.lasting


@pytest.mark.parametrize(
    ("url", "state", "reason"),
    [
        ("{rtsp}", "error", "user name and password"),
        ("{http}", "error", "user name and password"),
        ("http://127.0.0.1:{closed}/x.ts", "reconnecting", "refused the connection"),
        ("rtsp://u:secret@127.0.0.1:{closed}/x", "reconnecting", "refused the connection"),
        ("rtmp://127.0.0.1:{closed}/live/key-secret", "reconnecting", "refused the connection"),
        ("tcp://127.0.0.1:{closed}", "reconnecting", "refused the connection"),
        ("{folder}/secret.mp4", "error", "no such file"),
        ("file://{folder}", "error", "this is a folder"),
    ],
)
def test_what_cannot_be_opened_is_said_in_plain_words(
    url: str, state: str, reason: str, clip: Path, tmp_path: Path
) -> None:
    with LiveSource(clip, auth="camera:secret") as source, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = url.format(rtsp=source.rtsp_url, http=source.http_url, closed=port, folder=tmp_path)
        with recorder(url, tmp_path, reconnect_max_s=1.0) as client:
            health = client.wait_for(RecorderHealth, 2)
            client.stop()
    assert health.state == state
    assert reason in health.reason
    assert not any("secret" in said.reason or "127.0.0.1" in said.reason for said in client.of(RecorderHealth))


def test_a_source_faster_than_time_is_read_at_the_pace_of_time(clip: Path, tmp_path: Path) -> None:
    # Twenty times the clip, at once: two minutes that would be over in a moment.
    parts = [(transport_stream(clip, 10 + 6 * n), 0.0) for n in range(20)]
    with served(*parts) as url, recorder(url, tmp_path) as client:
        began = time.time()
        client.wait_for_state("connected")
        connected = time.time()
        client.wait_for(SegmentClosed, where=lambda segment: segment.start > began + 1.0)
        reached = time.time()
        client.stop()
        ended = time.time()
    segments = client.of(SegmentClosed)
    assert reached - 1.5 <= segments[-1].start + segments[-1].duration <= ended + 1.5
    assert began - 2.0 <= segments[0].start + 30 <= connected + 2.0  # the burst it began with
    assert len(client.of(RecordingStarted)) == 1


def test_a_transport_stream_in_rtp_packets_is_recorded(clip: Path, tmp_path: Path) -> None:
    with sent((transport_stream(clip, seconds=3), 3.0), rtp=True) as url, recorder(url, tmp_path) as client:
        client.wait_for(SegmentClosed, 2)
        client.stop()
    numbers = [number for _, number in decoded(client.recorded())]
    assert len(numbers) > 30
    assert all(after - before == 1 for before, after in pairwise(numbers))


@pytest.mark.parametrize("protocol", ["rtsp", "tcp"])
def test_pictures_that_are_seconds_apart_are_opened_in_time(
    clip_of: Callable[[ClipSpec], Path], tmp_path: Path, protocol: str
) -> None:
    slow = clip_of(ClipSpec(width=320, height=180, fps=1, seconds=8, gop=2, bitrate=100_000, audio=False))
    with ExitStack() as stack:
        if protocol == "rtsp":
            url = stack.enter_context(LiveSource(slow)).rtsp_url
        else:
            url = stack.enter_context(served((transport_stream(slow), 8.0)))
        spec = RecorderSpec("rts-test", url, ["video"], True, str(tmp_path), open_timeout_s=3.0, **ALLOWED)
        began = time.monotonic()
        source = open_source(spec)
        took = time.monotonic() - began
        assert source.video is not None
        packets = source.packets([source.video])
        times = [packet.dts * packet.time_base for packet in islice(packets, 4) if packet.dts is not None]
        source.close()
    assert took < 3.0 + 1.5
    assert [after - before for before, after in pairwise(times)] == [1] * (len(times) - 1)
    assert len(times) >= 3
