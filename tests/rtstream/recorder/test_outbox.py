"""Messages of a recorder wait for a slow engine, in a bounded amount, and keep the order that matters."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from rtstream.messages import AudioTaken, FrameTaken, Message, RecordingEnded, SegmentClosed, decode
from rtstream.recorder import outbox
from rtstream.recorder.outbox import SAMPLE_BYTES, Outbox
from rtstream.rules.gaps import UNSEEN_S


class Engine:
    """An engine that reads nothing until it is released."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.reads = threading.Event()
        self.busy = threading.Event()

    def send_bytes(self, message: bytes, /) -> None:
        self.busy.set()
        assert self.reads.wait(10)
        self.got.append(decode(message))

    def close(self) -> None: ...


def frame(at: float) -> FrameTaken:
    return FrameTaken(at, ["tap"], 2, 2, b"jpeg")


def send(*messages: Message) -> tuple[list[Message], Outbox]:
    """Send to an engine that reads nothing meanwhile. Returns what it gets in the end."""
    box, engine = Outbox(), Engine()
    box.attach(engine)
    box.send(AudioTaken(0.0, payload=b""))
    assert engine.busy.wait(10)
    for message in messages:
        box.send(message)
    engine.reads.set()
    box.drain(10)
    return engine.got[1:], box


def test_a_recording_ends_behind_its_frames_and_segments_are_sent_first() -> None:
    ended, closed = RecordingEnded("rec-1", 3.0), SegmentClosed("rec-1", 0.0, 1.0, "a.m4s", 0, 1)
    got, _ = send(frame(1.0), frame(2.0), ended, frame(500.0), closed)
    assert got == [closed, frame(1.0), frame(2.0), ended, frame(500.0)]


def test_waiting_frames_are_dropped_together_and_counted_but_never_the_end_of_a_recording() -> None:
    ended = RecordingEnded("rec-1", 3.0)
    frames = [frame(float(number)) for number in range(outbox.SAMPLES + 20)]
    got, box = send(ended, *frames)
    assert got == [ended, *frames[outbox.SAMPLES :]]
    assert box.dropped == {"frames_unsent": outbox.SAMPLES}


def test_samples_that_wait_too_long_are_dropped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LONGEST_WAIT_S", 0.0)
    got, box = send(frame(1.0), AudioTaken(1.0, payload=bytes(32_000)), frame(2.0))
    assert got == [frame(2.0)]
    assert box.dropped == {"frames_unsent": 1, "audio_unsent_s": 1.0}


def test_a_hole_that_dropped_samples_leave_is_long_enough_to_be_analysed_later() -> None:
    assert outbox.LONGEST_WAIT_S > 1.5 * UNSEEN_S


def test_an_engine_that_does_not_read_costs_samples_and_never_segments() -> None:
    ours, theirs = multiprocessing.Pipe()
    box = Outbox()
    box.attach(theirs)
    picture, block = bytes(100_000), bytes(3200)
    for number in range(300):
        box.send(FrameTaken(float(number), ["tap"], 320, 180, picture))
        box.send(AudioTaken(float(number), block))
        box.send(SegmentClosed("rec-1", float(number), 1.0, "rec-1/000000.m4s", 0, 1))
    received = []
    while len(received) < 300 or ours.poll(0.5):
        received.append(decode(ours.recv_bytes()))
    segments = [message.start for message in received if isinstance(message, SegmentClosed)]
    frames = [message.time for message in received if isinstance(message, FrameTaken)]
    assert segments == [float(number) for number in range(300)]
    assert frames == sorted(frames)
    assert frames[-1] == 299.0
    assert len(frames) <= SAMPLE_BYTES / len(picture) + 2
    assert box.dropped["frames_unsent"] == 300 - len(frames)
    assert box.dropped["audio_unsent_s"] > 0
