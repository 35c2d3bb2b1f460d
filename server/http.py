"""The engine, the HTTP API and MCP at /mcp on one port. The MCP server is a client of the API, over loopback."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from urllib.parse import urlsplit

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rtstream import keys
from rtstream.api.authentication import KeyCheck, client_of
from rtstream.api.cors import parse_origins
from rtstream.api.envelope import refusal
from rtstream.api.server import serve
from rtstream.client import Endpoint, RTStreamClient
from rtstream.client.identity import EngineIdentity
from rtstream.engine.engine import Engine
from rtstream.errors import Conflict, InvalidRequest, TooManyAttempts, Unauthorized
from rtstream.rules.key_strength import HOW_TO_MAKE_A_KEY, weakness
from rtstream.rules.recorder_limits import RELEASED_S
from rtstream.rules.remote_clients import is_loopback
from server.cli.terminal import warn
from server.local_engine import ENGINE_LOCK, make_folder, read_engine_file, remove_engine_file, write_engine_file
from server.mcp_server import McpEndpoint, create_mcp_server
from server.settings import Settings

log = logging.getLogger(__name__)

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MCP_PATH = "/mcp"
LOCK_WAIT_S = 0.5


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

    def ready(engine: Engine, url: str) -> None:
        write_engine_file(settings.data_dir, url, identity_of(engine))
        # Loaded objects stay in memory. Without the freeze, each garbage collection would block for 0.2 s.
        gc.freeze()
        _announce(settings, url)

    with _only_engine(settings), _signals(stop):
        async with Engine(settings, outlived=True) as engine, anyio.create_task_group() as tasks:
            engine.leave_recorders(None)  # it has not been told to end
            tasks.start_soon(_stop_when_idle, engine, stop.event)
            await serve_engine(engine, settings, stop.event, partial(ready, engine))
            if stop.signal == signal.SIGTERM and os.getpid() != 1:
                engine.leave_recorders(RELEASED_S)
            else:  # without the first process of a container, nothing in it continues
                engine.end_recorders()
            tasks.cancel_scope.cancel()


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
    create_server: Callable[[Settings, RTStreamClient], McpEndpoint] = create_mcp_server,
) -> None:
    """Serve the API of a running engine and MCP at /mcp until ``stop``. Calls ``on_ready`` with the URL."""
    listening = anyio.Event()
    address = ""

    async def here(start: bool) -> Endpoint:
        await listening.wait()
        return Endpoint(address, engine.api_key, identity_of(engine))

    def ready(url: str) -> None:
        nonlocal address
        address = url
        listening.set()
        on_ready(url)

    client = RTStreamClient.located_by(here)
    endpoint = create_server(settings, client)
    route = Route(MCP_PATH, endpoint=_guarded(endpoint, settings, engine))
    async with _sessions(endpoint, stop) as closed:
        await serve(
            engine,
            host=settings.host,
            port=settings.port,
            extra_routes=[route],
            allowed_origins=parse_origins(settings.allowed_origins),
            on_ready=ready,
            should_exit=closed,
        )


def identity_of(engine: Engine) -> EngineIdentity:
    """Return the identity by which clients on this machine recognise the engine."""
    certificate = engine.config.tls_cert.read_text(encoding="ascii") if engine.config.tls_cert else ""
    return EngineIdentity(engine.identity_secret, certificate)


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


def transport_security(settings: Settings) -> TransportSecuritySettings:
    """Host and Origin headers that /mcp accepts: those of this machine, and those in the settings."""
    named = [part.strip() for part in settings.allowed_hosts.split(",") if part.strip()]
    public = urlsplit(settings.public_url or "").hostname
    own = f"[{settings.host}]" if ":" in settings.host else settings.host
    hosts = dict.fromkeys([*LOCAL_HOSTS, own, public or own, *named])
    origins = parse_origins(settings.allowed_origins)
    return TransportSecuritySettings(
        allowed_hosts=[form for host in hosts for form in (host, f"{host}:*")],
        allowed_origins=[*(f"{scheme}://{host}:*" for host in LOCAL_HOSTS for scheme in ("http", "https")), *origins],
    )


def _guarded(endpoint: McpEndpoint, settings: Settings, engine: Engine) -> ASGIApp:
    app = endpoint.mcp.streamable_http_app(
        streamable_http_path=MCP_PATH, transport_security=transport_security(settings), host=settings.host
    )
    return KeyGuard(app) if settings.mcp_require_key else app


@asynccontextmanager
async def _sessions(endpoint: McpEndpoint, stop: anyio.Event) -> AsyncIterator[anyio.Event]:
    """Serve MCP sessions until ``stop``. Returns an event that is set once they are closed.

    They end before the HTTP server, which would otherwise wait for their open streams.
    """
    opened, closed = anyio.Event(), anyio.Event()

    async def run() -> None:
        async with endpoint.mcp.session_manager.run():
            opened.set()
            await stop.wait()
            endpoint.notifier.close()
            await anyio.sleep(0.1)  # listen streams send their final event
        closed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await opened.wait()
        yield closed
        stop.set()


class KeyGuard:
    """Admits requests with the API key, as a bearer token or in ``x-access-token``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        check: KeyCheck = scope["app"].state.keys
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-access-token", b"")
        try:
            if not given:
                raise Unauthorized("The API key is missing.")
            check.check(given, client_of(scope))
        except TooManyAttempts as error:
            await refusal(error)(scope, receive, send)
        except Unauthorized:
            message = "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY'."
            headers = {"www-authenticate": 'Bearer realm="rtstream"'}
            await refusal(Unauthorized(message), headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


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
    key = "the one in RTSTREAM_API_KEY" if settings.api_key else f"kept in {keys.key_file(settings.data_dir)}"
    lines = (
        f"rtstream-mcp listens on {url}",
        f"  API key:  {key}",
        f"  MCP:      {url}{MCP_PATH}  (Authorization: Bearer KEY)",
        f'  SDK:      videodb.connect(api_key=KEY, base_url="{url}")',
        "  Stop:     Ctrl-C",
    )
    warn(*lines)
