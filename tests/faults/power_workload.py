"""A program that records, removes, deletes and backs up, as an engine and its recorders do, in a few seconds.

Usage: ``python -m tests.faults.power_workload DATA_DIR SOURCE SEEN``. It notes in SEEN what its clients are told.
"""

from __future__ import annotations

import json
import os
import sys
import time
from fractions import Fraction
from pathlib import Path

import anyio
import av

from rtstream.engine.engine import Engine
from rtstream.messages import Message, SegmentClosed
from rtstream.recorder import writer as writers
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.writer import VIDEO_RATE, RecordingWriter
from rtstream.rules.recording_log import RecordingOpened
from rtstream.rules.wall_clock import WallClock
from rtstream.storage.folder import FolderStorage
from rtstream.store import backups, recording_logs
from rtstream.store.journal import Entry
from tests.faults.power_cut import settings

STREAMS = ("rts-0123456789abcdef", "rts-fedcba9876543210")
START = 1_800_000_000.0
FILE_SPAN_S = 3.0


class Workload:
    """An engine with recordings that are written in its process."""

    def __init__(self, engine: Engine, data_dir: Path, source: Path) -> None:
        self._engine, self._data_dir, self._source = engine, data_dir, source
        self._media = FolderStorage(data_dir / "media")
        self._sync = DiskSync()
        self.seen: list[tuple[float, str, str]] = []

    def note(self, kind: str, value: str) -> None:
        """Note what a client has been told."""
        self.seen.append((time.time(), kind, value))

    async def append(self, text: str) -> None:
        """Add an entry to the journal."""
        (seq,) = await self._engine.journal.append(Entry("health", {"text": text}))
        self.note("entry", str(seq))

    async def record(self, stream_id: str, start: float, *, finish: bool = True) -> list[str]:
        """Record the source. Returns the files. Without ``finish``, the end is that of a killed recorder."""
        folder = Path(await self._media.spool(stream_id))
        sent: list[Message] = []
        clock = WallClock()
        clock.offset = start
        paths: dict[str, None] = {}
        with av.open(str(self._source)) as container:
            (video,) = container.streams.video
            writer = RecordingWriter(folder, 1.0, clock, sent.append, video, None, sync=self._sync)
            for packet in container.demux(video):
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                dts, pts = (round(one * packet.time_base * VIDEO_RATE) for one in (packet.dts, packet.pts))
                packet.time_base = Fraction(1, VIDEO_RATE)
                writer.add(packet, True, dts, pts)
                for message in sent:
                    if isinstance(message, SegmentClosed):
                        paths[message.path] = None
                        await self._closed(stream_id, writer.id, len(paths))
                sent.clear()
            if finish:
                writer.finish()
                self._sync.drain(10)
                await self._engine.projection.settle(stream_id)
        return list(paths)

    async def _closed(self, stream_id: str, recording_id: str, number: int) -> None:
        """A segment is applied to the database before or after it is on the disk."""
        if number % 2:
            self._sync.drain(10)
        await self._engine.projection.catch_up([(stream_id, recording_id)])
        self._sync.drain(10)
        await self.append(f"{recording_id} has another segment")

    async def remove(self, stream_id: str, paths: list[str]) -> None:
        """Remove files, as retention does."""
        await self._engine.projection.remove(stream_id, paths)
        for path in paths:
            self.note("removed", f"{stream_id}/{path}")

    async def run(self) -> None:
        """Do everything once."""
        self.note("key", self._engine.api_key)
        for stream_id in STREAMS:
            opened = RecordingOpened("", stream_id, START, "", b"")
            await self._engine.db.write(recording_logs.add_found_stream, stream_id, opened)
        first = await self.record(STREAMS[0], START)
        await self.record(STREAMS[1], START)
        await self.remove(STREAMS[0], first[:1])
        await anyio.to_thread.run_sync(backups.backup, self._data_dir / "rtstream.db")
        second = await self.record(STREAMS[0], START + 100.0)
        await self.remove(STREAMS[0], first[1:])
        await self._engine.delete_stream(STREAMS[1])
        self.note("stream removed", STREAMS[1])
        await self.remove(STREAMS[0], second[:2])
        await self.record(STREAMS[0], START + 200.0, finish=False)


async def main(data_dir: Path, source: Path, seen: Path) -> None:
    """Run the program. It ends like a killed one."""
    writers.FILE_SPAN_S = FILE_SPAN_S
    async with Engine(settings(data_dir)) as engine:
        work = Workload(engine, data_dir, source)
        await work.run()
        seen.write_text(json.dumps(work.seen))
        os._exit(0)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
