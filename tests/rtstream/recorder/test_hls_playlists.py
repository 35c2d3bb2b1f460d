"""Live HLS is recorded by the requests of the recorder: packed audio, low latency, discontinuities."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtstream.messages import AudioTaken, RecorderHealth, RecordingStarted, SegmentClosed
from tests.rtstream.recorder.hls_source import SEGMENT_S, HlsSource, hls_segments
from tests.rtstream.recorder.recorder_client import RecorderClient, decoded, recorder
from tests.rtstream.recorder.recorder_sources import video_file

RATE = 48_000
PACKED_S = 2.0  # shorter segments of so few bytes are read ahead, across the tag of the next one
OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


def id3(at_s: float) -> bytes:
    """The tag of RFC 8216, 3.4: the timestamp of a segment's first sample, on a clock of 90 kHz."""
    private = OWNER + struct.pack(">Q", round(at_s * 90_000) % 2**33)
    frame = b"PRIV" + sync_safe(len(private)) + b"\0\0" + private
    return b"ID3\x04\0\0" + sync_safe(len(frame)) + frame


def sync_safe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def packed_audio(codec: str, offset_s: float, seconds: float = 16.0) -> list[bytes]:
    """A rising tone as segments of bare AAC (ADTS) or MP3 frames, each behind the tag with its timestamp."""
    times = np.arange(round(seconds * RATE)) / RATE
    samples = (8000 * np.sin(2 * np.pi * (300 + 40 * times) * times)).astype(np.int16)
    packets: list[tuple[float, bytes]] = []
    encoder: Any = av.CodecContext.create("aac" if codec == "aac" else "libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, "mono", "fltp", 128_000
    frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
    frame.sample_rate, frame.pts = RATE, 0
    encoder.open()
    resampler = av.AudioResampler("fltp", "mono", RATE, encoder.frame_size)
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        for packet in encoder.encode(part):
            head = adts(packet.size) if codec == "aac" else b""
            packets.append((len(packets) * encoder.frame_size / RATE, head + bytes(packet)))
    segments: list[bytes] = []
    for number in range(int(seconds / PACKED_S)):
        within = [each for each in packets if number * PACKED_S <= each[0] < (number + 1) * PACKED_S]
        segments.append(id3(offset_s + within[0][0]) + b"".join(body for _, body in within))
    return segments


def adts(size: int) -> bytes:
    """The header of an ADTS frame (ISO/IEC 14496-3, 1.A.2): AAC-LC, 48 kHz, one channel."""
    length = size + 7
    return bytes(
        (0xFF, 0xF1, 1 << 6 | 3 << 2, 1 << 6 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC)
    )


def audio_source(segments: Sequence[bytes], **how: Any) -> HlsSource:
    return HlsSource(list(segments), [None] * len(segments), **how)


def heard_s(client: RecorderClient, recording: RecordingStarted) -> float:
    """Decode a recording; returns its seconds of audio."""
    with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize("codec", ["aac", "mp3"])
@pytest.mark.parametrize("offset_s", [pytest.param(0.0, marks=pytest.mark.long), 5000.0], ids=["from zero", "later"])
def test_packed_audio_is_recorded_without_a_hole(codec: str, offset_s: float, tmp_path: Path) -> None:
    source = audio_source(packed_audio(codec, offset_s), segment_s=PACKED_S)
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        client.set_taps(audio=True)
        client.wait_for(SegmentClosed, 3)
        client.wait_for(AudioTaken, 3)
        client.stop()
    [recording] = client.of(RecordingStarted)
    assert recording.codecs == {"aac": "mp4a.40.2", "mp3": "mp4a.6B"}[codec]
    segments = client.segments(recording)
    for before, after in pairwise(segments):
        assert before.start + before.duration == pytest.approx(after.start, abs=0.001)
    recorded = segments[-1].start + segments[-1].duration - segments[0].start
    assert heard_s(client, recording) == pytest.approx(recorded, abs=0.1)


@pytest.mark.long
def test_the_timestamps_of_packed_audio_place_its_segments(tmp_path: Path) -> None:
    # The sender skipped ten seconds, which only the tags show.
    first, later = packed_audio("aac", 100.0, 8.0), packed_audio("aac", 118.0, 8.0)
    source = audio_source([*first, *later], breaks=(len(first),), segment_s=PACKED_S)
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, 1, lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    assert len(client.of(RecordingStarted)) == 2
    for recording in client.of(RecordingStarted):
        for before, after in pairwise(client.segments(recording)):
            assert before.start + before.duration == pytest.approx(after.start, abs=0.001)


def test_a_rendition_of_packed_audio_is_recorded_with_its_video(clip: Path, tmp_path: Path) -> None:
    _, segments = hls_segments(clip, tmp_path / "hls", offset_s=100.0, tracks=["video"])
    source = audio_source(segments)
    sound = audio_source(packed_audio("aac", 100.0, 8.0), segment_s=PACKED_S, published=1)
    own = source.body

    def body(path: str) -> bytes | None:
        if path == "/both.m3u8":
            return (
                b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,AUTOSELECT=YES,URI="a/live.m3u8"\n'
                b'#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a"\nlive.m3u8\n'
            )
        return sound.body(path.removeprefix("/a")) if path.startswith("/a/") else own(path)

    source.body = body  # type: ignore[method-assign]
    with source.served() as url, recorder(f"{url}/both.m3u8", tmp_path) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    recording = client.of(RecordingStarted)[0]
    assert recording.codecs.endswith("mp4a.40.2")
    assert heard_s(client, recording) > 2.0
    numbers = [number for _, number in decoded(client.recorded(recording))]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))


def low_latency(playlist: str) -> str:
    """The same playlist as a sender of low-latency HLS writes it: parts before their segments, hints and reports."""

    def parts(found: re.Match[str]) -> str:
        name = found[1]
        listed = [f'#EXT-X-PART:DURATION=0.25,URI="{name}.part{n}",INDEPENDENT=YES' for n in range(2)]
        return "\n".join([*listed, found[0]])

    head = (
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=12.0\n"
        "#EXT-X-PART-INF:PART-TARGET=0.25\n"
    )
    tail = (
        '#EXT-X-PART:DURATION=0.25,URI="next.part0"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="next.part1"\n'
        '#EXT-X-RENDITION-REPORT:URI="../other.m3u8",LAST-MSN=7,LAST-PART=1\n'
    )
    listed = re.sub(rf"#EXTINF:{SEGMENT_S},\n(.+)", parts, playlist)
    return listed.replace("#EXT-X-TARGETDURATION:1\n", "#EXT-X-TARGETDURATION:1\n" + head) + tail


@pytest.mark.parametrize("kind", [pytest.param("mpegts", marks=pytest.mark.long), "fmp4"])
def test_a_low_latency_playlist_is_recorded_by_its_whole_segments(kind: str, clip: Path, tmp_path: Path) -> None:
    init, segments = hls_segments(clip, tmp_path / "hls", kind, 100.0)
    source = HlsSource(segments, [None] * len(segments), init)
    plain = source.playlist
    source.playlist = lambda: low_latency(plain())  # type: ignore[method-assign]
    assert "#EXT-X-PART:" in source.playlist()
    numbers = recorded_numbers(source, "live.m3u8", tmp_path)
    assert len(numbers) >= 60
    assert not [path for path in source.asked if "part" in path or "other" in path]


@pytest.mark.parametrize("encode", [lambda text: text.replace("\n", "\r\n"), lambda text: "\n" + text.strip()])
def test_line_ends_and_unknown_tags_change_nothing(encode: Callable[[str], str], clip: Path, tmp_path: Path) -> None:
    _, segments = hls_segments(clip, tmp_path / "hls", offset_s=100.0)
    source = HlsSource(segments, [None] * len(segments))
    plain = source.playlist
    unknown = '#EXT-X-DATERANGE:ID="1",START-DATE="2026-01-01T00:00:00Z"\n#EXT-X-CUE-OUT:30\n# a remark\n'
    source.playlist = lambda: encode(plain().replace("#EXTINF", unknown + "#EXTINF")).lstrip("\n")  # type: ignore[method-assign]
    assert len(recorded_numbers(source, "live.m3u8", tmp_path)) >= 60


def recorded_numbers(source: HlsSource, path: str, folder: Path) -> list[int]:
    """Record three segments, and return the numbers of their pictures, which follow one another."""
    with source.served() as url, recorder(f"{url}/{path}", folder) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    [recording] = client.of(RecordingStarted)
    numbers = [number for _, number in decoded(client.recorded(recording))]
    assert all((after - before) % 180 == 1 for before, after in pairwise(numbers))
    return numbers


def test_a_discontinuity_ends_a_recording_and_loses_no_picture(clip: Path, tmp_path: Path) -> None:
    _, before = hls_segments(clip, tmp_path / "before", offset_s=100.0)
    _, after = hls_segments(clip, tmp_path / "after", offset_s=10.0)
    source = HlsSource([*before[:6], *after], [None] * (6 + len(after)), breaks=(6,))
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, 2, lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    first, second = client.of(RecordingStarted)
    ended = [number for _, number in decoded(client.recorded(first))]
    began = [number for _, number in decoded(client.recorded(second))]
    assert ended[-1] == 89  # the last picture of six segments of half a second
    assert began[0] == 0
    assert all(later - earlier == 1 for numbers in (ended, began) for earlier, later in pairwise(numbers))


@pytest.mark.long
@pytest.mark.parametrize("codecs", [("libx264", "libx265"), ("libx265", "libx264")], ids=["to-hevc", "to-h264"])
def test_another_codec_behind_a_discontinuity_is_recorded_without_a_loss(
    codecs: tuple[str, str], tmp_path: Path
) -> None:
    closed = {"libx264": {}, "libx265": {"x265_params": "open-gop=0:log-level=none"}}
    clips = [video_file(tmp_path / f"{one}.mp4", one, "aac", 6, preset="ultrafast", **closed[one]) for one in codecs]
    parts = [
        hls_segments(path, tmp_path / path.stem, offset_s=offset)[1]
        for path, offset in zip(clips, (0, 50), strict=True)
    ]
    source = HlsSource([*parts[0][:6], *parts[1]], [None] * (6 + len(parts[1])), breaks=(6,))
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, 2, lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    assert not [health for health in client.of(RecorderHealth) if health.state == "reconnecting"]
    first, second = client.of(RecordingStarted)
    ended = [number for _, number in decoded(client.recorded(first))]
    began = [number for _, number in decoded(client.recorded(second))]
    assert (ended[-1], began[0]) == (89, 0)
    # At the stop, pictures on which others depend may have been written without them.
    assert all(later - earlier == 1 for numbers in (ended, began[:-3]) for earlier, later in pairwise(numbers))
