"""Serves a looped clip as a live source, paced to real time, in a thread of its own."""

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
    """A context manager that serves an MP4 file (H.264, AAC) to any number of clients until the block ends.

    The URLs are ``http_url``, ``hls_url`` and ``rtsp_url``.

    Args:
        clip: The MP4 file.
        host: Host to listen on.
        port: HTTP port, or 0 for a free one.
        rtsp_port: RTSP port, or 0 for a free one.
        auth: ``user:password`` that clients must send, or None.
        faults: Faults to simulate.
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
        """Unix seconds of the first picture."""
        self._auth = auth
        self._servers: list[HttpServer | RtspServer] = []
        self._portal: BlockingPortal
        self._served: Future[None]
        self._running = ExitStack()

    @property
    def http_url(self) -> str:
        """URL of the endless MPEG transport stream."""
        return f"http://{self.host}:{self.port}/live.ts"

    @property
    def hls_url(self) -> str:
        """URL of the live playlist. It is empty until the second keyframe."""
        return f"http://{self.host}:{self.port}/live.m3u8"

    @property
    def rtsp_url(self) -> str:
        """URL of the RTSP mount. None of the URLs contains the password."""
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
        """Return the number (as in the barcode) of the picture at the Unix time ``at``."""
        return int((at - self.epoch) * self.clip.fps + 1e-6) % self.clip.frames

    def close_clients(self) -> None:
        """Close all connections. Clients may reconnect at once."""
        self._portal.call(self._each, lambda server: server.connections.close_all())

    def stall(self, stalled: bool) -> None:
        """Stop sending over open connections, or resume with the next keyframe."""
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
                    await server.connections.wait_closed()
                    server.close()

    async def _pace(self) -> None:
        begin = time.monotonic()
        for unit in self.clip.units():
            # Nothing is sent before its time, even where pictures are coded out of order.
            due = begin + self.clip.reorder_delay + unit.dts / self.clip.clock(unit.track)
            delay = due - time.monotonic()
            if delay > 0:
                await anyio.sleep(delay)
            for server in self._servers:
                server.publish(unit)
