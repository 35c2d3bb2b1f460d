"""Audio for speech recognition: mono at 16 kHz in short blocks, with the time of each."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

from rtstream.messages import AudioTaken, Message
from rtstream.recorder.audio import BLOCK_S, RATE, AudioTap


class Tap:
    """A tap on the audio of a clip, whose packets carry ticks of the source's sample rate."""

    def __init__(self, clip: Path) -> None:
        self.sent: list[AudioTaken] = []
        self.counted: list[str] = []
        container = av.open(str(clip))
        stream = container.streams.audio[0]
        context = stream.codec_context
        assert isinstance(context, AudioCodecContext)
        self.rate = context.sample_rate
        self.packets: list[Packet] = []
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                packet.pts = packet.dts = round(packet.pts * packet.time_base * self.rate)
                packet.time_base = Fraction(1, self.rate)
                self.packets.append(packet)
        self.tap = AudioTap(context, self.rate, self._take, self.counted.append)
        self._container = container

    def _take(self, message: Message) -> None:
        assert isinstance(message, AudioTaken)
        self.sent.append(message)


@pytest.fixture
def tap(clip: Path) -> Tap:
    return Tap(clip)


def samples(sent: list[AudioTaken]) -> int:
    return sum(len(one.payload) // 2 for one in sent)


def test_audio_comes_in_blocks_that_follow_each_other(tap: Tap) -> None:
    tap.tap.set_on(True)
    for packet in tap.packets:
        tap.tap.add(packet, 1000.0)
    tap.tap.finish()
    assert samples(tap.sent) / RATE == pytest.approx(6.0, abs=0.2)
    for before, after in zip(tap.sent[:-1], tap.sent[1:], strict=True):
        assert len(before.payload) == round(BLOCK_S * RATE) * 2
        assert after.time - before.time == pytest.approx(BLOCK_S, abs=1e-6)
    assert tap.sent[0].time == pytest.approx(1000.0, abs=0.1)
    heard = np.frombuffer(b"".join(one.payload for one in tap.sent), "<i2")
    assert np.abs(heard.astype(int)).max() > 1000


def test_nothing_is_decoded_while_the_tap_is_off_or_the_time_is_unknown(tap: Tap) -> None:
    tap.tap.add(tap.packets[0], 1000.0)
    tap.tap.set_on(True)
    assert tap.tap.is_on
    tap.tap.add(tap.packets[1], None)
    tap.tap.finish()
    assert tap.sent == []


def test_a_gap_in_the_source_ends_a_block_and_moves_the_time(tap: Tap) -> None:
    tap.tap.set_on(True)
    for number, packet in enumerate(tap.packets[:200]):
        tap.tap.add(packet, 1000.0 if number < 100 else 1005.0)
    tap.tap.finish()
    steps = [after.time - before.time for before, after in zip(tap.sent[:-1], tap.sent[1:], strict=True)]
    assert [step > 4 for step in steps].count(True) == 1
    for before, after in zip(tap.sent[:-1], tap.sent[1:], strict=True):
        if after.time - before.time < 4:
            assert after.time - before.time == pytest.approx(len(before.payload) / 2 / RATE, abs=0.051)


def test_a_damaged_packet_is_counted_and_the_next_ones_are_decoded(tap: Tap) -> None:
    tap.tap.set_on(True)
    damaged = Packet(b"\xff" * 300)
    damaged.pts = damaged.dts = tap.packets[20].pts
    damaged.time_base = tap.packets[20].time_base
    for packet in [*tap.packets[:20], damaged, *tap.packets[21:80]]:
        tap.tap.add(packet, 1000.0)
    tap.tap.finish()
    assert set(tap.counted) <= {"audio_corrupt"}
    assert samples(tap.sent) / RATE > 0.5
