"""A looped clip as a live source: paced to real time, for any number of clients, in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from rtstream.testsource.faults import Faults
from rtstream.testsource.http import HttpServer
from rtstream.testsource.rtsp import RtspServer
from rtstream.testsource.timeline import LoopedClip


class LiveSource:
    """``with LiveSource(path) as source:`` serves the MP4 file ``path`` (H.264, AAC) until the block ends.

    Its addresses are ``http_url``, ``hls_url`` and ``rtsp_url``. Ports 0 are free ones; ``auth`` is ``user:password``.
    """

    def __init__(
        self,
        clip: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rtsp_port: int = 0,
        auth: str | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.clip = LoopedClip(clip)
        self.host, self.port, self.rtsp_port = host, port, rtsp_port
        self.faults = faults or Faults()
        self.epoch = 0.0
        """Unix seconds when the first picture happened."""
        self._auth = auth
        self._servers: list[HttpServer | RtspServer] = []
        self._portal: BlockingPortal
        self._served: Future[None]
        self._running = ExitStack()

    @property
    def http_url(self) -> str:
        """The endless MPEG transport stream."""
        return f"http://{self.host}:{self.port}/live.ts"

    @property
    def hls_url(self) -> str:
        """The live playlist; it lists nothing before the second keyframe."""
        return f"http://{self.host}:{self.port}/live.m3u8"

    @property
    def rtsp_url(self) -> str:
        """The RTSP mount. No URL here carries the password."""
        return f"rtsp://{self.host}:{self.rtsp_port}/live"

    def __enter__(self) -> LiveSource:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._served, _ = self._portal.start_task(self._serve)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._served.cancel()
        self._running.close()

    def frame_number(self, at: float) -> int:
        """The number (as in the barcode) of the picture that happened at Unix time ``at``."""
        return int((at - self.epoch) * self.clip.fps + 1e-6) % self.clip.frames

    def close_clients(self) -> None:
        """Cut all connections; clients may come back at once."""
        self._portal.call(self._each, lambda server: server.connections.close_all())

    def stall(self, stalled: bool) -> None:
        """Send nothing more over open connections, or go on with the next keyframe."""
        self.faults.stalled = stalled

    def _each(self, act: Callable[[HttpServer | RtspServer], None]) -> None:
        for server in self._servers:
            act(server)

    async def _serve(self, *, task_status: TaskStatus[None]) -> None:
        self.epoch = time.time()
        http = HttpServer(self.clip, self.faults, self.epoch, self._auth)
        rtsp = RtspServer(self.clip, self.faults, self.epoch, self._auth)
        self._servers = [http, rtsp]
        listeners: list[asyncio.Server] = []
        try:
            listeners.append(await http.connections.listen(self.host, self.port))
            listeners.append(await rtsp.connections.listen(self.host, self.rtsp_port))
            self.port, self.rtsp_port = (listener.sockets[0].getsockname()[1] for listener in listeners)
            task_status.started()
            await self._pace()
        finally:
            for listener in listeners:
                listener.close()
            with anyio.CancelScope(shield=True):
                for server in self._servers:
                    server.connections.close_all()
                    await server.connections.finished()
                    server.close()

    async def _pace(self) -> None:
        begin = time.monotonic()
        for unit in self.clip.units():
            # Nothing is sent before it happened, also where pictures are coded out of order.
            due = begin + self.clip.reorder_delay + unit.dts / self.clip.clock(unit.track)
            delay = due - time.monotonic()
            if delay > 0:
                await anyio.sleep(delay)
            for server in self._servers:
                server.publish(unit)
