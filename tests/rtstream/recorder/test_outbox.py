"""The outbox drops samples, never messages about segments."""

from __future__ import annotations

import multiprocessing

from rtstream.messages import (
    AudioTaken,
    FrameTaken,
    SegmentClosed,
    decode,
)
from rtstream.recorder.outbox import SAMPLE_BYTES, Outbox


def test_an_engine_that_does_not_read_costs_samples_and_never_segments() -> None:
    ours, theirs = multiprocessing.Pipe()
    outbox = Outbox()
    outbox.attach(theirs)
    picture, block = bytes(100_000), bytes(3200)
    for number in range(300):
        outbox.send(FrameTaken(float(number), ["tap"], 320, 180, picture))
        outbox.send(AudioTaken(float(number), block))
        outbox.send(SegmentClosed("rec-1", float(number), 1.0, "rec-1/000000.m4s", 0, 1))
    received = []
    while len(received) < 300 or ours.poll(0.5):
        received.append(decode(ours.recv_bytes()))
    segments = [message.start for message in received if isinstance(message, SegmentClosed)]
    frames = [message.time for message in received if isinstance(message, FrameTaken)]
    assert segments == [float(number) for number in range(300)]
    assert frames == sorted(frames)
    assert frames[-1] == 299.0
    assert len(frames) <= SAMPLE_BYTES / len(picture) + 2
    assert outbox.dropped["frames_unsent"] == 300 - len(frames)
    assert outbox.dropped["audio_unsent_s"] > 0
