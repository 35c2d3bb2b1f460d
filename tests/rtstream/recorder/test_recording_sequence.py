"""After a failure, recording continues with the next keyframe of the connection."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
import pytest

from rtstream.messages import Message, RecorderHealth, RecorderSpec, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.recorder import recording_sequence
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.outbox import Outbox
from rtstream.recorder.recording_sequence import RecordingSequence
from rtstream.recorder.source import Source, open_source
from rtstream.recorder.source_health import SourceHealth
from rtstream.recorder.source_media import SourceMedia
from rtstream.recorder.writer import VIDEO_RATE
from rtstream.rules.timestamps import Placed
from rtstream.rules.track_flow import TrackFlow
from rtstream.rules.wall_clock import WallClock

Kind = TypeVar("Kind", bound=Message)


class Sent(Outbox):
    """An outbox that keeps its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [message for message in self.messages if isinstance(message, kind)]


class Recorded(NamedTuple):
    source: Source
    sequence: RecordingSequence
    sent: Sent
    spec: RecorderSpec
    flows: dict[bool, TrackFlow]


@pytest.fixture
def recorded(clip: Path, tmp_path: Path) -> Recorded:
    spec = RecorderSpec("rts-1", clip.as_uri(), ["video"], True, str(tmp_path), segment_s=1.0)
    source, sent, clock = open_source(spec), Sent(), WallClock()
    clock.offset = 1_800_000_000.0
    media = SourceMedia(source.video, source.audio, source.media)
    health = SourceHealth(sent.send, lambda: media.shown)
    flows = {True: TrackFlow("video", time.monotonic()), False: TrackFlow("audio", time.monotonic())}
    sequence = RecordingSequence(spec, media, sent, DiskSync(), clock, health, flows)
    return Recorded(source, sequence, sent, spec, flows)


def play(recorded: Recorded, *, keyframes_until_pause: int = 0) -> int:
    """Record the whole clip, or its part before a keyframe. Returns the number of keyframes."""
    assert recorded.source.video is not None
    keyframes = 0
    for packet in recorded.source.container.demux(recorded.source.video):
        if packet.dts is None or packet.pts is None:
            continue
        keyframes += packet.is_keyframe
        if keyframes_until_pause and keyframes == keyframes_until_pause:
            return keyframes
        scale = packet.time_base * VIDEO_RATE
        placed = Placed(round(packet.dts * scale), round(packet.pts * scale))
        packet.dts, packet.pts, packet.time_base = placed.dts, placed.pts, Fraction(1, VIDEO_RATE)
        recorded.sequence.add(packet, True, placed, placed.dts / VIDEO_RATE)
    return keyframes


def test_a_clip_is_one_recording_with_consecutive_segments(recorded: Recorded) -> None:
    play(recorded)
    recorded.sequence.finish()
    segments = recorded.sent.of(SegmentClosed)
    assert len(recorded.sent.of(RecordingStarted)) == len(recorded.sent.of(RecordingEnded)) == 1
    assert len(segments) > 3
    for segment, later in pairwise(segments):
        assert segment.start + segment.duration == pytest.approx(later.start)


def test_a_full_disk_pauses_the_recording_which_begins_again_once_there_is_room(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_sequence, "RETRY_S", 0.0)
    recorded.sequence.adjust(replace(recorded.spec, min_free_bytes=shutil.disk_usage(recorded.spec.folder).total * 2))
    play(recorded, keyframes_until_pause=3)
    assert not recorded.sent.of(SegmentClosed)
    assert recorded.sent.of(RecorderHealth)[-1].reason.startswith("recording is paused: less than")
    assert recorded.sent.of(RecorderHealth)[-1].code == "disk_full"
    recorded.sequence.adjust(recorded.spec)
    play(recorded)
    assert recorded.sent.of(SegmentClosed)
    assert recorded.sent.of(RecorderHealth)[-1].reason == ""  # shown once a segment is stored


def test_packets_are_counted_as_stored_and_written_or_dropped_by_reason(recorded: Recorded) -> None:
    play(recorded)
    recorded.sequence.finish()
    video = recorded.flows[True]
    assert video.counts["stored"] > 100
    assert video.counts["dropped"] == {}
    assert video.fragments > 3
    assert video.look(time.monotonic() + 5) is None
    recorded.sequence.format_changed()
    recorded.source.container.seek(0)
    undecodable = next(packet for packet in recorded.source.container.demux(video=0) if not packet.is_keyframe)
    recorded.sequence.add(undecodable, True, Placed(0, 0), 0.0)
    assert video.counts["dropped"] == {"before_keyframe": 1}


def test_a_damaged_packet_is_counted_and_does_not_end_the_recording(recorded: Recorded) -> None:
    play(recorded, keyframes_until_pause=3)
    wrong = av.Packet(b"\0\0\0\1\x41")
    wrong.time_base = Fraction(1, VIDEO_RATE)
    recorded.sequence.add(wrong, True, Placed(90_000, 90_000 - 1_000_000), 1.0)
    play(recorded)
    recorded.sequence.finish()
    assert recorded.sent.dropped["packets_unstorable"] >= 1
    assert len(recorded.sent.of(RecordingStarted)) == 1
