"""The WebSocket: a ticket over HTTP, then all messages for the connection (API reference 2.17, 3)."""

from __future__ import annotations

import hashlib
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import anyio
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect

from rtstream import ids
from rtstream.api.authentication import KeyCheck, client_of
from rtstream.api.base_url import base_url
from rtstream.api.envelope import refusal, validated
from rtstream.api.feed import JournalTail
from rtstream.api.routing import engine_of
from rtstream.concurrency import first_error
from rtstream.errors import RTStreamError, Unauthorized

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

log = logging.getLogger(__name__)

TICKET_TTL_S = 600
MAX_CONNECTIONS = 1000


class Wanted(BaseModel):
    """Query of ``/ws``. All parameters except the ticket are additions to the published API.

    ``scope=all`` requests every message, ``since`` requests the stored messages with a higher number first, and
    ``connection_id`` continues the subscriptions of an earlier connection.
    """

    ticket: str = ""
    scope: str = ""
    since: int | None = Field(None, ge=0, lt=2**63)
    connection_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


def _tickets(engine: Engine) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(engine.api_key, salt="websocket", signer_kwargs={"digest_method": hashlib.sha256})


class WebSocketData(BaseModel):
    """Result of ``GET collection/{id}/websocket``."""

    websocket_url: str


async def get_websocket_url(request: Request) -> WebSocketData:
    """Get the URL of the WebSocket. The ticket in it replaces the API key for ten minutes."""
    engine = engine_of(request)
    collection = await engine.collections.get(request.path_params["collection_id"])
    ticket = _tickets(engine).dumps(collection.id)
    return WebSocketData(websocket_url=f"ws{base_url(request).removeprefix('http')}/ws?ticket={ticket}")


async def connect(websocket: WebSocket) -> None:
    """Deliver messages until the client leaves, stalls or the server closes."""
    open_connections: set[WebSocket] = websocket.app.state.websockets
    try:
        wanted = validated(Wanted, websocket.query_params)
        _check_ticket(websocket, wanted.ticket)
    except RTStreamError as error:
        await websocket.send_denial_response(refusal(error))
        return
    await websocket.accept()
    if len(open_connections) >= MAX_CONNECTIONS:
        await websocket.close(1013, "too many connections")
        return
    open_connections.add(websocket)
    try:
        await _serve(websocket, wanted)
    except* WebSocketDisconnect:
        pass
    except* RTStreamError as group:  # the database fails; a client that connects again continues from its cursor
        log.warning("A WebSocket was closed: %s", first_error(group))
        with suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close(1013, "try again later")
    finally:
        open_connections.discard(websocket)


def _check_ticket(websocket: WebSocket, ticket: str) -> None:
    keys: KeyCheck = websocket.app.state.keys
    client = client_of(websocket.scope)
    try:
        _tickets(websocket.app.state.engine).loads(ticket, max_age=TICKET_TTL_S)
    except SignatureExpired:
        raise Unauthorized("The WebSocket ticket has expired. Request a new URL.") from None
    except BadSignature:
        keys.check_wait(client)
        keys.add_failure(client)
        raise Unauthorized("The WebSocket ticket is not valid. Request a URL with the API key.") from None


async def _serve(websocket: WebSocket, wanted: Wanted) -> None:
    engine: Engine = websocket.app.state.engine
    latest = await engine.journal.latest()
    connection_id = wanted.connection_id or ids.connection_id()
    hello: dict[str, object] = {"connection_id": connection_id, "seq": latest}
    cursor = latest
    if wanted.since is not None:
        cursor = min(wanted.since, latest)
        hello["truncated"] = (await engine.journal.read(wanted.since, limit=1)).truncated
    await engine.subscriptions.load(connection_id)
    await websocket.send_text(to_json(hello).decode())
    closing: anyio.Event = websocket.app.state.closing
    async with anyio.create_task_group() as tasks:

        async def end_with_server() -> None:
            await closing.wait()
            tasks.cancel_scope.cancel()

        async def end_with_client() -> None:
            # Messages from clients are ignored (API reference 3.1).
            while (await websocket.receive())["type"] != "websocket.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(end_with_server)
        tasks.start_soon(end_with_client)
        await _deliver(websocket, connection_id, cursor, everything=wanted.scope == "all")
        tasks.cancel_scope.cancel()
    if closing.is_set():
        with anyio.move_on_after(0.4):
            await websocket.close(1001, "the server is closing")


async def _deliver(websocket: WebSocket, connection_id: str, cursor: int, *, everything: bool) -> None:
    """Send the messages of the connection. Returns when the client reads nothing for the stall timeout."""
    feed: JournalTail = websocket.app.state.feed
    engine: Engine = websocket.app.state.engine
    timeout_s: float = websocket.app.state.stall_timeout_s
    async with aclosing(feed.items(cursor)) as items:
        async for item in items:
            if not everything and item.targets.isdisjoint(engine.subscriptions.targets(connection_id)):
                continue
            with anyio.move_on_after(timeout_s) as sending:
                await websocket.send_text(item.text)
            if sending.cancelled_caught:
                break
    with anyio.move_on_after(0.5):
        await websocket.close(1013, "too slow")
    # A close frame does not reach a client that does not read, so the server drops the connection.
    websocket.app.state.drop(websocket.scope["client"])
    log.warning("Disconnected a WebSocket client that read nothing for %g s", timeout_s)
