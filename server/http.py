"""The engine, the HTTP API and MCP at /mcp on one port. The MCP server is a client of the API, over loopback."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from rtstream import keys
from rtstream.api.cors import parse_origins
from rtstream.api.server import ApiServer, serve_on
from rtstream.api.startup import Startup
from rtstream.config import EngineConfig
from rtstream.errors import Conflict, InvalidRequest
from rtstream.ipc.restart import remove_note, write_note
from rtstream.ipc.sockets import SUPPORTED, run_folder
from rtstream.rules.identity import EngineIdentity
from rtstream.rules.key_strength import HOW_TO_MAKE_A_KEY, weakness
from rtstream.rules.recorder_limits import RELEASED_S
from rtstream.rules.remote_clients import is_loopback
from server.cli.terminal import warn
from server.engine_file import ENGINE_LOCK, make_folder, read_engine_file, remove_engine_file, write_engine_file
from server.settings import Settings

if TYPE_CHECKING:
    from rtstream.client import Endpoint
    from rtstream.engine.engine import Engine
    from server.mcp_route import CreateServer

log = logging.getLogger(__name__)

LOCK_WAIT_S = 0.5
LATER = ("rtstream.engine.engine", "rtstream.api.app", "server.mcp_route")
"""Modules that take most of the start, imported in a thread while the port responds already."""


async def serve_http(settings: Settings) -> None:
    """Run the engine and serve it until SIGTERM or SIGINT, or until it has been idle for ``idle_exit_s``.

    SIGINT (Ctrl-C, ``rtstream-mcp stop``) ends the recorders as well. After SIGTERM, which service managers send for a
    stop and for a restart, they wait a minute for the next engine. After a failure, they wait for ten minutes.

    Raises:
        InvalidRequest: The address must not be opened with these settings.
        Conflict: The data folder already has an engine.
    """
    check_address(settings)
    stop = Stop()
    secret = secrets.token_hex(32)
    with _only_engine(settings), _signals(stop):
        key = keys.load_or_create(settings.data_dir, settings.api_key)
        startup = Startup(key, secret)
        async with ApiServer(settings, startup, settings.host, settings.port) as server:
            write_engine_file(settings.data_dir, server.url, identity_of(settings, secret))
            for module in LATER:
                await anyio.to_thread.run_sync(importlib.import_module, module)
            await _run_engine(settings, server, secret, stop)


async def _run_engine(settings: Settings, server: ApiServer, secret: str, stop: Stop) -> None:
    from rtstream.engine.engine import Engine

    server.startup.step = "opening the database and resuming streams"
    engine = Engine(settings, outlived=True)
    engine.identity_secret = secret
    async with engine, anyio.create_task_group() as tasks:
        _note_start(settings)
        tasks.start_soon(_stop_when_idle, engine, stop.event)
        await serve_engine(engine, settings, stop.event, partial(_announce, settings), server=server)
        remove_note(run_folder(settings.data_dir))
        if stop.signal == signal.SIGTERM and os.getpid() != 1:
            engine.release_recorders(RELEASED_S)
        else:  # without the first process of a container, nothing in it continues
            engine.end_recorders()
        tasks.cancel_scope.cancel()


def _note_start(settings: Settings) -> None:
    """Let a recorder start the engine again after a crash, unless a service manager or a client is faster."""
    if not SUPPORTED:
        return
    try:
        if not write_note(run_folder(settings.data_dir), sys.argv[1:]):
            log.info("no recorder will start this engine after a crash, because its environment has secrets")
    except OSError as exc:
        log.warning("no recorder will start this engine after a crash: %s", exc.strerror)


class Stop:
    """The request to end, and the signal that it came with, if any."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.signal: int | None = None


async def serve_engine(
    engine: Engine,
    settings: Settings,
    stop: anyio.Event,
    on_ready: Callable[[str], None] = lambda _: None,
    create_server: CreateServer | None = None,
    server: ApiServer | None = None,
) -> None:
    """Serve the API of a running engine and MCP at /mcp until ``stop``.

    Args:
        engine: The running engine.
        settings: The settings of the MCP server.
        stop: Ends it.
        on_ready: Called with the URL.
        create_server: Creates the MCP server, see ``McpRoute``.
        server: The server that listens already; by default, one is created.
    """
    from rtstream.client import Endpoint, RTStreamClient
    from server.mcp_route import McpRoute

    listening = anyio.Event()
    address = ""

    async def here(start: bool) -> Endpoint:
        await listening.wait()
        return Endpoint(address, engine.api_key, identity_of(settings, engine.identity_secret))

    def ready(url: str) -> None:
        nonlocal address
        address = url
        listening.set()
        on_ready(url)

    mcp = McpRoute(settings, RTStreamClient.located_by(here), create_server)
    async with AsyncExitStack() as stack:
        if server is None:
            startup = Startup(engine.api_key, engine.identity_secret)
            server = await stack.enter_async_context(ApiServer(settings, startup, settings.host, settings.port))
        closed = await stack.enter_async_context(mcp.sessions(listening, stop))
        await serve_on(
            server,
            engine,
            extra_routes=[mcp.route],
            allowed_origins=parse_origins(settings.allowed_origins),
            on_ready=ready,
            should_exit=closed,
        )


def identity_of(config: EngineConfig, secret: str) -> EngineIdentity:
    """Return the identity by which clients on this machine recognise the engine with this secret."""
    certificate = config.tls_cert.read_text(encoding="ascii") if config.tls_cert else ""
    return EngineIdentity(secret, certificate)


def check_address(settings: Settings) -> None:
    """Refuse to serve other machines unless the user chose a key that is hard to guess. Raises InvalidRequest.

    Warns once about a network address without TLS.
    """
    exposed = not is_loopback(settings.host)
    public = urlsplit(settings.public_url or "").hostname
    if not exposed and not settings.behind_proxy and (public is None or is_loopback(public)):
        return
    where = f"on {settings.host}" if exposed else "behind a proxy"
    if exposed and not settings.api_key:
        raise InvalidRequest(
            f"Listening on {settings.host} is open to other machines. Set RTSTREAM_API_KEY to a key of your own first, "
            f"or use --host 127.0.0.1. {HOW_TO_MAKE_A_KEY}"
        )
    if settings.api_key and (reason := weakness(settings.api_key)):
        raise InvalidRequest(f"Other machines can try keys {where}, and RTSTREAM_API_KEY {reason}. {HOW_TO_MAKE_A_KEY}")
    if not settings.mcp_require_key:
        raise InvalidRequest(f"The key cannot be switched off {where}. Leave RTSTREAM_MCP_REQUIRE_KEY unset.")
    if exposed and settings.tls_cert is None and not settings.behind_proxy:
        log.warning(
            "The API key and everything recorded cross the network unencrypted on %s. Use --tls-cert and --tls-key, "
            "or a reverse proxy with TLS and --behind-proxy.",
            settings.host,
        )


@contextmanager
def _only_engine(settings: Settings) -> Iterator[None]:
    from filelock import FileLock, Timeout

    make_folder(settings.data_dir)
    lock = FileLock(settings.data_dir / ENGINE_LOCK)
    try:
        lock.acquire(timeout=LOCK_WAIT_S, poll_interval=0.02)  # a client may be looking whether it is held
    except Timeout:
        where = read_engine_file(settings.data_dir).get("url", "another port")
        raise Conflict(
            f"An engine already runs on {settings.data_dir} (at {where}). Use that engine, or another --data-dir."
        ) from None
    try:
        yield
    finally:
        remove_engine_file(settings.data_dir)
        lock.release()


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Set ``stop`` on SIGTERM and SIGINT, on every platform. SIGINT counts if both arrive."""
    loop = asyncio.get_running_loop()

    def end(number: int, _frame: object) -> None:
        if stop.signal != signal.SIGINT:
            stop.signal = number
        loop.call_soon_threadsafe(stop.event.set)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _stop_when_idle(engine: Engine, stop: anyio.Event) -> None:
    idle_s = engine.config.idle_exit_s
    while idle_s is not None:
        await anyio.sleep(min(5.0, idle_s / 4))
        if engine.busy:
            engine.mark_used()
        elif engine.idle_s > idle_s:
            log.warning("The engine stops, because it has been idle for %g s and no stream runs.", idle_s)
            stop.set()


def _announce(settings: Settings, url: str) -> None:
    from server.mcp_route import MCP_PATH

    key = "the one in RTSTREAM_API_KEY" if settings.api_key else f"kept in {keys.key_file(settings.data_dir)}"
    lines = (
        f"rtstream-mcp listens on {url}",
        f"  API key:  {key}",
        f"  MCP:      {url}{MCP_PATH}  (Authorization: Bearer KEY)",
        f'  SDK:      videodb.connect(api_key=KEY, base_url="{url}")',
        "  Stop:     Ctrl-C",
    )
    warn(*lines)
