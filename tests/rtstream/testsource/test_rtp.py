"""RTP payloads, numbered packets, sender reports and the session description of a clip."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest

from rtstream.testsource.faults import Faults
from rtstream.testsource.rtp import RtpTrack, aac_payload, h264_payloads, session_description
from rtstream.testsource.timeline import AUDIO, VIDEO, LoopedClip


@pytest.fixture(scope="module")
def looped(clip: Path) -> LoopedClip:
    return LoopedClip(clip)


def test_a_long_unit_is_sent_in_fragments_that_join_again() -> None:
    units = [b"\x67" + bytes(10), b"\x65" + bytes(range(256)) * 20]
    payloads = list(h264_payloads(units))
    assert payloads[0] == (units[0], False)
    fragments = [payload for payload, _ in payloads[1:]]
    assert all(len(fragment) <= 1402 for fragment in fragments)
    assert [fragment[1] & 0xC0 for fragment in fragments] == [0x80, *[0] * (len(fragments) - 2), 0x40]
    assert (
        bytes(((fragments[0][0] & 0xE0) | (fragments[0][1] & 0x1F),)) + b"".join(f[2:] for f in fragments) == units[1]
    )
    assert [marker for _, marker in payloads] == [False] * (len(payloads) - 1) + [True]


def test_an_aac_block_has_its_length_in_front() -> None:
    assert struct.unpack_from(">HH", aac_payload(b"x" * 321)) == (16, 321 << 3)


def test_packets_are_numbered_without_a_gap_and_counted_in_the_report(looped: LoopedClip) -> None:
    track = RtpTrack(looped, VIDEO)
    units = [unit for unit in itertools.islice(looped.units(), 60) if unit.track == VIDEO]
    packets = [packet for unit in units for packet in track.packets(unit, Faults())]
    numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in packets]
    assert numbers == list(range(1, len(packets) + 1))
    assert sum(packet[1] >> 7 for packet in packets) == len(units)  # one marker per picture
    report = struct.unpack(">BBHIIIIII", track.sender_report(2.0, 1000.5))
    assert report[4] - 2208988800 == 1002
    assert report[5] == 1 << 31  # half a second
    assert report[6] == 2 * 90000
    assert report[7] == len(packets)


def test_the_description_names_both_tracks(looped: LoopedClip) -> None:
    lines = session_description(looped).split("\r\n")
    assert [line for line in lines if line.startswith("m=")] == ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 97"]
    assert any(f"mpeg4-generic/{looped.audio_rate}/" in line for line in lines)
    assert set(looped.tracks) == {VIDEO, AUDIO}
