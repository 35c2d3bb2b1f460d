"""Finds the engine of this machine, or starts it in the background: one engine per data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import anyio

from rtstream import keys
from rtstream.client import Endpoint
from rtstream.errors import Unavailable
from rtstream.json_types import JsonObject
from server.engine_file import lock_held, make_folder, may_hold_lock, read_engine_file, read_identity
from server.settings import PREFIX, RENAMED

START_LOCK = "start.lock"
LOG_FILE = "engine.log"
MAX_LOG_BYTES = 5 * 1024 * 1024
HEALTH_TIMEOUT_S = 2.0
POLL_S = 0.05
UNPROVEN_S = 3.0
"""Seconds in which a starting engine must replace the file of an earlier one."""
_RENAMED = {PREFIX + name.upper() for name in RENAMED}
"""Reported by the MCP server; an engine would not start with them."""


class LocalEngine:
    """Locates the engine of a data folder. Calling it returns the endpoint; see ``rtstream.client.Locate``."""

    def __init__(self, data_dir: Path, api_key: str | None, *, start_timeout_s: float, idle_exit_s: float) -> None:
        self._data_dir = data_dir
        self._api_key = api_key
        self._start_timeout_s = start_timeout_s
        self._idle_exit_s = idle_exit_s
        self.started: subprocess.Popen[str] | None = None  # the engine, when this object started it
        self._unproven = False  # the program at the engine's address is not the engine

    async def __call__(self, start: bool) -> Endpoint:
        """Return the endpoint of the engine, once it has proved to be the engine of the folder.

        Raises Unavailable: there is none and ``start`` is false, it cannot be started, or what runs proves nothing.
        """
        endpoint = await self._running()
        if endpoint is None and not start:
            if self._unproven:
                raise self._not_ours()
            raise Unavailable("No engine is running yet: it starts with the first tool call.")
        return endpoint or await self._start()

    async def _running(self, *, ready: bool = False) -> Endpoint | None:
        """The engine, if one holds the folder's lock and proves to be it. Nothing else is even contacted.

        With ``ready``, only an engine that has started. Requests to one that is starting wait.
        """
        from rtstream.client.identity import UnprovenEngine

        if self.started is not None:
            self.started.poll()  # one that ended leaves the list of processes
        self._unproven = False
        found, identity = read_engine_file(self._data_dir), read_identity(self._data_dir)
        url = found.get("url")
        if not isinstance(url, str) or identity is None or not lock_held(self._data_dir):
            return None
        if not may_hold_lock(self._data_dir, found.get("pid")):
            return None  # an earlier engine wrote the file; the one that holds the lock has not yet
        endpoint = Endpoint(url, keys.load_or_create(self._data_dir, self._api_key), identity)
        try:
            return endpoint if await _healthy(endpoint, ready=ready) else None
        except UnprovenEngine:
            self._unproven = True
            return None

    async def _start(self) -> Endpoint:
        from filelock import FileLock, Timeout

        make_folder(self._data_dir)
        lock = FileLock(self._data_dir / START_LOCK)
        unproven_since: float | None = None
        with anyio.move_on_after(self._start_timeout_s):
            while True:
                try:
                    lock.acquire(blocking=False)
                except Timeout:  # another client is starting it
                    await anyio.sleep(POLL_S)
                    if endpoint := await self._running():
                        return endpoint
                    continue
                try:
                    if endpoint := await self._running():
                        return endpoint
                    if not lock_held(self._data_dir):
                        return await self._launch()
                finally:
                    lock.release()
                # An engine that was started by hand is not ready yet, or its port belongs to another program.
                unproven_since = (unproven_since or anyio.current_time()) if self._unproven else None
                if unproven_since is not None and anyio.current_time() - unproven_since > UNPROVEN_S:
                    break
                await anyio.sleep(POLL_S)
        if self._unproven or lock_held(self._data_dir):
            raise self._not_ours()
        raise self._failed(f"did not answer within {self._start_timeout_s:.0f} s")

    async def _launch(self) -> Endpoint:
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
            if endpoint := await self._running(ready=True):  # else it may still fail
                return endpoint
            if process.poll() is not None and not lock_held(self._data_dir):
                raise self._failed(f"ended with status {process.returncode}")
            await anyio.sleep(POLL_S)

    def _not_ours(self) -> Unavailable:
        found = read_engine_file(self._data_dir)
        return Unavailable(
            f"An engine holds {self._data_dir}, but nothing at {found.get('url', 'its address')} proves to be it with "
            "the API key used here, so the key was not sent. Set RTSTREAM_API_KEY to the key the engine was started "
            f"with, or stop that engine (process {found.get('pid', 'unknown')})."
        )

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


async def _healthy(endpoint: Endpoint, *, ready: bool) -> bool:
    """Return whether the engine responds or, with ``ready``, has started. Raises UnprovenEngine for another program."""
    import httpx

    from rtstream.client.identity import proven_transport

    assert endpoint.identity is not None
    transport = proven_transport(endpoint.url, endpoint.api_key, endpoint.identity)
    try:
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=HEALTH_TIMEOUT_S) as http:
            response = await http.get(f"{endpoint.url}/health")
            found = response.json()
            return response.status_code == 200 and found.get("success") is True and not (ready and "starting" in found)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return False


def _detached() -> JsonObject:
    """A process that outlives this one and gets none of its signals."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
