"""Segments made from packets: cut where they should be, whatever the pictures are like."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from rtstream.messages import Message, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.mp4.fragments import boxes, codecs, track_runs, track_scales
from rtstream.recorder.writer import VIDEO_RATE, RecordingWriter
from rtstream.rules.recording_log import LOG_FILE, LogLine, RecordingClosed, RecordingOpened, SegmentWritten
from rtstream.rules.recording_log import decode as decode_log
from rtstream.rules.wall_clock import WallClock
from rtstream.testsource.frames import Painter
from tests.rtstream.recorder.recorder_client import decoded
from tests.rtstream.recorder.recorder_sources import audio_file, video_file

START = 1_800_000_000.0


def picture_file(path: Path, pts: list[int], gop: int, bframes: int = 0, sound: bool = False) -> Path:
    """Pictures 0, 1, 2... shown at these milliseconds."""
    painter = Painter(160, 90, 30)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=1000)
        video.width, video.height, video.pix_fmt, video.time_base = 160, 90, "yuv420p", Fraction(1, 1000)
        video.codec_context.time_base, video.codec_context.thread_type = Fraction(1, 1000), "FRAME"
        video.options = {"preset": "ultrafast", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"}
        video.options |= {"bf": str(bframes), "b_strategy": "0"}
        for number, stamp in enumerate(pts):
            frame = painter.frame(number)
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
    return path


def record(
    source: Path,
    folder: Path,
    segment_s: float = 1.0,
    sent: list[Message] | None = None,
    abandon_at: int | None = None,
    start: float = START,
) -> list[Message]:
    """Everything a recording announces of a file whose time 0 is at ``start``; given up at a packet if asked to."""
    sent = [] if sent is None else sent
    clock = WallClock()
    clock.offset = start
    with av.open(str(source)) as container:
        video = container.streams.video[0] if container.streams.video else None
        audio = container.streams.audio[0] if container.streams.audio else None
        writer = RecordingWriter(folder, segment_s, clock, sent.append, video, audio, name="Door", url="rtsp://h/x")
        for number, packet in enumerate(container.demux()):
            if packet.dts is None or packet.pts is None:
                continue
            if number == abandon_at:
                writer.abandon()
                return sent
            is_video = packet.stream is video
            rate = VIDEO_RATE if is_video else audio.codec_context.sample_rate  # pyright: ignore[reportOptionalMemberAccess]
            scale = packet.time_base * rate
            # Decode times of reordered pictures begin below zero.
            dts, pts = round(packet.dts * scale) + rate, round(packet.pts * scale) + rate
            packet.time_base = Fraction(1, rate)
            writer.add(packet, is_video, dts, pts)
        writer.finish()
    return sent


def segments_of(sent: list[Message]) -> list[SegmentClosed]:
    return [message for message in sent if isinstance(message, SegmentClosed)]


def recording_of(sent: list[Message]) -> RecordingStarted:
    assert isinstance(sent[0], RecordingStarted)
    return sent[0]


def bytes_of(segment: SegmentClosed, folder: Path) -> bytes:
    return (folder / segment.path).read_bytes()[segment.offset : segment.offset + segment.length]


def check_contiguous(sent: list[Message]) -> None:
    segments = segments_of(sent)
    for before, after in pairwise(segments):
        assert before.start + before.duration == pytest.approx(after.start, abs=0.001)
    ended = sent[-1]
    assert isinstance(ended, RecordingEnded)
    assert ended.ended_at == pytest.approx(segments[-1].start + segments[-1].duration, abs=0.001)


@pytest.mark.parametrize("bframes", [0, 3])
def test_pictures_at_irregular_times_keep_them(bframes: int, tmp_path: Path) -> None:
    chance = random.Random(7)
    pts = [0]
    while len(pts) < 120:
        pts.append(pts[-1] + chance.choice([16, 33, 34, 66, 100, 250]))
    sent = record(picture_file(tmp_path / "vfr.mkv", pts, 10, bframes), tmp_path)
    check_contiguous(sent)
    for segment in segments_of(sent):
        shown = decoded(recording_of(sent).payload + bytes_of(segment, tmp_path))
        assert segment.start == pytest.approx(START + 1 + pts[shown[0][1]] / 1000, abs=0.002)
        for at, number in shown:
            assert segment.start + at - shown[0][0] == pytest.approx(START + 1 + pts[number] / 1000, abs=0.002)


def test_a_gop_longer_than_a_segment_is_one_segment(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "long.mkv", [n * 100 for n in range(100)], 50), tmp_path)
    assert [segment.duration for segment in segments_of(sent)] == pytest.approx([5.0, 5.0], abs=0.1)


def test_a_source_that_sends_one_keyframe_for_ever_is_cut_all_the_same(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "endless.mkv", [n * 500 for n in range(160)], 1000), tmp_path)
    segments = segments_of(sent)
    assert [segment.duration for segment in segments] == pytest.approx([60.0, 20.0], abs=10.1)
    check_contiguous(sent)
    assert len({segment.path for segment in segments}) == 1  # its readers look for the keyframe there
    everything = recording_of(sent).payload + b"".join(bytes_of(segment, tmp_path) for segment in segments)
    assert [number for _, number in decoded(everything)] == list(range(160))
    # Each fragment is small, however long the GOP.
    runs = [track_runs(everything[start - 8 :])[0] for kind, start, _ in boxes(everything) if kind == b"moof"]
    assert all(run.end_dts - run.first_dts <= 2.6 * VIDEO_RATE for run in runs)


def test_pictures_that_are_all_keyframes_share_fragments(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "intra.mkv", [n * 40 for n in range(100)], 1), tmp_path)
    segments = segments_of(sent)
    assert [segment.duration for segment in segments][:3] == pytest.approx([1.0, 1.0, 1.0], abs=0.5)
    check_contiguous(sent)
    moofs = [kind for segment in segments for kind, _, _ in boxes(bytes_of(segment, tmp_path)) if kind == b"moof"]
    assert len(moofs) <= 10


def test_a_file_spans_about_a_minute(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "minutes.mkv", [n * 500 for n in range(280)], 4), tmp_path, segment_s=4.0)
    paths = [segment.path for segment in segments_of(sent)]
    recording = recording_of(sent).recording_id
    names = sorted(set(paths))
    assert [name[: len(recording) + 8] for name in names] == [f"{recording}/{n:06d}_" for n in range(3)]
    assert paths.count(names[0]) == 15
    for path in set(paths):
        data = (tmp_path / path).read_bytes()
        mine = [segment for segment in segments_of(sent) if segment.path == path]
        header = len(recording_of(sent).payload) + 44  # the edit list of its one track
        offsets = [header + sum(s.length for s in mine[:n]) for n in range(len(mine))]
        assert [segment.offset for segment in mine] == offsets
        assert header + sum(segment.length for segment in mine) == len(data)


def test_each_file_opens_by_itself(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "minutes.mkv", [n * 500 for n in range(280)], 4), tmp_path, segment_s=4.0)
    files = sorted({segment.path for segment in segments_of(sent)})
    shown = [number for path in files for _, number in decoded((tmp_path / path).read_bytes())]
    assert shown == list(range(280))


def log_of(sent: list[Message], folder: Path) -> list[LogLine]:
    lines, end = decode_log((folder / recording_of(sent).recording_id / LOG_FILE).read_bytes())
    assert end == (folder / recording_of(sent).recording_id / LOG_FILE).stat().st_size
    return lines


def test_the_log_says_what_was_announced_and_comes_first(tmp_path: Path) -> None:
    lengths: list[int] = []
    sent: list[Message] = []

    class Announced(list[Message]):
        def append(self, message: Message) -> None:
            sent.append(message)
            lengths.append(len(log_of(sent, tmp_path)))

    record(picture_file(tmp_path / "short.mkv", [n * 100 for n in range(50)], 10), tmp_path, sent=Announced())
    opened, *segments, closed = log_of(sent, tmp_path)
    began = recording_of(sent)
    assert opened == RecordingOpened(
        began.recording_id,
        tmp_path.name,
        began.started_at,
        began.codecs,
        began.payload,
        "Door",
        "rtsp://h/x",
        began.started_at,
    )
    assert segments == [
        SegmentWritten(one.start, one.duration, one.path, one.offset, one.length) for one in segments_of(sent)
    ]
    ended = sent[-1]
    assert isinstance(ended, RecordingEnded)
    assert closed == RecordingClosed(ended.ended_at)
    assert lengths == list(range(1, len(sent) + 1)), "a line is there before its message is sent"


def test_a_recording_given_up_keeps_the_fragments_that_were_written(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "cut.mkv", [n * 100 for n in range(100)], 10)
    sent = record(path, tmp_path, segment_s=4.0, abandon_at=65)
    shown = decoded(recording_of(sent).payload + b"".join(bytes_of(segment, tmp_path) for segment in segments_of(sent)))
    assert [number for _, number in shown] == list(range(len(shown)))
    assert len(shown) >= 50, "at most the keyframe interval that the muxer still held is missing"
    assert isinstance(log_of(sent, tmp_path)[-1], RecordingClosed)


def test_every_segment_plays_by_itself(clip: Path, tmp_path: Path) -> None:
    sent = record(clip, tmp_path)
    for number, segment in enumerate(segments_of(sent)):
        data = recording_of(sent).payload + bytes_of(segment, tmp_path)
        assert decoded(data)[0][1] == number * 30
        with av.open(io.BytesIO(data), "r") as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) / 48000 == pytest.approx(1.0, abs=0.1)


def test_nothing_is_said_before_the_clock_has_settled(clip: Path, tmp_path: Path) -> None:
    sent: list[Message] = []
    clock = WallClock()
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        writer = RecordingWriter(tmp_path, 1.0, clock, sent.append, video, None)
        for packet in container.demux(video):
            if packet.dts is None or packet.pts is None:
                continue
            ticks = packet.dts, packet.pts
            packet.time_base = Fraction(1, VIDEO_RATE)
            writer.add(packet, True, *ticks)
            if packet.pts == 3 * VIDEO_RATE:
                assert not sent
                clock.offset = START
        writer.finish()
    assert [segment.start for segment in segments_of(sent)] == pytest.approx([START + n for n in range(6)], abs=0.001)


@pytest.mark.parametrize(
    ("codec", "audio", "suffix", "options", "named"),
    [
        ("libx264", "aac", "mp4", {"preset": "ultrafast", "profile": "baseline"}, "avc1.42C0"),
        ("libx264", "libopus", "mkv", {"preset": "ultrafast", "profile": "high"}, ",opus"),
        ("libx264", "libmp3lame", "mkv", {"preset": "ultrafast"}, ",mp4a.6B"),
        ("libx264", "ac3", "mkv", {"preset": "ultrafast"}, ",ac-3"),
        ("libx264", "mp2", "mkv", {"preset": "ultrafast"}, ",mp4a.40.33"),
        ("libx264", "pcm_alaw", "mov", {"preset": "ultrafast"}, ",mp4a.40.2"),
        ("libx265", None, "mp4", {"x265_params": "log-level=none", "preset": "ultrafast"}, "hvc1.1.6.L"),
        ("libsvtav1", None, "mkv", {"preset": 13}, "av01.0.0"),
        ("libvpx-vp9", None, "mkv", {"deadline": "realtime", "cpu_used": 8}, "vp09.00.1"),
        ("mpeg4", None, "mkv", {}, "mp4v.20"),
        ("mpeg2video", None, "mkv", {}, "mp4v.61"),
    ],
)
def test_what_mp4_can_hold_is_recorded_under_its_name(
    codec: str, audio: str | None, suffix: str, options: dict[str, Any], named: str, tmp_path: Path
) -> None:
    source = video_file(tmp_path / f"source.{suffix}", codec, audio, **options)
    sent = record(source, tmp_path)
    recording = recording_of(sent)
    assert named in recording.codecs
    assert recording.codecs == codecs(recording.payload, layer_2=audio == "mp2")
    assert len(track_scales(recording.payload)) == (1 if audio is None else 2)
    whole = recording.payload + b"".join(bytes_of(segment, tmp_path) for segment in segments_of(sent))
    assert [number for _, number in decoded(whole)] == list(range(60))


@pytest.mark.parametrize(("codec", "suffix"), [("aac", "ts"), ("pcm_alaw", "wav")])
def test_audio_alone_is_written_while_it_is_recorded(codec: str, suffix: str, tmp_path: Path) -> None:
    source = audio_file(tmp_path / f"audio.{suffix}", codec, seconds=5, rate=8000 if codec == "pcm_alaw" else 48000)
    with av.open(str(source)) as container:
        packets = sum(1 for packet in container.demux() if packet.size)
    written = segments_of(record(source, tmp_path, abandon_at=packets - 1))
    assert sum(segment.duration for segment in written) > 3
