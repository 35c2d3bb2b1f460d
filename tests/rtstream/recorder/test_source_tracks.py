"""Tracks that a source did not have when it was opened are recorded from then on."""

from __future__ import annotations

import http.server
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rtstream.messages import RecorderHealth, RecorderSpec, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.recorder.source import open_source
from rtstream.recorder.source_tracks import TrackWatch
from tests.rtstream.recorder.recorder_client import ALLOWED, RecorderClient, decoded, recorder
from tests.rtstream.recorder.recorder_sources import (
    audio_file,
    sent,
    sent_over_secret_srt,
    sent_over_srt,
    served,
    served_folder,
    video_file,
)
from tests.rtstream.recorder.test_source_media import programme

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def reconnects(client: RecorderClient) -> list[RecorderHealth]:
    return [health for health in client.of(RecorderHealth) if health.state == "reconnecting"]


OTHER_PROGRAM = ["-mpegts_service_id", "2", "-mpegts_pmt_start_pid", "5000"]


@pytest.mark.parametrize(
    ("sizes", "moved"),
    [
        (("160x90", "320x90"), ["-streamid", "0:400", "-streamid", "1:257"]),
        pytest.param(("160x90", "320x90"), ["-mpegts_start_pid", "400"], marks=pytest.mark.long),
        pytest.param(("320x90", "160x90"), ["-mpegts_start_pid", "400", *OTHER_PROGRAM], marks=pytest.mark.long),
    ],
    ids=["video-alone", "larger", "smaller-in-another-program"],
)
def test_other_pids_in_the_middle_are_recorded_without_a_reconnect(
    sizes: tuple[str, str], moved: list[str], tmp_path: Path
) -> None:
    first = programme(tmp_path / "a.ts", "-c:a", "aac", size=sizes[0])
    second = programme(tmp_path / "b.ts", "-c:a", "aac", *moved, offset_s=3.0, size=sizes[1], seconds=8)
    with served((first.read_bytes(), 3.0), (second.read_bytes(), 8.0)) as url, recorder(url, tmp_path) as client:
        recording = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
        client.stop()
    ended = client.of(RecordingEnded)[0]
    assert recording.started_at - ended.ended_at < 0.7  # one group of pictures
    assert recording.codecs.endswith(",mp4a.40.2")
    assert not reconnects(client)
    noted = next(health for health in client.of(RecorderHealth) if health.reasons)
    assert noted.reasons[0].code == "format_changed"
    assert "another" in noted.reasons[0].text
    assert noted.media is not None
    assert noted.media["width"] == int(sizes[1].partition("x")[0])
    assert not noted.media["tracks"]  # those of before cannot be chosen
    with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
        heard = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None]
    assert max(after - before for before, after in pairwise(heard)) < 0.1


@pytest.mark.parametrize("options", [[], OTHER_PROGRAM], ids=["pids", "program"])
def test_tracks_that_are_replaced_during_the_opening_are_not_waited_for(options: list[str], tmp_path: Path) -> None:
    first = programme(tmp_path / "a.ts", "-c:a", "aac", size="320x90", seconds=1)
    moved = ["-mpegts_start_pid", "400", *options]
    second = programme(tmp_path / "b.ts", "-c:a", "aac", *moved, offset_s=1.0, seconds=3)
    with served((first.read_bytes(), 0.0), (second.read_bytes(), 1.0)) as url, recorder(url, tmp_path) as client:
        client.wait_for(RecordingEnded)
        client.stop()
    with av.open(io.BytesIO(client.recorded()), "r") as container:
        assert container.streams.video[0].width == 160
        assert sum(frame.samples for frame in container.decode(audio=0)) > 2.5 * 48000


MOVES = {
    "both": ["-mpegts_start_pid", "400"],
    "video": ["-streamid", "0:400", "-streamid", "1:257"],
    "audio": ["-streamid", "0:256", "-streamid", "1:400"],
    "swapped": ["-streamid", "0:257", "-streamid", "1:256"],
    "program": ["-mpegts_start_pid", "400", *OTHER_PROGRAM],
    "tables": ["-mpegts_pmt_start_pid", "5000"],
    "number": ["-mpegts_service_id", "7"],
}


def test_tables_show_whether_tracks_have_moved(tmp_path: Path) -> None:
    def media(*options: str) -> bytes:
        return programme(tmp_path / "a.ts", *options, seconds=0.5).read_bytes()

    first = media("-c:a", "aac")
    with served((first, 0.0)) as url:
        spec = RecorderSpec("rts-test", url, ["video", "audio"], False, str(tmp_path), 1.0, **ALLOWED)
        source = open_source(spec)
        watch = TrackWatch(source, spec, {})
        source.close()
    assert watch.buffer is not None
    moved = watch.buffer.moved
    assert moved(b"") is None
    assert {move: moved(first + media("-c:a", "aac", *MOVES[move])) for move in ("video", "program", "tables")} == {
        "video": True,
        "program": True,
        "tables": False,
    }
    alone = media("-an")
    assert moved(first + alone) is True
    watch.arrivals[1] -= 10  # the audio ended some time ago, and the picture has stood still since then
    assert moved(first + alone) is False
    assert moved(alone + first + media("-c:a", "aac", *MOVES["audio"])) is True


@pytest.mark.long
@pytest.mark.parametrize(
    ("serve", "move"),
    [
        *((sent, move) for move in MOVES),
        *((served, move) for move in ("both", "audio", "swapped", "program")),
        *((sent_over_srt, move) for move in ("both", "audio", "program")),
        *((sent_over_secret_srt, move) for move in ("both", "audio")),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_tracks_that_move_to_other_pids_are_recorded_without_a_pause(
    serve: Callable[..., AbstractContextManager[str]], move: str, tmp_path: Path
) -> None:
    first = programme(tmp_path / "a.ts", "-c:a", "aac", seconds=5)
    second = programme(tmp_path / "b.ts", "-c:a", "aac", *MOVES[move], offset_s=5.0, seconds=6, size="320x90")
    third = programme(tmp_path / "c.ts", "-c:a", "aac", offset_s=11.0, seconds=6)
    parts = [(path.read_bytes(), seconds) for path, seconds in ((first, 5.0), (second, 6.0), (third, 6.0))]
    with serve(*parts) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        begin = client.wait_for(SegmentClosed).start
        client.wait_for(SegmentClosed, where=lambda segment: segment.start > begin + 13.0)
        client.stop()
    spans = sorted((each.start, each.start + each.duration) for each in client.of(SegmentClosed))
    lost = max(after[0] - before[1] for before, after in pairwise(spans))
    connects_again = serve is sent_over_secret_srt
    assert lost < (0.5 + 2.0 if connects_again else 0.7)  # a group of pictures is 0.5 s
    assert bool(reconnects(client)) is connects_again
    with_audio = {each.recording_id for each in client.of(RecordingStarted) if each.codecs.endswith(",mp4a.40.2")}
    silent = sum(each.duration for each in client.of(SegmentClosed) if each.recording_id not in with_audio)
    assert silent < 2 * (3.5 if connects_again else 2.5)
    problems = {health.code for health in client.of(RecorderHealth) if health.state == "connected" and health.code}
    # Until new audio is noticed.
    assert problems <= ({"track_silent"} if move in ("audio", "program") else set())


def late(path: Path, kind: int, from_ms: int) -> bytes:
    """An FLV stream without an announcement, in which a track (8: audio, 9: video) begins late."""
    data, at, found, config = path.read_bytes(), 13, b"FLV\x01" + bytes(4) + b"\x09" + bytes(4), b""
    while at < len(data):
        size = 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        tag, at = data[at : at + size], at + size
        ms = int.from_bytes(tag[4:7], "big")
        if tag[0] == kind and tag[12] == 0:
            config = tag
        elif tag[0] == kind and config and ms >= from_ms and (kind == 8 or tag[11] >> 4 == 1):
            found, config, from_ms = found + config[:4] + tag[4:8] + config[8:] + tag, b"", 0
        elif tag[0] in (8, 9) and (tag[0] != kind or not config):
            found += tag
    return found


@pytest.mark.parametrize("kind", [9, pytest.param(8, marks=pytest.mark.long)], ids=["video", "audio"])
def test_a_track_that_begins_late_is_recorded_from_then_on(kind: int, tmp_path: Path) -> None:
    media = late(programme(tmp_path / "a.flv", "-c:a", "aac", seconds=10), kind, 5000)
    with served((media, 10.0)) as url, recorder(url, tmp_path) as client:
        recording = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
        client.stop()
    with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
    assert not reconnects(client)
    reasons = [reason for health in client.of(RecorderHealth) for reason in health.reasons]
    texts = {reason.text for reason in reasons if reason.code == "format_changed"}
    assert texts == {f"the source now sends {'video' if kind == 9 else 'audio'}, so a new recording began"}


def barcodes(client: RecorderClient, recording: RecordingStarted) -> list[int]:
    """The numbers of the recorded pictures."""
    return [number for _, number in decoded(client.recorded(recording))]


@pytest.mark.long
@pytest.mark.parametrize("codecs", [("libx264", "libx265"), ("libx265", "libx264")], ids=["to-hevc", "to-h264"])
def test_another_codec_in_flv_is_recorded_without_a_reconnect(codecs: tuple[str, str], tmp_path: Path) -> None:
    before, after = (
        video_file(tmp_path / f"{codec}.flv", codec, "aac", seconds=seconds, preset="ultrafast")
        for codec, seconds in zip(codecs, (2, 6), strict=True)
    )
    parts = (before.read_bytes(), 2.0), (after.read_bytes()[13:], 6.0)
    with served(*parts) as url, recorder(url, tmp_path) as client:
        recording = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
        client.stop()
    shown = []
    for each in (client.of(RecordingStarted)[0], recording):
        with av.open(io.BytesIO(client.recorded(each)), "r") as container:
            shown.append((container.streams.video[0].codec_context.name, len(container.streams.audio)))
    assert shown == [({"libx264": "h264", "libx265": "hevc"}[codec], 1) for codec in codecs]
    assert barcodes(client, recording)[0] < 30  # from its first group of pictures on
    assert not reconnects(client)


@pytest.mark.parametrize("live", [False, pytest.param(True, marks=pytest.mark.long)], ids=["ended", "live"])
def test_another_init_segment_of_hls_begins_a_recording(live: bool, tmp_path: Path) -> None:
    listed: list[str] = []
    for name, size, rate in (("show", "160x90", "48000"), ("ad", "320x90", "44100")):
        names = ["-hls_fmp4_init_filename", f"{name}.mp4", "-hls_segment_filename", str(tmp_path / f"{name}%d.m4s")]
        kind = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_segment_type", "fmp4", *names]
        path = programme(tmp_path / f"{name}.m3u8", "-c:a", "aac", "-ar", rate, *kind, size=size, seconds=2.0)
        lines = path.read_text().splitlines()
        listed += ["#EXT-X-DISCONTINUITY"] * bool(listed)
        listed += [line for line in lines if line.startswith(("#EXTINF", "#EXT-X-MAP")) or not line.startswith("#")]
    head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1"]
    playlist, whole = tmp_path / "all.m3u8", [*head, *listed, "#EXT-X-ENDLIST"] if not live else [*head, *listed]
    change = whole.index("#EXT-X-DISCONTINUITY")
    playlist.write_text("\n".join([*(whole[:change] if live else whole), ""]))

    def proceed(path: str) -> None:
        if path == "/all.m3u8":
            playlist.write_text("\n".join([*whole, ""]))

    with served_folder(tmp_path, proceed) as base, recorder(f"{base}/all.m3u8", tmp_path, segment_s=0.5) as client:
        recording = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == recording.recording_id)
        client.stop()
    first = client.of(RecordingStarted)[0]
    sizes = []
    for each in (first, recording):
        with av.open(io.BytesIO(client.recorded(each)), "r") as container:
            assert sum(1 for _ in container.decode(video=0)) > 5
            sizes.append((container.streams.video[0].width, container.streams.audio[0].codec_context.sample_rate))
    assert sizes == [(160, 48000), (320, 44100)]
    ended = client.of(RecordingEnded)[0]
    # Two seconds of each arrive at once here, and the newest picture of a live source is one of now.
    assert (-2.5 if live else -0.1) < recording.started_at - ended.ended_at < 0.5
    # Behind its last segment, the live playlist ends as a source.
    before = client.messages[: client.messages.index(recording)]
    assert not [health for health in reconnects(client) if health in before]


def fragmented(path: Path, audio_first: bool, *options: str) -> Path:
    """Fragments of five seconds, in which each track is in one piece."""
    order = ["-map", "1:a", "-map", "0:v"] if audio_first else ["-map", "0:v", "-map", "1:a"]
    return programme(path, *order, "-c:a", "aac", "-g", "100", *options, seconds=10)


@pytest.mark.parametrize("audio_first", [False, True], ids=["video-first", "audio-first"])
def test_tracks_in_pieces_of_seconds_are_recorded_together(audio_first: bool, tmp_path: Path) -> None:
    media = fragmented(tmp_path / "a.mp4", audio_first, "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    with served((media.read_bytes(), 0.0)) as url, recorder(url, tmp_path) as client:
        client.wait_for(RecordingEnded)
        client.stop()
    with av.open(io.BytesIO(client.recorded()), "r") as container:
        found = {"video": 0, "audio": 0}
        for packet in container.demux():
            found[packet.stream.type] += bool(packet.size)
    assert found["video"] == 200
    assert found["audio"] == pytest.approx(10 * 48000 / 1024, abs=3)


def test_the_audio_behind_a_long_segment_of_hls_is_recorded(tmp_path: Path) -> None:
    names = ["-hls_segment_filename", str(tmp_path / "%d.m4s"), "-hls_list_size", "0"]
    names += ["-hls_flags", "program_date_time"]
    hls = ["-f", "hls", "-hls_time", "5", "-hls_segment_type", "fmp4", *names]
    playlist = fragmented(tmp_path / "a.m3u8", False, *hls)
    playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST\n", ""))  # live
    with served_folder(tmp_path) as base, recorder(f"{base}/a.m3u8", tmp_path) as client:
        recording = client.wait_for(RecordingStarted)
        client.stop()
    assert len(recording.codecs.split(",")) == 2
    with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 1.5 * 48000


def test_a_radio_that_changes_its_channels_is_connected_again_at_once(tmp_path: Path) -> None:
    songs = [audio_file(tmp_path / f"{layout}.ogg", "libopus", layout=layout) for layout in ("mono", "stereo")]
    with served(*((song.read_bytes(), 2.0) for song in songs)) as url, recorder(url, tmp_path) as client:
        health = client.wait_for_state("reconnecting")
        client.wait_for_state("connected", 2)
        client.stop()
    assert (health.code, health.attempts) == ("format_changed", 0)
    assert health.reason.startswith("the format of the audio changed")


@pytest.mark.long
def test_a_still_picture_with_audio_is_no_failure(tmp_path: Path) -> None:
    whole = programme(tmp_path / "a.ts", "-c:a", "aac", "-muxdelay", "0", seconds=20)
    sink = io.BytesIO()
    with (
        av.open(str(whole)) as source,
        av.open(sink, "w", format="mpegts", buffer_size=1316, options={"max_interleave_delta": "1000"}) as out,
    ):
        copies = {stream: out.add_stream_from_template(stream) for stream in source.streams}
        cuts = [0]
        for packet in source.demux():
            if packet.dts is None or packet.time_base is None:
                continue
            at = float(packet.dts * packet.time_base)
            if packet.stream.type == "audio" and at > len(cuts):
                cuts.append(len(sink.getbuffer()))
            if packet.stream.type == "audio" or not 3 <= at < 15:
                packet.stream = copies[packet.stream]
                out.mux_one(packet)
    data = sink.getvalue()
    parts = [(data[begin:end], 1.0) for begin, end in pairwise([*cuts, len(data)])]
    with served(*parts) as url, recorder(url, tmp_path) as client:
        client.wait_for(RecordingStarted, 3)
        client.stop()
    first, ended = client.of(RecordingStarted)[0], client.of(RecordingEnded)[0]
    assert 12 < ended.ended_at - first.started_at < 14  # with the audio of the time in which the picture stood still
    codecs = [recording.codecs for recording in client.of(RecordingStarted)]
    assert [len(each.split(",")) for each in codecs] == [2, 1, 2]
    assert not reconnects(client)
    texts = list(dict.fromkeys(reason.text for health in client.of(RecorderHealth) for reason in health.reasons))
    assert [text.partition(",")[0] for text in texts] == [
        "the source sends no video at present",
        "the source sends video again",
    ]


@contextmanager
def camera(per_s: float, jpeg: bytes, ended: threading.Event) -> Iterator[str]:
    """An MJPEG camera, whose boundary and content type are wrong. Returns its URL."""

    class Camera(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            try:
                while not ended.wait(1 / per_s):
                    self.wfile.write(b"--other\r\nContent-Type: image/jpg\r\n\r\n" + jpeg + b"\n")
            except OSError:
                pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/video.mjpg"
        ended.set()
        server.shutdown()


def test_pictures_without_times_are_recorded_when_they_arrived(tmp_path: Path) -> None:
    jpeg = tmp_path / "picture.jpg"
    with av.open(str(jpeg), "w", format="image2") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuvj420p"
        out.mux(stream.encode(av.VideoFrame(160, 90, "yuvj420p")))
        out.mux(stream.encode())
    with camera(8, jpeg.read_bytes(), threading.Event()) as url, recorder(url, tmp_path, segment_s=0.5) as client:
        client.wait_for(SegmentClosed, 5)
        client.stop()
    opened = client.wait_for_state("connected")
    assert opened.media is not None
    assert (opened.media["timing"], opened.media["fps"]) == ("arrival", None)
    measured = client.of(RecorderHealth)[-2].media
    assert measured is not None
    assert 6 < float(measured["fps"]) < 9  # pyright: ignore[reportArgumentType]
    assert len(client.of(RecordingStarted)) == 1
    with av.open(io.BytesIO(client.recorded()), "r") as container:
        times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None]
    assert 5 < (len(times) - 1) / float(times[-1] - times[0]) < 9
