"""The engine's end of a recorder, for tests: collects what it says, and reads back what it recorded."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av

from rtstream.forkserver import start_recorder
from rtstream.messages import (
    Message,
    RecorderHealth,
    RecorderSpec,
    RecordingStarted,
    SegmentClosed,
    SetTaps,
    SnapshotTaken,
    StopRecorder,
    TakeSnapshot,
    decode,
    encode,
)
from rtstream.testsource import read_barcode

M = TypeVar("M")
DEADLINE_S = 60.0
# Test servers are on this machine; UDP and SRT sources wait for them on any port.
ALLOWED: dict[str, Any] = {"allow_networks": "loopback", "listen_ports": "1-65535"}


@dataclass(frozen=True)
class Shown:
    """A decoded picture of a recording."""

    time: float  # Unix seconds
    number: int  # as in its barcode


class RecorderClient:
    """A running recorder and everything it has sent."""

    def __init__(self, spec: RecorderSpec) -> None:
        self.spec = spec
        self.messages: list[Message] = []
        self._changed = threading.Condition()
        self._numbers = iter(range(1000))
        self.process, self.connection = start_recorder(spec)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, message: Message) -> None:
        self.connection.send_bytes(encode(message))

    def of(self, kind: type[M]) -> list[M]:
        with self._changed:
            return [message for message in self.messages if isinstance(message, kind)]

    def wait_for(self, kind: type[M], count: int = 1, where: Callable[[M], bool] = lambda _: True) -> M:
        """The ``count``-th message of a kind; fails when it does not come in time."""
        deadline = time.monotonic() + DEADLINE_S
        with self._changed:
            while True:
                found = [message for message in self.messages if isinstance(message, kind) and where(message)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                assert left > 0, f"no {kind.__name__} number {count} after {[m.kind for m in self.messages[-20:]]}"
                self._changed.wait(left)

    def wait_for_state(self, state: str, count: int = 1) -> RecorderHealth:
        return self.wait_for(RecorderHealth, count, lambda health: health.state == state)

    def snapshot(self, max_side: int = 320) -> SnapshotTaken:
        number = next(self._numbers)
        self.send(TakeSnapshot(number, max_side))
        return self.wait_for(SnapshotTaken, where=lambda taken: taken.request == number)

    def set_taps(self, audio: bool = False, **taps: tuple[float, int]) -> None:
        """Taps by name: (seconds, pixels)."""
        wanted = {name: {"interval_s": float(s), "max_side": float(side)} for name, (s, side) in taps.items()}
        self.send(SetTaps(wanted, audio))

    def stop(self) -> None:
        """Tell it to stop and wait until it has said everything."""
        self.send(StopRecorder())
        self.wait_end()

    def wait_end(self) -> None:
        self._reader.join(DEADLINE_S)
        self.process.join(DEADLINE_S)
        assert self.process.exitcode is not None, "the recorder did not end"

    def _read(self) -> None:
        while True:
            try:
                message = decode(self.connection.recv_bytes())
            except (EOFError, OSError):
                return
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()

    # recordings

    def recorded(self, recording: RecordingStarted | None = None) -> bytes:
        """A recording, by default the first, as one fragmented MP4: its init segment and all its segments."""
        recording = recording or self.of(RecordingStarted)[0]
        return recording.payload + b"".join(self.segment_bytes(s) for s in self.segments(recording))

    def segments(self, recording: RecordingStarted) -> list[SegmentClosed]:
        return [segment for segment in self.of(SegmentClosed) if segment.recording_id == recording.recording_id]

    def segment_bytes(self, segment: SegmentClosed) -> bytes:
        data = (Path(self.spec.folder) / segment.path).read_bytes()
        assert len(data) >= segment.offset + segment.length
        return data[segment.offset : segment.offset + segment.length]

    def shown(self, segment: SegmentClosed) -> list[Shown]:
        """The pictures of one segment, decoded from its own bytes alone, at the times the segment's start implies."""
        recording = next(
            recording for recording in self.of(RecordingStarted) if recording.recording_id == segment.recording_id
        )
        pictures = decoded(recording.payload + self.segment_bytes(segment))
        first = pictures[0][0]
        return [Shown(segment.start + at - first, number) for at, number in pictures]


def decoded(data: bytes) -> list[tuple[float, int]]:
    """Presentation time in seconds and barcode number of each picture."""
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(video=0))
    return [(float(frame.pts * frame.time_base), barcode(frame)) for frame in frames]  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]


def barcode(frame: Any) -> int:
    return read_barcode(frame.to_ndarray(format="rgb24"))


def jpeg_barcode(jpeg: bytes) -> int:
    with av.open(io.BytesIO(jpeg), "r") as container:
        return barcode(next(container.decode(video=0)))


@contextmanager
def recorder(url: str, folder: Path, **settings: Any) -> Iterator[RecorderClient]:
    """A recorder on ``url``; killed, if it still runs, when the block ends."""
    settings = {"media_types": ["video", "audio"], "record": True, "segment_s": 1.0} | ALLOWED | settings
    client = RecorderClient(RecorderSpec("rts-test", url, folder=str(folder), **settings))
    try:
        yield client
    finally:
        client.process.kill()
        client.process.join(5)
        client.connection.close()
