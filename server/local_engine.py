"""Finds the engine of this machine, or starts it in the background: one engine per data folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import anyio

from rtstream import __version__, keys
from rtstream.client import Endpoint
from rtstream.errors import Unavailable
from rtstream.json_types import JsonObject
from server.settings import PREFIX, RENAMED

ENGINE_FILE = "engine.json"
START_LOCK = "start.lock"
ENGINE_LOCK = "engine.lock"
LOG_FILE = "engine.log"
MAX_LOG_BYTES = 5 * 1024 * 1024
HEALTH_TIMEOUT_S = 2.0
POLL_S = 0.05
_RENAMED = {PREFIX + name.upper() for name in RENAMED}
"""Reported by the MCP server; an engine would not start with them."""


class LocalEngine:
    """Locates the engine of a data folder. Calling it gives the endpoint; see ``rtstream.client.Locate``."""

    def __init__(self, data_dir: Path, api_key: str | None, *, start_timeout_s: float, idle_exit_s: float) -> None:
        self._data_dir = data_dir
        self._api_key = api_key
        self._start_timeout_s = start_timeout_s
        self._idle_exit_s = idle_exit_s
        self.started: subprocess.Popen[Any] | None = None  # the engine, when this object started it

    async def __call__(self, start: bool) -> Endpoint:
        """Where the engine is. Without ``start``, or when it cannot be started, raises Unavailable."""
        url = await self._running()
        if url is None:
            if not start:
                raise Unavailable("No engine is running yet: it starts with the first tool call.")
            url = await self._start()
        return Endpoint(url, keys.load_or_create(self._data_dir, self._api_key))

    async def _running(self) -> str | None:
        if self.started is not None:
            self.started.poll()  # one that ended leaves the list of processes
        url = read_engine_file(self._data_dir).get("url")
        return url if isinstance(url, str) and await _healthy(url) else None

    async def _start(self) -> str:
        from filelock import FileLock, Timeout

        make_folder(self._data_dir)
        lock = FileLock(self._data_dir / START_LOCK)
        with anyio.move_on_after(self._start_timeout_s):
            while True:
                try:
                    lock.acquire(blocking=False)
                except Timeout:  # somebody else is starting it
                    await anyio.sleep(POLL_S)
                    if url := await self._running():
                        return url
                    continue
                try:
                    return await self._running() or await self._launch()
                finally:
                    lock.release()
        raise self._failed(f"did not answer within {self._start_timeout_s:.0f} s")

    async def _launch(self) -> str:
        with self._log() as log:
            process = self.started = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data_dir,
                env=self._environment(),
                **_detached(),
            )
        while True:
            if url := await self._running():
                return url
            if process.poll() is not None:
                raise self._failed(f"ended with status {process.returncode}")
            await anyio.sleep(POLL_S)

    def _command(self) -> list[str]:
        options = ["--data-dir", str(self._data_dir), "--port", "0", "--idle-exit-s", f"{self._idle_exit_s:g}"]
        return [sys.executable, "-P", "-m", "rtstream_mcp", "serve", *options]

    def _environment(self) -> dict[str, str]:
        own = {"RTSTREAM_API_KEY": self._api_key} if self._api_key else {}
        # An engine in the background serves this machine only, whatever else the environment asks for.
        inherited = {name: value for name, value in os.environ.items() if name not in _RENAMED}
        return {**inherited, **own, "RTSTREAM_HOST": "127.0.0.1"}

    def _log(self) -> BinaryIO:
        path = self._data_dir / LOG_FILE
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))

    def _failed(self, what: str) -> Unavailable:
        return Unavailable(f"The engine was started but {what}: {self._data_dir / LOG_FILE} says why.")


def make_folder(data_dir: Path) -> None:
    """Make the data folder, for this user only. Raises Unavailable when it cannot be made or written to."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise Unavailable(f"The data folder {data_dir} cannot be made: {exc.strerror}. Set RTSTREAM_DATA_DIR.") from exc
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise Unavailable(f"The data folder {data_dir} cannot be written to. Set RTSTREAM_DATA_DIR.")


def read_engine_file(data_dir: Path) -> JsonObject:
    """What the engine of this folder wrote about itself; empty when there is none."""
    try:
        value = json.loads((data_dir / ENGINE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_engine_file(data_dir: Path, url: str) -> None:
    """Let others find this process as the engine of the folder."""
    path = data_dir / ENGINE_FILE
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"url": url, "pid": os.getpid(), "version": __version__}), encoding="utf-8")
    draft.replace(path)


def remove_engine_file(data_dir: Path) -> None:
    """This process is the engine no longer."""
    if read_engine_file(data_dir).get("pid") == os.getpid():
        (data_dir / ENGINE_FILE).unlink(missing_ok=True)


async def _healthy(url: str) -> bool:
    import httpx

    try:
        # Always plain HTTP: loading certificates would only take time.
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=HEALTH_TIMEOUT_S) as http:  # noqa: S501
            answer = await http.get(f"{url}/health")
            return answer.status_code == 200 and answer.json().get("success") is True
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return False


def _detached() -> JsonObject:
    """A process that outlives this one and gets none of its signals."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
