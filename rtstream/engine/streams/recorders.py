"""The recorders of each stream: that of its source, and that of its sub stream if it has one.

Cameras offer a large main stream and a small sub stream. The main stream is recorded and the sub stream is analysed and
shown, which needs a fraction of the decoding. While the sub stream fails, the main stream is analysed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio

from rtstream import messages as m
from rtstream.engine.streams.health import HealthLog
from rtstream.engine.streams.recorder_events import CODES, RecorderEvents
from rtstream.engine.streams.recorder_settings import SUB, sub_stream_spec
from rtstream.engine.streams.supervisor import Supervisor
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.states import HealthCode, HealthState

ANSWER_S = 5.0
"""Longest wait for the first response of a sub stream in seconds, so that connecting reports its failure."""

Taps = dict[str, dict[str, float]]


@dataclass
class SubStream:
    """The sub stream of a stream that runs."""

    works: bool = False
    failure: tuple[HealthCode, str] | None = None
    """Code and text."""
    tried: anyio.Event = field(default_factory=anyio.Event)
    """Set once it has been connected or has failed."""
    dropped: dict[str, float] = field(default_factory=dict)
    routing: anyio.Lock = field(default_factory=anyio.Lock)


class StreamRecorders:
    """Starts and stops the recorders of streams, and routes their pictures.

    Args:
        supervisor: Runs the recorders.
        health: Health of the streams.
        events: Returns the handler of the messages of recorders.
        check: Checks the URL of a source, and returns the one to open. Raises InvalidRequest.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        health: HealthLog,
        events: Callable[[], RecorderEvents],
        check: Callable[[str], Awaitable[str]],
    ) -> None:
        self._supervisor, self._health, self._events, self._check = supervisor, health, events, check
        self._subs: dict[str, SubStream] = {}
        self._taps: dict[str, Taps] = {}

    @property
    def outlives(self) -> bool:
        """Whether recorders continue when this engine ends."""
        return self._supervisor.outlives

    @property
    def running(self) -> set[str]:
        """Ids of the streams that have a recorder or are waiting for its restart."""
        return {recorder for recorder in self._supervisor.running if not recorder.endswith(SUB)}

    async def living(self) -> set[str]:
        """Return the streams whose recorders an earlier engine left behind and that this one has not taken over."""
        return {recorder for recorder in await self._supervisor.living() if not recorder.endswith(SUB)}

    async def stop_unwanted(self) -> None:
        """Stop the recorders of an earlier engine whose streams should no longer run."""
        await self._supervisor.stop_unwanted()

    async def start(self, spec: m.RecorderSpec, detect_url: str | None = None) -> None:
        """Run a stream, and its sub stream if it has one. Has no effect if it is already running."""
        self._supervisor.start(spec)
        if detect_url and spec.stream_id not in self._subs:
            await self._start_sub(spec, detect_url)

    async def replace_sub_stream(self, spec: m.RecorderSpec, detect_url: str | None = None) -> None:
        """Read another sub stream of a running stream, or none. The main stream is recorded meanwhile."""
        await self._stop_sub(spec.stream_id)
        if detect_url and spec.stream_id in self.running:
            await self._start_sub(spec, detect_url)

    async def _start_sub(self, spec: m.RecorderSpec, detect_url: str) -> None:
        sub = self._subs[spec.stream_id] = SubStream()
        try:
            url = await self._check(detect_url)
        except InvalidRequest as exc:
            sub.failure = HealthCode.SOURCE_UNREACHABLE, exc.message
            sub.tried.set()
            await self._show(spec.stream_id, sub)
        else:
            self._supervisor.start(sub_stream_spec(spec, url))

    async def stop(self, stream_id: str) -> None:
        """Stop the recorders of a stream. They finish their segments, or are killed after a few seconds."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._supervisor.stop, stream_id)
            tasks.start_soon(self._stop_sub, stream_id)

    async def _stop_sub(self, stream_id: str) -> None:
        sub = self._subs.pop(stream_id, None)
        await self._supervisor.stop(f"{stream_id}{SUB}")
        if sub is not None:
            await self._health.set_note(stream_id, None)
            async with sub.routing:
                await self._supervisor.set_pictures(f"{stream_id}{SUB}", {})
                await self._supervisor.set_pictures(stream_id, self._taps.get(stream_id, {}))

    async def sub_stream_tried(self, stream_id: str) -> None:
        """Wait until the sub stream of a stream is connected or has failed, for a few seconds at most."""
        if sub := self._subs.get(stream_id):
            with anyio.move_on_after(ANSWER_S):
                await sub.tried.wait()

    async def set_pictures(self, stream_id: str, taps: Taps) -> None:
        """Set the frames that are sampled (``messages.SetTaps``). Remembered through restarts and stops."""
        if taps:
            self._taps[stream_id] = taps
        else:
            self._taps.pop(stream_id, None)
        sub = self._subs.get(stream_id)
        await (self._supervisor.set_pictures(stream_id, taps) if sub is None else self._route(stream_id, sub))

    async def _route(self, stream_id: str, sub: SubStream) -> None:
        """Request the frames from the sub stream while it works, else from the main stream."""
        async with sub.routing:
            if self._subs.get(stream_id) is not sub:
                return
            recorders = stream_id, f"{stream_id}{SUB}"
            analysed, other = reversed(recorders) if sub.works else recorders
            await self._supervisor.set_pictures(analysed, self._taps.get(stream_id, {}))
            await self._supervisor.set_pictures(other, {})

    async def snapshot(self, stream_id: str, max_side: int) -> m.SnapshotTaken:
        """Return the current picture, of the sub stream if it works. Raises Unavailable if the stream has none."""
        sub = self._subs.get(stream_id)
        if sub is not None and sub.works:
            with suppress(Unavailable):
                return await self._supervisor.snapshot(f"{stream_id}{SUB}", max_side)
        return await self._supervisor.snapshot(stream_id, max_side)

    async def taken_over(self, recorder: str) -> None:
        """Handle that a recorder of an earlier engine was found running."""
        if not recorder.endswith(SUB):
            await self._events().taken_over(recorder)

    async def handle(self, recorder: str, message: m.Message) -> None:
        """Handle one message of a recorder."""
        if recorder.endswith(SUB):
            await self._handle_sub(recorder.removesuffix(SUB), message)
            return
        sub = self._subs.get(recorder)
        if sub is None:
            await self._events().handle(recorder, message)
            return
        if sub.works and isinstance(message, m.FrameTaken | m.ClockReached):
            return  # sent before the frames of the sub stream were requested
        if isinstance(message, m.RecorderHealth):
            message = _of_main(message)
        await self._events().handle(recorder, message)
        if isinstance(message, m.RecorderStats) and (health := self._health.get(recorder)):
            health.skipped = health.skipped | {f"sub_{kind}": amount for kind, amount in sub.dropped.items()}
        elif isinstance(message, m.RecorderHealth):
            if message.state == "stopped":  # by itself, at the end of a file
                await self._stop_sub(recorder)
            else:
                await self._show(recorder, sub)

    async def _handle_sub(self, stream_id: str, message: m.Message) -> None:
        sub = self._subs.get(stream_id)
        if sub is None:
            return
        if isinstance(message, m.FrameTaken | m.ClockReached):
            if sub.works:
                await self._events().handle(stream_id, message)
        elif isinstance(message, m.RecorderStats):
            sub.dropped = message.dropped
        elif isinstance(message, m.RecorderHealth):
            works = message.state == "connected" and not message.code and bool((message.media or {}).get("video_codec"))
            if message.state != "connecting":
                code = HealthCode(message.code) if message.code in CODES else HealthCode.SOURCE_UNREACHABLE
                sub.failure = None if works else (code, message.reason or "it sends no video")
                sub.tried.set()
            if works != sub.works:
                sub.works = works
                await self._route(stream_id, sub)
            await self._show(stream_id, sub)

    async def _show(self, stream_id: str, sub: SubStream) -> None:
        """Show in health that the sub stream fails."""
        if sub.failure is None:
            await self._health.set_note(stream_id, None)
            return
        code, text = sub.failure
        health = self._health.get(stream_id)
        if health is not None and health.state is HealthState.CONNECTED:
            text = f"{text.rstrip('.')}; the main stream is analysed meanwhile"
        await self._health.set_note(stream_id, code, f"sub stream: {text}")


def _of_main(message: m.RecorderHealth) -> m.RecorderHealth:
    """Return the health of a main stream with sentences that tell it apart from the sub stream."""
    reasons = [each._replace(text=f"main stream: {each.text}") for each in message.reasons]
    return replace(message, reason=message.reason and f"main stream: {message.reason}", reasons=reasons)
