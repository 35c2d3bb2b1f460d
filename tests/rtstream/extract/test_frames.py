"""Pictures out of recorded segments, checked by the frame number in them."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from rtstream.extract.frames import (
    GAP,
    ContactSheet,
    ExtractedFrame,
    StoredRecording,
    StoredSegment,
    contact_sheet,
    frame_at,
)
from rtstream.forkserver import context
from rtstream.mp4.fragments import FragmentSplitter
from rtstream.testsource import ClipSpec, read_barcode
from tests.sources import FILES, key_of, path_of, record

START = 1_700_000_000.25
FPS = 30


def number(frame: ExtractedFrame) -> int:
    return read_barcode(simplejpeg.decode_jpeg(frame.jpeg))


@pytest.mark.parametrize("bframes", [0, 2])
def test_the_picture_is_the_one_shown_at_that_time(
    clip_of: Callable[[ClipSpec], Path], tmp_path: Path, bframes: int
) -> None:
    clip = clip_of(ClipSpec(width=320, height=180, seconds=3, gop=15, bframes=bframes, bitrate=300_000, audio=False))
    recording = record(clip, tmp_path, start=START)
    for wanted in (0, 1, 14, 15, 29, 30, 44, 45, 61, 89):
        exactly = START + wanted / FPS
        for at in (exactly, exactly + 0.016, exactly + 0.032):
            frame = frame_at(FILES, recording.init, recording.pieces, at, 320)
            assert number(frame) == wanted
            assert frame.time == pytest.approx(exactly, abs=1e-4)


def test_before_the_recording_the_first_picture_is_shown_and_after_it_the_last(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    assert number(frame_at(FILES, recording.init, recording.pieces, START - 5, 320)) == 0
    assert number(frame_at(FILES, recording.init, recording.pieces, START + 99, 320)) == 179


def test_a_picture_is_made_smaller_and_never_larger(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    small, whole = (frame_at(FILES, recording.init, recording.pieces, START + 1, side) for side in (160, 4000))
    assert (small.width, small.height) == (160, 90)
    assert simplejpeg.decode_jpeg_header(small.jpeg)[:2] == (90, 160)
    assert (whole.width, whole.height) == (320, 180)


@pytest.mark.parametrize(("ratio", "shown"), [("64/45", (456, 180)), ("8/9", (284, 180)), ("1", (320, 180))])
def test_pixels_that_are_not_square_are_shown_in_their_proportion(
    clip: Path, tmp_path: Path, ratio: str, shown: tuple[int, int]
) -> None:
    other = tmp_path / "other.mp4"
    sar = f"h264_metadata=sample_aspect_ratio={ratio}"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-bsf:v", sar, str(other)]
    subprocess.run(command, check=True, timeout=20)
    recording = record(other, tmp_path / "run", start=START)
    frame = frame_at(FILES, recording.init, recording.pieces, START + 1, 2000)
    sheet = contact_sheet(FILES, [recording], [START + 1], 2000)
    assert (frame.width, frame.height) == shown
    label = shown[1] // 14 * 3 // 2
    assert (sheet.width, sheet.height) == (shown[0], shown[1] + label)


def test_extraction_runs_in_a_media_process_and_the_caller_needs_no_codec_library(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    with ProcessPoolExecutor(1, mp_context=context()) as pool:
        frame = pool.submit(frame_at, FILES, recording.init, recording.pieces, START + 1, 320).result(30)
        refused = pool.submit(frame_at, FILES, recording.init, [], START, 320)
        with pytest.raises(ValueError, match="nothing is recorded"):
            refused.result(30)
    assert number(frame) == 30
    check = "import sys, rtstream.extract.frames; sys.exit(any(m in sys.modules for m in ('av', 'numpy', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_damage_is_shown_around_and_what_cannot_be_read_is_one_sentence(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    path = path_of(recording.pieces[0].key)
    good = path.read_bytes()
    bad = bytearray(good)
    bad[5000:5400] = bytes(400)
    path.write_bytes(bad)
    assert frame_at(FILES, recording.init, recording.pieces, START + 0.9, 320).width == 320
    path.write_bytes(bytes(len(good)))
    with pytest.raises(ValueError, match=r"cannot be decoded|no video"):
        frame_at(FILES, recording.init, recording.pieces, START, 320)
    path.unlink()
    with pytest.raises(ValueError, match="no longer exists on disk"):
        frame_at(FILES, recording.init, recording.pieces, START, 320)


def test_sound_alone_has_no_picture(clip: Path, tmp_path: Path) -> None:
    sink = FragmentSplitter()
    options = {"movflags": "empty_moov+delay_moov+default_base_moof+skip_trailer", "frag_duration": "1000000"}
    with av.open(str(clip)) as source, av.open(sink, "w", format="mp4", options=options) as muxer:
        out = muxer.add_stream_from_template(source.streams.audio[0])
        for packet in itertools.islice(source.demux(audio=0), 100):
            packet.stream = out
            muxer.mux(packet)
    path = tmp_path / "audio.m4s"
    path.write_bytes(sink.fragments[0])
    with pytest.raises(ValueError, match="no video"):
        frame_at(FILES, sink.init, [StoredSegment(key_of(path), 0, len(sink.fragments[0]), START)], START, 320)


def test_a_contact_sheet_shows_each_moment_with_its_time(clip: Path, tmp_path: Path) -> None:
    first = record(clip, tmp_path, start=START)
    second = record(clip, tmp_path / "later", start=START + 100)
    times = [START + t for t in (0.5, 2.0, 4.0, 101.0, 103.5)]
    sheet = contact_sheet(FILES, [first, second], times, 960)
    assert sheet.times == pytest.approx(times, abs=1 / FPS)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.jpeg)))
    assert pixels.shape == (sheet.height, sheet.width, 3)
    assert 940 <= sheet.width <= 960
    width, row = (sheet.width - 2 * GAP) // 3, sheet.height // 2
    height = width * 9 // 16
    places = [(x * (width + GAP), y * row) for y in range(2) for x in range(3)]
    tiles = [pixels[y : y + height, x : x + width] for x, y in places]
    assert [read_barcode(tile) for tile in tiles[:5]] == [15, 60, 120, 30, 105]
    assert tiles[5].max() < 16  # nothing there
    # The times are white on black below the pictures, of which nothing is covered.
    labels = [pixels[y + height + 2 : y + row - 1, x : x + width] for x, y in places]
    assert [bool(label.max() > 200 and np.median(label) < 16) for label in labels] == [True] * 5 + [False]
    for tile, at in zip(tiles[:5], times, strict=False):
        recording = first if at < START + 50 else second
        own = Image.open(io.BytesIO(frame_at(FILES, recording.init, recording.pieces, at, 320).jpeg))
        alone = np.asarray(own.resize((width, height))).astype(int)
        assert np.abs(alone - tile).mean() < 6


def test_the_labels_of_small_pictures_do_not_reach_the_next_one(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    sheet = contact_sheet(FILES, [recording], [START + 0.1 * n for n in range(36)], 512)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.jpeg)).convert("L"))
    width = (sheet.width - 5 * GAP) // 6
    assert max(sheet.width, sheet.height) <= 512
    assert all(
        pixels[:, x + width + 1 : x + width + GAP - 1].max() < 60 for x in range(0, 5 * (width + GAP), width + GAP)
    )


def test_a_contact_sheet_leaves_out_what_cannot_be_decoded(clip: Path, tmp_path: Path) -> None:
    recording = record(clip, tmp_path, start=START)
    lost = StoredRecording(
        recording.init, [replace(recording.pieces[0], key=key_of(tmp_path / "gone"), start=START + 50)]
    )
    sheet = contact_sheet(FILES, [recording, lost], [START + 1, START + 50], 640)
    assert isinstance(sheet, ContactSheet)
    assert len(sheet.times) == 1
    with pytest.raises(ValueError, match="none of the pictures"):
        contact_sheet(FILES, [lost], [START + 50], 640)
    with pytest.raises(ValueError, match="1 to 64"):
        contact_sheet(FILES, [recording], [], 640)
