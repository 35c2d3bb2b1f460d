"""An engine in a process of its own that writes journal entries when told to, and a way between that can be cut.

As a program (``python -m tests.server.engine_process FOLDER PORT``) it answers each line on its input, a JSON list of a
method of ``Served``, its arguments and its keywords, with what that gives. The first line it prints is its address.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, SocketStream, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT = Path(__file__).parents[2]
LINE = 10_000


class EngineProcess:
    """The engine seen from the test."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._commands = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def answer(self) -> Any:
        """The next line it prints."""
        with anyio.fail_after(90):
            return json.loads(await self._answers.receive_until(b"\n", LINE))

    async def do(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of ``Served`` there, such as ``happen``."""
        await self._commands.send(json.dumps([method, arguments, keywords]).encode() + b"\n")
        return await self.answer()

    async def kill(self) -> None:
        """End it without a warning."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def engine_process(folder: Path, port: int = 0) -> AsyncIterator[tuple[EngineProcess, str]]:
    """An engine on the folder, and its address."""
    command = [sys.executable, "-m", "tests.server.engine_process", str(folder), str(port)]
    async with await anyio.open_process(command, cwd=ROOT, stderr=None) as process:
        engine = EngineProcess(process)
        try:
            yield engine, str(await engine.answer())
        finally:
            if process.returncode is None:
                process.kill()


class Way:
    """A TCP connection between others: ``port`` leads to ``target`` until ``cut``."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.port = 0
        self.target = 0
        self._tasks = tasks
        self._open: set[SocketStream] = set()

    async def listen(self) -> None:
        """Take connections until cancelled."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self._tasks.start_soon(self._serve, listener)

    async def _serve(self, listener: anyio.abc.Listener[SocketStream]) -> None:
        async with listener:
            await listener.serve(self._pass)

    async def cut(self) -> None:
        """Break every connection."""
        for stream in list(self._open):
            await anyio.aclose_forcefully(stream)

    async def _pass(self, near: SocketStream) -> None:
        try:
            async with await anyio.connect_tcp("127.0.0.1", self.target) as far, anyio.create_task_group() as tasks:
                self._open |= {near, far}
                tasks.start_soon(self._copy, near, far, tasks)
                tasks.start_soon(self._copy, far, near, tasks)
        except OSError:  # nothing listens
            pass
        finally:
            self._open.discard(near)
            await anyio.aclose_forcefully(near)

    async def _copy(self, source: SocketStream, sink: SocketStream, tasks: TaskGroup) -> None:
        try:
            async for data in source:
                await sink.send(data)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            self._open.discard(source)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def way() -> AsyncIterator[Way]:
    """A way that leads nowhere yet."""
    async with anyio.create_task_group() as tasks:
        made = Way(tasks)
        await made.listen()
        yield made
        await made.cut()
        tasks.cancel_scope.cancel()


async def main(folder: Path, port: int) -> None:
    """Be the engine."""
    from tests.server.mcp_servers import serving

    async with serving(folder, port=port) as served:
        print(json.dumps(served.url), flush=True)
        async for line in anyio.wrap_file(sys.stdin):
            method, arguments, keywords = json.loads(line)
            print(json.dumps(await getattr(served, method)(*arguments, **keywords)), flush=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
