"""A change of format within the stream ends the recording, and the next one is of the new format."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from rtstream.messages import RecorderHealth, RecordingStarted, SegmentClosed
from tests.rtstream.recorder.recorder_client import RecorderClient, recorder
from tests.rtstream.recorder.recorder_sources import served, video_file

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def programme(path: Path, *options: str, offset_s: float = 0.0, size: str = "160x90", seconds: float = 3.0) -> Path:
    """Media of FFmpeg's test pictures, with a tone for which ``options`` may name codec and format."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=20", "-f", "lavfi"]
    command += ["-i", "sine=440:sample_rate=48000", "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast"]
    command += ["-g", "10", "-bf", "0", "-pix_fmt", "yuv420p", "-ar", "48000", *options]
    subprocess.run([*command, "-output_ts_offset", str(offset_s), str(path)], check=True, timeout=30)
    return path


def audio_of(client: RecorderClient, recording: RecordingStarted) -> tuple[int, int, int]:
    """Rate and channels that a recording declares, and the samples that decode without an error."""
    with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
        track = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(track))
        return track.codec_context.sample_rate, track.codec_context.channels, samples


@pytest.mark.parametrize(
    ("before", "after", "rate", "channels"),
    [
        (["-c:a", "aac", "-ac", "1"], ["-c:a", "aac", "-ac", "2", "-ar", "44100"], 44100, 2),
        (["-c:a", "aac", "-ac", "2"], ["-c:a", "aac", "-ac", "6"], 48000, 6),
        pytest.param(
            ["-c:a", "libmp3lame", "-ac", "2"],
            ["-c:a", "libmp3lame", "-ac", "2", "-ar", "32000"],
            32000,
            2,
            marks=pytest.mark.long,
        ),
        pytest.param(["-c:a", "ac3", "-ac", "2"], ["-c:a", "ac3", "-ac", "1"], 48000, 1, marks=pytest.mark.long),
    ],
    ids=["rate-and-channels", "channels", "mp3", "ac3"],
)
def test_another_audio_format_begins_a_recording_of_that_format(
    before: list[str], after: list[str], rate: int, channels: int, tmp_path: Path
) -> None:
    parts = programme(tmp_path / "a.ts", *before), programme(tmp_path / "b.ts", *after, offset_s=3.0)
    with served(*((path.read_bytes(), 2.0) for path in parts)) as url, recorder(url, tmp_path) as client:
        changed = client.wait_for(RecorderHealth, where=lambda health: bool(health.reasons))
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, where=lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    assert [reason.code for reason in changed.reasons] == ["format_changed"]
    assert changed.reasons[0].level == "note"
    assert changed.media is not None
    assert changed.media["audio_rate"] == rate
    first, second = client.of(RecordingStarted)[:2]
    assert audio_of(client, first)[:2] == (48000, int(before[3]))
    assert audio_of(client, second)[:2] == (rate, channels)
    assert audio_of(client, second)[2] > rate // 2


@pytest.mark.parametrize("codecs", [("aac", "libmp3lame"), ("libmp3lame", "aac")], ids=["to-mp3", "to-aac"])
def test_another_audio_codec_under_the_same_pid_is_not_stored_as_the_old_one(
    codecs: tuple[str, str], tmp_path: Path
) -> None:
    first = programme(tmp_path / "a.ts", "-c:a", codecs[0], seconds=2)
    second = programme(tmp_path / "b.ts", "-c:a", codecs[1], offset_s=2.0, seconds=2)
    with served((first.read_bytes(), 1.5), (second.read_bytes(), 2.0)) as url, recorder(url, tmp_path) as client:
        second_recording = client.wait_for(RecordingStarted, 2)
        client.stop()
    names = [codec.replace("libmp3lame", "mp3") for codec in codecs]
    texts = [each.text for health in client.of(RecorderHealth) for each in health.reasons]
    assert f"the audio changed from {names[0]} to {names[1]}, so a new recording began" in texts
    samples = audio_of(client, client.of(RecordingStarted)[0])[2]
    assert 1.5 * 48000 < samples < 2.2 * 48000
    with av.open(io.BytesIO(client.recorded(second_recording)), "r") as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams] == ["h264", names[1]]


def test_video_whose_parameters_arrive_after_the_opening_is_recorded_from_then_on(tmp_path: Path) -> None:
    late = ["-c:a", "aac", "-force_key_frames", "0,8,9,10", "-x264-params", "scenecut=0:keyint=1000", "-g", "1000"]
    data = programme(tmp_path / "late.ts", *late, "-muxrate", "600k", seconds=11.0).read_bytes()
    begin, middle = 75_000 // 188 * 188, 7 * 75_000 // 188 * 188  # after 1 s and 7 s, and the only keyframe so far
    with served((data[begin:middle], 0.5), (data[middle:], 3.0)) as url, recorder(url, tmp_path) as client:
        client.wait_for(SegmentClosed, 1)
        client.stop()
    opened, *_ = [health for health in client.of(RecorderHealth) if health.state == "connected"]
    known = next(health for health in client.of(RecorderHealth) if health.media and health.media["width"])
    assert opened.media is not None
    assert opened.media["width"] is None
    assert known.media is not None
    assert (known.media["width"], known.media["height"], known.media["fps"]) == (160, 90, 20)
    assert not known.reasons
    with av.open(io.BytesIO(client.recorded()), "r") as container:
        assert next(container.decode(video=0)).width == 160


@pytest.mark.parametrize("kind", ["mpegts", "flv"])
def test_another_video_size_begins_a_recording_without_a_reconnect(kind: str, tmp_path: Path) -> None:
    ends = {"mpegts": "ts", "flv": "flv"}[kind]
    parts = [
        programme(tmp_path / f"{offset}.{ends}", "-c:a", "aac", size=f"{width}x90", offset_s=offset).read_bytes()
        for width, offset in ((160, 0.0), (320, 3.0), (160, 6.0))
    ]
    if kind == "flv":
        parts[1:] = [part[13:] for part in parts[1:]]  # a file header is only at the beginning
    with served(*((part, 3.0) for part in parts)) as url, recorder(url, tmp_path) as client:
        client.wait_for(RecordingStarted, 3)
        client.stop()
    widths = []
    for recording in client.of(RecordingStarted)[:3]:
        with av.open(io.BytesIO(client.recorded(recording) or recording.payload), "r") as container:
            widths.append(container.streams.video[0].width)
    assert widths == [160, 320, 160]
    assert not [health for health in client.of(RecorderHealth) if health.state == "reconnecting"]
    texts = [reason.text for health in client.of(RecorderHealth) for reason in health.reasons]
    assert texts[0] == "the video changed from 160x90 to 320x90, so a new recording began"


@pytest.mark.long
def test_parameters_that_change_with_every_keyframe_do_not_begin_a_recording_each(tmp_path: Path) -> None:
    parts = [
        video_file(tmp_path / f"{level}.ts", "libx264", seconds=1, gop=30, level=level, x264_params="repeat-headers=1")
        for level in ("3.0", "4.0")
    ]
    media = [(path.read_bytes(), 0.5) for path in parts] * 4
    with served(*media) as url, recorder(url, tmp_path) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    assert not [reason for health in client.of(RecorderHealth) for reason in health.reasons][1:]
