"""Audio as AAC frames: damaged packets and missing audio are silent, and everything else stays at its time."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from rtstream.extract import playback_audio
from rtstream.extract.playback_audio import aac_frames
from rtstream.mp4.aac_track import audio_fragment, audio_track, init_with_aac
from rtstream.mp4.fragment_reader import each_fragment
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_fragment, read_init
from rtstream.rules.playback_audio import FRAME
from rtstream.storage import LocalFiles
from rtstream.testsource import ClipSpec
from tests.sources import record

START = 1_000_000
FILES = LocalFiles("/")
NO_LIMITS = (0.0, float("inf"))


@pytest.fixture
def recording(clip_of: Callable[[ClipSpec], Path], tmp_path: Path) -> StoredRecording:
    """8 s with a keyframe every second and a constant tone."""
    spec = ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones")
    return record(clip_of(spec), tmp_path / "rec", start=float(START), audio=True, gops=2)


def samples(recording: StoredRecording, first: int, frames: list[bytes]) -> NDArray[np.float32]:
    media = init_with_aac(recording.init) + audio_fragment(audio_track(recording.init), first, frames)
    with av.open(io.BytesIO(media), "r", format="mp4") as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def frame_at(recording: StoredRecording, seconds: float) -> int:
    return round((START + seconds) * audio_track(recording.init).timescale) // FRAME


def test_parts_that_are_encoded_alone_are_as_one(recording: StoredRecording, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = frame_at(recording, 1), frame_at(recording, 6)
    whole = aac_frames(FILES, recording, "mp4a.40.2", first, last, NO_LIMITS)
    monkeypatch.setattr(playback_audio, "AT_ONCE", 37)
    parts = aac_frames(FILES, recording, "mp4a.40.2", first, last, NO_LIMITS)
    one, other = samples(recording, first, whole), samples(recording, first, parts)
    assert len(one) == len(other) == (last - first) * FRAME
    assert np.abs(one - other).max() < 0.008


def test_audio_beyond_the_limits_is_left_out(recording: StoredRecording) -> None:
    first, last = frame_at(recording, 1), frame_at(recording, 3)
    found = aac_frames(FILES, recording, "mp4a.40.2", first, last, (START + 1.5, START + 2.5))
    heard = samples(recording, first, found)
    rate = audio_track(recording.init).timescale
    at = first * FRAME / rate - START
    inside = heard[round((1.55 - at) * rate) : round((2.45 - at) * rate)]
    assert np.abs(heard[: round((1.45 - at) * rate)]).max() < 0.003
    assert np.abs(heard[round((2.55 - at) * rate) :]).max() < 0.003
    assert np.abs(inside).max() > 0.05


def test_damaged_packets_are_silent_and_move_nothing(recording: StoredRecording) -> None:
    first, last = frame_at(recording, 1), frame_at(recording, 6)
    intact = samples(recording, first, aac_frames(FILES, recording, "mp4a.40.2", first, last, NO_LIMITS))
    rate = audio_track(recording.init).timescale
    damage(recording, round((START + 2) * rate), round((START + 2.5) * rate))
    hurt = samples(recording, first, aac_frames(FILES, recording, "mp4a.40.2", first, last, NO_LIMITS))
    at = round((2.7 - (first * FRAME / rate - START)) * rate)
    assert np.abs(intact[at:-2048] - hurt[at:-2048]).max() < 0.008


def damage(recording: StoredRecording, begin: int, end: int) -> None:
    tracks, track = read_init(recording.init), audio_track(recording.init)
    for piece in recording.pieces:
        with open("/" + piece.key, "r+b") as file:
            for stretch, moof in list(each_fragment(file, piece.key, piece.offset, piece.offset + piece.length)):
                own = read_fragment(moof, tracks)[track.id]
                at = stretch.offset + own.chunks[0][0]
                for time, size in zip(own.decoded, own.sizes, strict=True):
                    if begin <= time < end:
                        file.seek(at)
                        file.write(b"\xff" * int(size))
                    at += int(size)


def test_audio_that_has_no_decoder_is_refused(recording: StoredRecording) -> None:
    with pytest.raises(ValueError, match="no decoder for samr"):
        aac_frames(FILES, recording, "samr", frame_at(recording, 1), frame_at(recording, 2), NO_LIMITS)


def test_audio_of_which_no_packet_can_be_decoded_is_refused(recording: StoredRecording) -> None:
    damage(recording, 0, 1 << 60)
    with pytest.raises(ValueError, match="cannot be decoded"):
        aac_frames(FILES, recording, "mp4a.40.2", frame_at(recording, 1), frame_at(recording, 2), NO_LIMITS)
