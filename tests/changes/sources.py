"""Live sources that change in mid-stream as planned, and remember what they sent."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from anyio.from_thread import start_blocking_portal

from tests.changes.clips import FPS, GOP, GOP_S, Clips
from tests.changes.containers import Format
from tests.changes.plan import Change, Kind, draw, first_format
from tests.changes.senders import HlsSender, RtmpSender, RtspSender, Sender, StreamSender, UdpSender

SENDERS: dict[str, Callable[[Clips, int], Sender]] = {
    "RTSP over TCP": lambda clips, port: RtspSender(clips, udp=False),
    "RTSP over UDP": lambda clips, port: RtspSender(clips, udp=True),
    "TS over HTTP": lambda clips, port: StreamSender(clips, "ts"),
    "TS over TCP": lambda clips, port: StreamSender(clips, "ts", http=False),
    "TS over UDP": UdpSender,
    "FLV over HTTP": lambda clips, port: StreamSender(clips, "flv"),
    "pushed RTMP": lambda clips, port: RtmpSender(clips),
    "RTMP": lambda clips, port: RtmpSender(clips),
    "HLS with TS": lambda clips, port: HlsSender(clips, mp4=False),
    "HLS with fMP4": lambda clips, port: HlsSender(clips, mp4=True),
    "MJPEG over HTTP": lambda clips, port: StreamSender(clips, "mjpeg"),
}


@dataclass(frozen=True)
class Span:
    """A range of time in which a source sent one format. Times are Unix seconds; ``down``: it sent nothing."""

    start: float
    form: Format
    down: bool = False


@dataclass
class Source:
    """One source and what it sent."""

    name: str
    protocol: str
    sender: Sender
    first: Format
    plan: list[Change]
    epoch: float = 0.0
    frames: list[int] = field(default_factory=list)
    """Numbers of all frames that were sent."""
    spans: list[Span] = field(default_factory=list)
    done: list[tuple[float, Change]] = field(default_factory=list)
    """Changes that were made, with the Unix times at which they began."""
    late_s: float = 0.0
    """The most that the source itself was behind its schedule."""

    @property
    def group_s(self) -> float:
        """Seconds that are sent as one."""
        return self.sender.groups * GOP_S

    async def run(self, clips: Clips) -> None:
        """Send until cancelled."""
        self.epoch = time.time()
        begin = time.monotonic()
        plan, form, still_until = list(self.plan), self.first, 0.0
        self._span(form)
        count = self.sender.groups * GOP
        number = 0
        while True:
            at = number / FPS
            while plan and plan[0].at <= at:
                change = plan.pop(0)
                await _until(begin, at)
                self.done.append((time.time(), change))
                form = change.form
                if change.kind is Kind.RESTART:
                    number = await self._restart(form, begin, at, change.lasts_s, count)
                    at = number / FPS
                    self._span(form)
                    continue
                if change.kind is Kind.STILL:
                    still_until = at + change.lasts_s
                self.sender.change(form)
                self._span(form)
            now = replace(form, still=at < still_until)
            units = clips.units(now.shown(), now.sounding(), number, count)
            pieces = self.sender.pieces(now, units, at)
            self.frames += range(number, number + count if now.shown() else number)
            for due, send in pieces:
                await _until(begin, due)
                self.late_s = max(self.late_s, time.monotonic() - begin - due)
                send()
            number += count

    async def _restart(self, form: Format, begin: float, at: float, lasts_s: float, count: int) -> int:
        """End, and start again. Returns the number of the next frame."""
        self.spans.append(Span(time.time(), form, down=True))
        await self.sender.down()
        await _until(begin, at + lasts_s)
        await self.sender.up(form)
        number = -(-round((at + lasts_s) * FPS) // count) * count  # a whole group
        await _until(begin, number / FPS)
        return number

    def _span(self, form: Format) -> None:
        self.spans.append(Span(time.time(), form))


async def _until(begin: float, at: float) -> None:
    await asyncio.sleep(max(0.0, begin + at - time.monotonic()))


def planned(
    clips: Clips,
    seed: int,
    protocols: Sequence[str],
    seconds: float,
    every_s: tuple[float, float],
    ports: Sequence[int],
) -> list[Source]:
    """Return sources with their plans. The same seed makes the same plans.

    Args:
        clips: All clips.
        seed: Seed of all plans.
        protocols: The protocol of each source.
        seconds: Duration of the run.
        every_s: Shortest and longest time between two changes.
        ports: A free UDP port for each source.
    """
    found = []
    for number, protocol in enumerate(protocols):
        sender = SENDERS[protocol](clips, ports[number])
        own = seed * 1000 + number
        plan = draw(own, protocol, seconds, every_s, sender.groups * GOP_S)
        first = first_format(protocol, random.Random(own))
        found.append(Source(f"{number + 1}. {protocol}", protocol, sender, first, plan))
    return found


@contextmanager
def running(sources: Sequence[Source], clips: Clips) -> Iterator[None]:
    """Run all sources in a thread, until the end of the block."""
    with start_blocking_portal("asyncio") as portal:

        async def start() -> None:
            for one in sources:
                await one.sender.start(one.first, time.time())

        async def close() -> None:
            for one in sources:
                await one.sender.close()

        portal.call(start)
        tasks = [portal.start_task_soon(one.run, clips) for one in sources]
        try:
            yield
        finally:
            failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            for task in tasks:
                task.cancel()
            portal.call(close)
            assert not any(failed), failed
