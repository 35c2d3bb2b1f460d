"""Finds the engine of this machine, or starts it in the background: one engine per data folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import anyio

from rtstream import __version__, keys
from rtstream.client import Endpoint
from rtstream.errors import Unavailable
from rtstream.json_types import JsonObject, JsonValue
from server.settings import PREFIX, RENAMED

if TYPE_CHECKING:
    from rtstream.rules.identity import EngineIdentity

ENGINE_FILE = "engine.json"
START_LOCK = "start.lock"
ENGINE_LOCK = "engine.lock"
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

    async def _running(self) -> Endpoint | None:
        """The engine, if one holds the folder's lock and proves to be it. Nothing else is even contacted."""
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
            return endpoint if await _healthy(endpoint) else None
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
            if endpoint := await self._running():
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


def make_folder(data_dir: Path) -> None:
    """Create the data folder, for this user only. Raises Unavailable if it cannot be created or written to."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise Unavailable(
            f"The data folder {data_dir} cannot be created: {exc.strerror}. Set RTSTREAM_DATA_DIR."
        ) from exc
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise Unavailable(f"The data folder {data_dir} cannot be written to. Set RTSTREAM_DATA_DIR.")


def read_engine_file(data_dir: Path) -> JsonObject:
    """Return the data that the engine of this folder wrote about itself, or an empty object if there is none."""
    try:
        value = json.loads((data_dir / ENGINE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_identity(data_dir: Path) -> EngineIdentity | None:
    """Return the identity of the engine of this folder, or None."""
    from rtstream.rules.identity import EngineIdentity

    found = read_engine_file(data_dir)
    secret, certificate = found.get("secret"), found.get("certificate", "")
    if not isinstance(secret, str) or len(secret) < 32 or not isinstance(certificate, str):
        return None
    return EngineIdentity(secret, certificate)


def lock_held(data_dir: Path) -> bool:
    """An engine runs on the folder: it holds the lock as long as it lives, and the system frees it."""
    from filelock import FileLock, Timeout

    path = data_dir / ENGINE_LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def may_hold_lock(data_dir: Path, pid: JsonValue) -> bool:
    """Whether the process ``pid`` holds the lock of the engine, as far as the platform names holders (Linux does)."""
    try:
        found = (data_dir / ENGINE_LOCK).stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for _, kind, *words in filter(None, map(str.split, locks)):
        # FLOCK ADVISORY WRITE <pid> <device>:<inode> 0 EOF
        if kind == "FLOCK" and words[3:4] == [place]:
            return str(pid) in _pids_of(words[2])
    return True  # of another container, or on a file system that reports other devices


def _pids_of(pid: str) -> list[str]:
    """All numbers of a process: it has another one in each namespace of processes, such as its container."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [pid]
    return next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [pid])


def write_engine_file(data_dir: Path, url: str, identity: EngineIdentity) -> None:
    """Let other programs of this user find this process as the engine of the folder, and recognise it."""
    path = data_dir / ENGINE_FILE
    draft = path.with_suffix(f".{os.getpid()}")
    found = {"url": url, "pid": os.getpid(), "version": __version__, **asdict(identity)}
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(found, file)
    draft.replace(path)


def remove_engine_file(data_dir: Path) -> None:
    """This process is no longer the engine."""
    if read_engine_file(data_dir).get("pid") == os.getpid():
        (data_dir / ENGINE_FILE).unlink(missing_ok=True)


async def _healthy(endpoint: Endpoint) -> bool:
    """Return whether the engine responds. Raises UnprovenEngine for another program."""
    import httpx

    from rtstream.client.identity import proven_transport

    assert endpoint.identity is not None
    transport = proven_transport(endpoint.url, endpoint.api_key, endpoint.identity)
    try:
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=HEALTH_TIMEOUT_S) as http:
            response = await http.get(f"{endpoint.url}/health")
            return response.status_code == 200 and response.json().get("success") is True
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return False


def _detached() -> JsonObject:
    """A process that outlives this one and gets none of its signals."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
