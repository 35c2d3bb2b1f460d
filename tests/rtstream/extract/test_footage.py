"""Ranges of files that a recorder wrote, read back as the live taps would have sent them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtstream.extract.footage import recorded_audio, sampled_pictures
from rtstream.extract.frames import ExtractedFrame
from rtstream.forkserver import context
from rtstream.messages import RecordingStarted
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.testsource import ClipSpec, read_barcode
from tests.rtstream.recorder.test_writer import record, segments_of
from tests.sources import FILES, key_of, path_of

START = 1_800_000_000.0
FPS = 30


def recorded(source: Path, folder: Path, start: float = START, segment_s: float = 1.0) -> StoredRecording:
    """A file as a recorder stores it, whose first picture is shown at ``start``."""
    folder.mkdir(exist_ok=True)
    sent = record(source, folder, segment_s, start=start - 1)
    [opened] = [message for message in sent if isinstance(message, RecordingStarted)]
    shift = start - opened.started_at
    pieces = [
        StoredSegment(key_of(folder / one.path), one.offset, one.length, one.start + shift) for one in segments_of(sent)
    ]
    return StoredRecording(opened.payload, pieces)


def encoded(clip: Path, path: Path, *options: str) -> Path:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clip), *options, str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def numbers(frames: list[ExtractedFrame]) -> list[int]:
    """The number of the picture that each frame shows."""
    return [read_barcode(np.asarray(Image.open(io.BytesIO(frame.jpeg)).convert("L"))) for frame in frames]


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize(("begin", "seconds", "interval_s"), [(1.2, 2.0, 0.4), (0.0, 1.0, 0.1), (2.5, 0.5, 0.25)])
def test_a_range_is_sampled_on_the_grid_of_live_windows(
    clip_of: Callable[[ClipSpec], Path], tmp_path: Path, bframes: int, begin: float, seconds: float, interval_s: float
) -> None:
    clip = clip_of(ClipSpec(width=320, height=180, seconds=4, gop=15, bframes=bframes, bitrate=300_000, audio=False))
    footage = recorded(clip, tmp_path / "run")
    frames = sampled_pictures(FILES, [footage], START + begin, START + begin + seconds, interval_s, 320)
    cells = [begin + cell * interval_s for cell in range(round(seconds / interval_s))]
    wanted = [-(-round(cell * FPS * 1000) // 1000) for cell in cells]  # the first picture of each cell
    assert numbers(frames) == wanted
    assert [frame.time - START for frame in frames] == pytest.approx([one / FPS for one in wanted], abs=2e-3)


def test_a_gap_between_recordings_has_no_pictures(clip: Path, tmp_path: Path) -> None:
    first = recorded(clip, tmp_path / "a")
    second = recorded(clip, tmp_path / "b", START + 10.5)
    frames = sampled_pictures(FILES, [first, second], START + 4, START + 13, 1.0, 320)
    assert [round(frame.time - START, 2) for frame in frames] == [4.0, 5.0, 10.5, 11.0, 12.0]
    assert numbers(frames) == [120, 150, 0, 15, 45]
    audio = recorded_audio(FILES, [first, second], START + 4, START + 13)
    holes = [(a.time + len(a.samples) / 32_000, b.time) for a, b in pairwise(audio)]
    [(left, right)] = [(round(a - START, 1), round(b - START, 1)) for a, b in holes if b - a > 0.05]
    assert left == pytest.approx(6.0, abs=0.2)
    assert right == pytest.approx(10.5, abs=0.2)


def test_long_intervals_need_only_keyframes(clip: Path, tmp_path: Path) -> None:
    footage = recorded(clip, tmp_path / "run")
    frames = sampled_pictures(FILES, [footage], START, START + 6, 2.0, 320)
    assert numbers(frames) == [0, 60, 120]


@pytest.mark.parametrize("codec", [["libx265", "-x265-params", "log-level=none:keyint=15:bframes=3"], ["mpeg4"]])
def test_other_codecs_are_read(clip: Path, tmp_path: Path, codec: list[str]) -> None:
    other = encoded(clip, tmp_path / "other.mp4", "-t", "3", "-an", "-c:v", *codec, "-g", "15", "-b:v", "900k")
    footage = recorded(other, tmp_path / "run")
    frames = sampled_pictures(FILES, [footage], START + 1, START + 2, 0.25, 320)
    assert numbers(frames) == [30, 38, 45, 53]


@pytest.mark.parametrize(("ratio", "shown"), [("64/45", (456, 180)), ("8/9", (284, 180)), ("1", (320, 180))])
def test_pixels_that_are_not_square_are_shown_in_their_proportion(
    clip: Path, tmp_path: Path, ratio: str, shown: tuple[int, int]
) -> None:
    bitstream = f"h264_metadata=sample_aspect_ratio={ratio}"
    footage = recorded(encoded(clip, tmp_path / "o.mp4", "-c", "copy", "-bsf:v", bitstream), tmp_path / "run")
    [frame] = sampled_pictures(FILES, [footage], START + 1, START + 2, 1.0, 2000)
    assert (frame.width, frame.height) == Image.open(io.BytesIO(frame.jpeg)).size == shown


def test_audio_alone_has_sound_and_no_pictures(clip: Path, tmp_path: Path) -> None:
    footage = recorded(encoded(clip, tmp_path / "o.m4a", "-vn", "-c", "copy"), tmp_path / "run")
    assert sampled_pictures(FILES, [footage], START, START + 6, 1.0, 320) == []
    heard = recorded_audio(FILES, [footage], START + 1, START + 3)
    assert sum(len(block.samples) for block in heard) == pytest.approx(64_000, abs=100)


def test_video_alone_has_pictures_and_no_sound(clip: Path, tmp_path: Path) -> None:
    footage = recorded(encoded(clip, tmp_path / "o.mp4", "-an", "-c", "copy"), tmp_path / "run")
    assert recorded_audio(FILES, [footage], START, START + 6) == []


@pytest.mark.parametrize(("begin", "end"), [(0.5, 1.5), (1.0, 3.25), (2.999, 4.001)])
def test_audio_is_cut_to_the_sample_and_equals_that_of_the_file(
    clip: Path, tmp_path: Path, begin: float, end: float
) -> None:
    footage = recorded(clip, tmp_path / "run")
    heard = recorded_audio(FILES, [footage], START + begin, START + end)
    assert heard[0].time - START == pytest.approx(begin, abs=1e-3)
    joined = np.frombuffer(b"".join(block.samples for block in heard), "<i2").astype(float)
    assert len(joined) == pytest.approx((end - begin) * 16_000, abs=32)
    raw = encoded(clip, tmp_path / "o.wav", "-ss", str(begin), "-to", str(end), "-ac", "1", "-ar", "16000")
    wanted = np.frombuffer(raw.read_bytes()[-2 * round((end - begin) * 16_000) :], "<i2").astype(float)
    size = min(len(joined), len(wanted))
    middle = wanted[800 : size - 800]
    best = max(np.corrcoef(joined[800 + shift : size - 800 + shift], middle)[0, 1] for shift in range(-40, 41))
    assert best > 0.98


def test_a_range_in_pieces_has_the_same_pictures_as_at_once(clip: Path, tmp_path: Path) -> None:
    footage = recorded(clip, tmp_path / "run")
    whole = sampled_pictures(FILES, [footage], START, START + 6, 0.4, 320)
    parts = [
        frame
        for at in range(3)
        for frame in sampled_pictures(FILES, [footage], START + 2 * at, START + 2 * at + 2, 0.4, 320)
    ]
    assert [(frame.time, frame.jpeg) for frame in parts] == [(frame.time, frame.jpeg) for frame in whole]


def test_damage_costs_only_what_it_hits_and_missing_files_are_one_sentence(clip: Path, tmp_path: Path) -> None:
    footage = recorded(clip, tmp_path / "run")
    path = path_of(footage.pieces[0].key)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    middle = footage.pieces[2].offset + footage.pieces[2].length // 2
    damaged[middle : middle + 500] = bytes(500)
    path.write_bytes(damaged)
    frames = sampled_pictures(FILES, [footage], START, START + 6, 0.5, 320)
    assert {0, 15, 30, 45, 135, 150} <= set(numbers(frames))
    path.write_bytes(whole[: footage.pieces[3].offset])
    assert len(sampled_pictures(FILES, [footage], START, START + 6, 0.5, 320)) >= 5
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(ValueError, match=r"cannot be decoded|no longer"):
        sampled_pictures(FILES, [StoredRecording(b"", footage.pieces)], START, START + 6, 0.5, 320)
    path.unlink()
    for read in (
        lambda: sampled_pictures(FILES, [footage], START, START + 1, 1.0, 320),
        lambda: recorded_audio(FILES, [footage], START, START + 1),
    ):
        with pytest.raises(ValueError, match="no longer exists on disk"):
            read()
    with pytest.raises(ValueError, match="nothing is recorded"):
        recorded_audio(FILES, [], START, START + 1)


def test_the_engine_reads_footage_without_a_codec_library(clip: Path, tmp_path: Path) -> None:
    footage = recorded(clip, tmp_path / "run")
    with ProcessPoolExecutor(1, mp_context=context()) as pool:
        frames = pool.submit(sampled_pictures, FILES, [footage], START, START + 1, 0.5, 320).result(30)
        heard = pool.submit(recorded_audio, FILES, [footage], START, START + 1).result(30)
    assert numbers(frames) == [0, 15]
    assert heard
    check = "import sys, rtstream.extract.footage; sys.exit(any(m in sys.modules for m in ('av', 'numpy', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
