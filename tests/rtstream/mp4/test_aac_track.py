"""AAC takes the place of the stored audio of fragments, and the video stays as it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from rtstream.mp4.aac_track import SILENCE, audio_fragment, audio_track, init_with_aac, media_start, segment_with_aac
from rtstream.mp4.fragments import codecs, track_scales
from rtstream.mp4.recordings import StoredRecording
from rtstream.rules.playback_audio import FRAME
from rtstream.storage import LocalFiles
from rtstream.testsource import ClipSpec
from tests.sources import record

START = 1_000_000.0


@pytest.fixture
def recorded(clip_of: Callable[[ClipSpec], Path], tmp_path: Path) -> tuple[StoredRecording, LocalFiles]:
    """8 s with a keyframe every second and audio, in two pieces."""
    spec = ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones")
    recording = record(clip_of(spec), tmp_path / "rec", start=START, audio=True, gops=4)
    return recording, LocalFiles("/")


def test_the_audio_is_replaced_and_no_picture_changes(recorded: tuple[StoredRecording, LocalFiles]) -> None:
    recording, files = recorded
    rate = audio_track(recording.init).timescale
    first = round(START * rate) // FRAME
    frames = [SILENCE] * (4 * rate // FRAME)
    parts = segment_with_aac(recording.init, recording.pieces[0], first, frames, files.open)
    # The video is read from the stored file, and each group of pictures is followed by its audio.
    assert sum(isinstance(part, bytes) for part in parts) == 8
    media = b"".join(p if isinstance(p, bytes) else files.read(p.key, p.offset, p.length) for p in parts)
    piece = recording.pieces[0]
    stored = recording.init + files.read(piece.key, piece.offset, piece.length)
    with (
        av.open(io.BytesIO(init_with_aac(recording.init) + media), "r", format="mp4") as got,
        av.open(io.BytesIO(stored), "r", format="mp4") as wanted,
    ):
        pictures = [(frame.pts, frame.to_ndarray().tobytes()) for frame in got.decode(video=0)]
        assert pictures == [(frame.pts, frame.to_ndarray().tobytes()) for frame in wanted.decode(video=0)]
        got.seek(0)
        heard = list(got.decode(audio=0))
    assert len(heard) == len(frames)
    assert heard[0].pts == first * FRAME
    assert max(float(np.abs(frame.to_ndarray()).max()) for frame in heard) == 0
    assert heard[0].layout.name == "stereo"


def test_the_init_segment_declares_aac_with_the_rate_of_the_source(
    recorded: tuple[StoredRecording, LocalFiles],
) -> None:
    init = recorded[0].init
    replaced = init_with_aac(init)
    assert codecs(replaced).split(",")[1] == "mp4a.40.2"
    assert codecs(replaced).split(",")[0] == codecs(init).split(",")[0]
    assert track_scales(replaced) == track_scales(init)
    assert init_with_aac(replaced) == replaced


def test_a_segment_begins_with_its_first_picture(recorded: tuple[StoredRecording, LocalFiles]) -> None:
    recording, files = recorded
    starts = [media_start(recording.init, piece, files.open) for piece in recording.pieces]
    assert starts == pytest.approx([START, START + 4], abs=0.2)


def test_audio_that_aac_cannot_replace_is_named(recorded: tuple[StoredRecording, LocalFiles]) -> None:
    init = recorded[0].init
    rate = audio_track(init).timescale
    with pytest.raises(ValueError, match="sample rate of 192000 Hz"):
        init_with_aac(init.replace(rate.to_bytes(4, "big"), (192_000).to_bytes(4, "big")))
    with pytest.raises(ValueError, match="no audio track"):
        audio_track(init.replace(b"soun", b"meta"))


def test_a_fragment_of_audio_holds_each_frame_at_its_time(recorded: tuple[StoredRecording, LocalFiles]) -> None:
    init = recorded[0].init
    fragment = audio_fragment(audio_track(init), 7, [SILENCE, SILENCE + b"\0"])
    with av.open(io.BytesIO(init_with_aac(init) + fragment), "r", format="mp4") as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert [(packet.pts, packet.size) for packet in packets] == [(7 * FRAME, 6), (8 * FRAME, 7)]
