"""Times inside files grow from recording to recording, so that players that ignore discontinuities show everything."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from rtstream.messages import RecordingStarted, SegmentClosed
from rtstream.mp4.fragments import boxes, track_runs, track_scales
from rtstream.recorder.writer import VIDEO_RATE, RecordingWriter
from rtstream.rules.playlist import Segment, playlist
from rtstream.rules.wall_clock import WallClock
from rtstream.testsource import ClipSpec, read_barcode

START = 1_790_000_000.125
PICTURES = 180  # in the clip of 6 s
HLS = {"allowed_extensions": "ALL"}


class Recording:
    """One recording of a clip, as the recorder writes it."""

    def __init__(
        self,
        clip: Path,
        folder: Path,
        start: float,
        *,
        kinds: tuple[str, ...] = ("video", "audio"),
        segment_s: float = 1.0,
    ) -> None:
        self.folder, self.clock = folder, WallClock()
        self.clock.offset = start
        self.init = b""
        self.segments: list[Segment] = []
        folder.mkdir(exist_ok=True)
        with av.open(str(clip)) as container:
            streams: dict[str, Any] = {stream.type: stream for stream in container.streams if stream.type in kinds}
            rates = {"video": VIDEO_RATE, "audio": container.streams.audio[0].sample_rate}
            self.writer = RecordingWriter(
                folder, segment_s, self.clock, self._hear, streams.get("video"), streams.get("audio")
            )
            for packet in container.demux(list(streams.values())):
                if packet.dts is None or packet.pts is None:
                    continue
                rate = rates[packet.stream.type]
                scale = packet.time_base * rate
                packet.time_base = Fraction(1, rate)
                # Decode times of reordered pictures begin below zero.
                dts, pts = round(packet.dts * scale) + rate, round(packet.pts * scale) + rate
                self.writer.add(packet, packet.stream.type == "video", dts, pts)

    def _hear(self, message: object) -> None:
        if isinstance(message, RecordingStarted):
            self.init = message.payload
            (self.folder / f"{message.recording_id}.mp4").write_bytes(message.payload)
        elif isinstance(message, SegmentClosed):
            found = (message.start, message.duration, message.recording_id, message.path, message.offset)
            self.segments.append(Segment(*found, message.length))

    def finish(self) -> Recording:
        self.writer.finish()
        return self

    def spans(self) -> list[tuple[str, Fraction, Fraction]]:
        """Kind of track, beginning and end in seconds of what each fragment decodes, per track."""
        tracks = track_scales(self.init)
        data = b"".join((self.folder / path).read_bytes() for path in dict.fromkeys(s.path for s in self.segments))
        runs = [run for kind, at, _ in boxes(data) if kind == b"moof" for run in track_runs(data[at - 8 :])]
        named = [(tracks[run.track_id], run) for run in runs]
        return [
            (kind.decode(), Fraction(run.first_dts, scale), Fraction(run.end_dts, scale))
            for (kind, scale), run in named
        ]


def recorded(clip: Path, folder: Path, start: float, *, kinds: tuple[str, ...] = ("video", "audio")) -> Recording:
    return Recording(clip, folder, start, kinds=kinds).finish()


def listed(recordings: list[Recording]) -> Path:
    """The playlist of whole recordings."""
    segments = [segment for recording in recordings for segment in recording.segments]
    path = recordings[0].folder / "all.m3u8"
    path.write_text(playlist(segments, 0.0, init_url="{}.mp4".format, segment_url=lambda file: file))
    return path


@pytest.fixture(params=[0, 2], ids=["no B-frames", "B-frames"])
def clip(request: pytest.FixtureRequest, clip_of: Callable[[ClipSpec], Path]) -> Path:
    bframes: int = request.param
    return clip_of(ClipSpec(width=320, height=180, seconds=6, gop=15, bframes=bframes, bitrate=300_000, voice="tones"))


def shown_by_ffmpeg(path: Path) -> tuple[list[int], list[float]]:
    """Numbers and times (seconds) of the pictures that the ffmpeg program decodes out of a playlist."""
    import numpy as np

    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    read = [ffmpeg, "-v", "error", "-nostdin", "-copyts", "-allowed_extensions", "ALL", "-i", str(path)]
    exact = ["-map", "0:v", "-vsync", "passthrough", "-enc_time_base", "1:90000"]
    made = [*exact, "-f", "framecrc", "times", *exact, "-pix_fmt", "gray", "-f", "rawvideo", "pictures"]
    subprocess.run([*read, *made], check=True, cwd=path.parent, timeout=60)
    lines = (path.parent / "times").read_text().splitlines()
    raw = np.frombuffer((path.parent / "pictures").read_bytes(), np.uint8).reshape(-1, 180, 320)
    times = [int(line.split(",")[2]) / 90_000 for line in lines if not line.startswith("#")]
    return [read_barcode(picture) for picture in raw], times


def test_ffmpeg_shows_every_picture_of_several_recordings_with_the_true_gaps(clip: Path, tmp_path: Path) -> None:
    begins = [START, START + 16.0, START + 23.5]
    recordings = [recorded(clip, tmp_path / "stream", begin) for begin in begins]
    numbers, times = shown_by_ffmpeg(listed(recordings))
    assert numbers == [*range(PICTURES)] * 3
    first = recordings[0].segments[0].start
    wanted = [begin - START + number / 30 for begin in begins for number in range(PICTURES)]
    assert [at - times[0] for at in times] == pytest.approx(wanted, abs=0.01)
    assert times[0] == pytest.approx(first, abs=0.15)  # decoded, not shown, at Unix time


def test_libav_reads_pictures_and_audio_of_several_recordings(clip: Path, tmp_path: Path) -> None:
    recordings = [recorded(clip, tmp_path / "stream", START + later) for later in (0.0, 16.0)]
    options = HLS | {"extension_picky": "0", "allowed_segment_extensions": "ALL"}
    with av.open(str(listed(recordings)), options=options) as container:
        seen = [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert seen == [*range(PICTURES)] * 2
    with av.open(str(listed(recordings)), options=options) as container:
        heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert heard == pytest.approx(12.0, abs=0.3)


@pytest.mark.parametrize("back", [0.0, 2.5, 3600.0], ids=["at its end", "within it", "long before"])
def test_a_recording_begins_after_all_earlier_ones_even_when_the_clock_went_back(
    clip: Path, tmp_path: Path, back: float
) -> None:
    folder = tmp_path / "stream"
    recordings = [recorded(clip, folder, START)]
    for number in range(3):  # each a process of its own: nothing but the folder knows of the earlier ones
        recordings.append(recorded(clip, folder, START + 6.0 - back + number))
    for before, after in pairwise(recordings):
        ends, begins = (max(end for *_, end in before.spans()), min(begin for _, begin, _ in after.spans()))
        assert 0 <= begins - ends < 0.2
    # The time of the segment is still that of the clock.
    assert recordings[1].segments[0].start == pytest.approx(START + 7.0 - back, abs=0.001)


def test_a_killed_recording_does_not_make_the_next_forget_how_far_earlier_ones_got(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    first = recorded(clip, folder, START + 3600.0)
    killed = Recording(clip, folder, START, segment_s=60.0)  # the clock has gone back; no segment is closed
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2
    assert len(killed.segments) == 0
    third = recorded(clip, folder, START + 20.0)
    assert min(begin for _, begin, _ in third.spans()) >= max(end for *_, end in first.spans())


def test_pictures_and_sound_are_moved_by_exactly_the_same(clip: Path, tmp_path: Path) -> None:
    one, other = (recorded(clip, tmp_path / name, at).spans() for name, at in (("1", START), ("2", START + 1234.5679)))
    apart = {later - earlier for (_, earlier, _), (_, later, _) in zip(one, other, strict=True)}
    assert len(apart) == 1
    assert float(apart.pop()) == pytest.approx(1234.5679, abs=0.001)


def test_sound_alone_has_growing_times_too(clip: Path, tmp_path: Path) -> None:
    recordings = [recorded(clip, tmp_path / "stream", START + later, kinds=("audio",)) for later in (0.0, 30.0)]
    spans = [span for recording in recordings for span in recording.spans()]
    assert all(before[2] <= after[1] for before, after in pairwise(spans))
    assert float(recordings[1].spans()[0][1] - recordings[0].spans()[0][1]) == pytest.approx(30.0, abs=0.001)


def test_older_recordings_whose_times_begin_at_zero_are_shown_before_newer_ones(clip: Path, tmp_path: Path) -> None:
    older = recorded(clip, tmp_path / "stream", 0.0)
    newer = recorded(clip, tmp_path / "stream", START)
    assert float(older.spans()[0][1]) < 2
    numbers, times = shown_by_ffmpeg(listed([older, newer]))
    assert numbers == [*range(PICTURES)] * 2
    assert times == sorted(times)
