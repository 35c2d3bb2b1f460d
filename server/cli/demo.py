"""``rtstream-mcp demo`` starts a live stream and watches it with a real MCP client over stdio."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from anyio.abc import Process

from rtstream.concurrency import first_error
from rtstream.errors import RTStreamError
from rtstream.json_types import JsonObject, JsonValue
from server.cli.stop import stop
from server.cli.terminal import clear_progress, say, show_progress

if TYPE_CHECKING:
    from mcp import Client

PROMPT = "What is on the screen?"
EVENT = '"Amount due" is on the screen'
LABEL = "invoice_on_screen"
WINDOW = {"type": "time", "value": 2, "frame_count": 2}
FIRST_ALERT_S = 60.0
END_S = 8.0


def main(arguments: Sequence[str]) -> int:
    """Run the demo. Returns the exit status, which is 0 once an alert has fired."""
    parser = argparse.ArgumentParser("rtstream-mcp demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="exit after the first alert instead of running until Ctrl-C"
    )
    options = parser.parse_args(arguments)
    return anyio.run(_until_interrupted, options.once)


async def _until_interrupted(once: bool) -> int:
    """End the demo and everything it started on Ctrl-C and SIGTERM."""
    status = 130
    async with anyio.create_task_group() as tasks:

        async def interrupted() -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()
                    return

        if sys.platform != "win32":
            tasks.start_soon(interrupted)
        try:
            status = await _demo(once)
        except* _Failed as group:
            _say(str(first_error(group)))
            status = 1
        tasks.cancel_scope.cancel()
    return status


async def _demo(once: bool) -> int:
    from mcp import Client, StdioServerParameters

    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="rtstream-demo-", ignore_cleanup_errors=True))
        )
        _say("Creating the slides and speech of a test stream (the first time takes a few seconds) ...")
        source = await stack.enter_async_context(_live_source())
        began = time.monotonic()
        _say(f"A live stream runs at {source['rtsp_url']} (sound: {source['voice']}).")
        stack.push_async_callback(_end_engine, folder)
        # Started as a chat client starts it, with its own data folder and access to streams of this machine.
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "rtstream_mcp"],
            env={**os.environ, "RTSTREAM_DATA_DIR": str(folder), "RTSTREAM_ALLOW_NETWORKS": "loopback"},
        )
        client = await stack.enter_async_context(Client(server))
        names = [tool.name for tool in (await client.list_tools()).tools]
        _say(f"The MCP server responds over stdio with {len(names)} tools: {', '.join(names)}.", began)
        return await _Assistant(client, began).work(source["rtsp_url"], once)


class _Failed(Exception):
    """The demo cannot continue."""


class _Assistant:
    """Performs the steps of a chat model, and prints the results."""

    def __init__(self, client: Client, began: float) -> None:
        self._client = client
        self._began = began

    async def work(self, url: str, once: bool) -> int:
        stream = await self._call("connect_stream", url=url, name="Demo desk", audio=True)
        await self._call("index_visuals", stream_id=stream["stream_id"], prompt=PROMPT, batch_config=WINDOW)
        await self._call("create_alert", streams=[stream["stream_id"]], event_prompt=EVENT, label=LABEL)
        cursor = stream["cursor"]
        alerted = False
        _say("Waiting for events ...", self._began)
        while True:
            if not alerted and time.monotonic() - self._began > FIRST_ALERT_S * 2:
                _say("No alert fired. Set RTSTREAM_LOG_LEVEL=INFO for details.", self._began)
                return 1
            found = await self._call(
                "wait_for_events", streams=[stream["stream_id"]], since=cursor, timeout_s=10, show=False
            )
            cursor = found["cursor"]
            for entry in found["events"]:
                first = entry["channel"] == "alerts" and not alerted
                alerted = alerted or first
                self._show(entry)
                if first:
                    _say(f"First alert {time.monotonic() - self._began:.1f} s after the stream started.")
                    if once:
                        return 0
                    _say("Open the clip above in a browser. The stream continues. Ctrl-C ends everything.")

    async def _call(self, name: str, /, show: bool = True, **arguments: JsonValue) -> JsonObject:
        if show:
            given = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
            _say(f"→ {name}({given})", self._began)
        waited = _Waited(self._began)
        result = await self._client.call_tool(name, arguments, progress_callback=waited)
        waited.clear()
        if result.is_error:
            text = " ".join(getattr(block, "text", "") for block in result.content)
            raise _Failed(f"{name} failed: {text}")
        answer = result.structured_content or {}
        if show and answer.get("note"):
            _say(f"  note: {answer['note']}", self._began)
        return answer

    def _show(self, entry: JsonObject) -> None:
        text = (entry.get("untrusted_text") or "").replace("\n", " ")
        match entry["channel"]:
            case "alerts":
                at = datetime.fromtimestamp(entry["start"], UTC)
                _say(
                    f"★ ALERT {entry['label']} at {at:%H:%M:%S} UTC, confidence {entry['confidence']}: {text}",
                    self._began,
                )
                _say(f"  evidence: {entry['player_url']}")
                _say(f"  as HLS:   {entry['stream_url']}")
            case "health":
                _say(f"  health: {entry['health']}{': ' + entry['reason'] if entry.get('reason') else ''}", self._began)
            case channel:
                _say(f"  {channel}: {text[:240]}{'…' if len(text) > 240 else ''}", self._began)


class _Waited:
    """Shows the progress of a tool on one line, which the next output replaces."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._shown = 0

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        if sys.stdout.isatty():
            text = (
                f"{time.monotonic() - self._began:6.1f} s    {message or 'working'} {progress:.0f}/{total or 0:.0f} s"
            )
            self._shown = max(self._shown, show_progress(text))

    def clear(self) -> None:
        if self._shown:
            clear_progress(self._shown)


def _say(text: str, began: float | None = None) -> None:
    prefix = f"{time.monotonic() - began:6.1f} s  " if began is not None else " " * 10
    say(prefix + text)


@asynccontextmanager
async def _live_source() -> AsyncIterator[JsonObject]:
    """Run the synthetic live source as a process of its own. Yields its URLs."""
    command = [sys.executable, "-P", "-m", "rtstream.testsource"]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield json.loads(await _line(process))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with anyio.CancelScope(shield=True), anyio.move_on_after(END_S):
                await process.wait()


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    line = b""
    async for chunk in process.stdout:
        line += chunk
        if b"\n" in line:
            return line
    raise _Failed("The test stream could not be started.")


async def _end_engine(folder: Path) -> None:
    """Stop the engine of the demo and its recorders, which otherwise outlive the MCP server on purpose."""
    with anyio.CancelScope(shield=True), contextlib.suppress(RTStreamError):
        await anyio.to_thread.run_sync(stop, folder)
    shutil.rmtree(folder, ignore_errors=True)
