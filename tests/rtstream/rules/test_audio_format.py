"""The sample rate and channels in the headers of real frames, as encoders of FFmpeg wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.audio_format import HEADER_BYTES, MASKS, AudioFormat, audio_format


@pytest.mark.parametrize(
    ("codec", "head", "rate", "channels"),
    [
        ("aac", "fff14c40213ffcde", 48000, 1),
        ("aac", "fff15080213ffcde", 44100, 2),
        ("aac", "fff14d80213ffcde", 48000, 6),
        ("mp2", "fffda404", 48000, 2),
        ("mp2", "fff5a4c4", 24000, 1),
        ("mp3", "fffb9064", 44100, 2),
        ("mp3", "fff368c4", 16000, 1),
        ("ac3", "0b77a5df00404043", 48000, 2),
        ("ac3", "0b77a5df5040e100", 44100, 6),
        ("ac3", "0b77a5df90402000", 32000, 1),
        ("eac3", "0b7702ff3f87ff00", 48000, 6),
        ("eac3", "0b7702ff3287ff00", 48000, 1),
    ],
)
def test_a_header_states_rate_and_channels(codec: str, head: str, rate: int, channels: int) -> None:
    assert audio_format(codec, bytes.fromhex(head.ljust(2 * HEADER_BYTES, "0"))) == AudioFormat(rate, channels)


@given(st.sampled_from([*MASKS, "opus", "flac"]), st.binary(max_size=12))
def test_any_bytes_are_a_plausible_format_or_none(codec: str, head: bytes) -> None:
    found = audio_format(codec, head)
    assert found is None or (1 <= found.channels <= 8 and 7000 <= found.rate <= 96000)


SYNC = {"aac": b"\xff\xf1", "mp2": b"\xff\xfd", "mp3": b"\xff\xfb", "ac3": b"\x0b\x77", "eac3": b"\x0b\x77"}


@given(st.sampled_from([*MASKS]), st.binary(min_size=6, max_size=6), st.integers(0, 47))
def test_frames_with_the_same_masked_header_have_the_same_format(codec: str, rest: bytes, bit: int) -> None:
    number = int.from_bytes(SYNC[codec] + rest, "big")
    other = number ^ (1 << bit & ~MASKS[codec])
    assert audio_format(codec, other.to_bytes(8, "big")) == audio_format(codec, SYNC[codec] + rest)


@pytest.mark.parametrize("lfe", [0, 1])
@pytest.mark.parametrize("mix", ["00", "01", "10", "11"])
@pytest.mark.parametrize(("mode", "channels"), list(enumerate([2, 1, 2, 3, 3, 4, 4, 5])))
def test_every_arrangement_of_ac3_is_counted_with_its_bass_channel(
    mode: int, channels: int, mix: str, lfe: int
) -> None:
    bits = f"{mode:03b}"
    bits += mix if mode & 1 and mode != 1 else ""  # level of the centre
    bits += mix if mode & 4 else ""  # level of the surrounds
    bits += mix if mode == 2 else ""  # Dolby Surround
    tail = int(f"{bits}{lfe}".ljust(16, "0"), 2).to_bytes(2, "big")
    head = bytes.fromhex("0b77a5df0040") + tail
    assert audio_format("ac3", head.ljust(HEADER_BYTES, b"\0")) == AudioFormat(48000, channels + lfe)


@pytest.mark.parametrize("version", range(32))
def test_the_version_of_a_stream_tells_ac3_and_eac3_apart(version: int) -> None:
    head = bytes.fromhex("0b7702ff") + b"\x3f" + bytes([version << 3 | 7]) + b"\xff\x00"
    assert (audio_format("ac3", head.ljust(HEADER_BYTES, b"\0")) is not None) == (version <= 10)
    assert (audio_format("eac3", head.ljust(HEADER_BYTES, b"\0")) is not None) == (version > 10)


def test_the_length_of_a_frame_and_its_media_are_not_part_of_its_format() -> None:
    frames = [int.from_bytes(bytes.fromhex(head), "big") for head in ("fff14c40213ffcde", "fff14c401a9ffc21")]
    assert frames[0] & MASKS["aac"] == frames[1] & MASKS["aac"]
    assert not any(mask & 0xFF for mask in MASKS.values())


MPEG_RATES = {  # ISO/IEC 11172-3 and 13818-3: the rates of versions 1, 2 and 2.5, in the order of their numbers
    3: (44100, 48000, 32000),
    2: (22050, 24000, 16000),
    0: (11025, 12000, 8000),
}


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_every_version_rate_and_mode_of_mpeg_audio_is_read(version: int, layer: int) -> None:
    for rate in range(4):
        for mode in range(4):
            head = bytes([0xFF, 0xE1 | version << 3 | layer << 1, 0x90 | rate << 2, mode << 6 | 0x04])
            wanted = None
            if version != 1 and rate != 3:
                wanted = AudioFormat(MPEG_RATES[version][rate], 1 if mode == 3 else 2)
            assert audio_format("mp3", head.ljust(HEADER_BYTES, b"\0")) == wanted


@pytest.mark.parametrize("head", ["fee19004", "7fe19004", "ffc19004", "ff9b9004", "fff99004"])
def test_what_is_no_header_of_mpeg_audio_is_none(head: str) -> None:
    assert audio_format("mp3", bytes.fromhex(head.ljust(2 * HEADER_BYTES, "0"))) is None


@pytest.mark.parametrize(("number", "channels"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 8)])
def test_every_rate_and_number_of_channels_of_aac_is_read(number: int, channels: int) -> None:
    rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
    for index in range(16):
        head = bytes([0xFF, 0xF1, 0x40 | index << 2 | number >> 2, (number & 3) << 6])
        wanted = AudioFormat(rates[index], channels) if index < len(rates) else None
        assert audio_format("aac", head.ljust(HEADER_BYTES, b"\0")) == wanted
