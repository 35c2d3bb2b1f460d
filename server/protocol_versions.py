"""Both protocol eras. Only this module publishes changes and accesses private parts of the SDK.

Clients of 2026-07-28 listen on ``subscriptions/listen``, which the SDK serves from its bus. Older clients subscribe
with ``resources/subscribe``, which the SDK leaves to the server. Here, a listener on the same bus forwards to them. It
must neither block nor raise, so each such client has a pending set and a task of its own that sends. A client that
stopped reading blocks only its own task, until a timeout drops its subscriptions.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp.server import MCPServer, NotificationOptions
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    ListResourcesResult,
    NotificationParams,
    PaginatedRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

# Any: neither the state of the server nor its transport matters here.
_Request: TypeAlias = ServerRequestContext[Any, Any]

log = logging.getLogger(__name__)

MAX_SUBSCRIPTIONS = 256
"""Maximum number of subscriptions per client, which bounds its memory."""
SEND_TIMEOUT_S = 15.0

Interest = Callable[[list[str]], Awaitable[list[str]]]
"""Called before a subscription is confirmed. Returns the URIs whose changes are published."""
Listing = Callable[[str | None], Awaitable[ListResourcesResult]]


class ChangeNotifier:
    """Delivers changes of resources to the clients of a server in both eras.

    ``async with notifier.running()`` while the server serves.
    """

    def __init__(
        self,
        bus: InMemorySubscriptionBus,
        interest: Interest,
        *,
        max_subscriptions: int = MAX_SUBSCRIPTIONS,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self._bus = bus
        self.interest = interest
        self._max = max_subscriptions
        self.send_timeout_s = send_timeout_s
        self._peers: dict[Connection, _Peer] = {}
        self._listen = _Listen(bus, self._narrowed)
        self._tasks: TaskGroup | None = None

    # Any: a server with any state.
    def install(self, mcp: MCPServer[Any], listing: Listing) -> None:
        """Serve both kinds of subscription and ``resources/list`` on ``mcp``."""
        server = mcp._lowlevel_server  # the migration guide of the SDK recommends this, because there is no public call

        async def list_resources(_: _Request, params: PaginatedRequestParams) -> ListResourcesResult:
            return await listing(params.cursor)

        server.add_request_handler("resources/list", PaginatedRequestParams, list_resources)
        server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        server.add_notification_handler("notifications/initialized", NotificationParams, self._initialized)
        # Neither transport passes notification options, and without them an older client is told that no list changes.
        options = functools.partial(server.create_initialization_options, NotificationOptions(resources_changed=True))
        server.create_initialization_options = options  # pyright: ignore[reportAttributeAccessIssue]

    async def publish(self, uri: str) -> None:
        """Notify every subscriber that ``uri`` changed. An empty one means the list of resources."""
        await self._bus.publish(ResourceUpdated(uri) if uri else ResourcesListChanged())

    def subscribed(self) -> set[str]:
        """All URIs with at least one subscriber."""
        return {uri for peer in self._peers.values() for uri in peer.uris} | set(self._listen.uris)

    def pending(self) -> int:
        """The largest number of changes pending for one client of the older era."""
        return max((peer.pending for peer in self._peers.values()), default=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forward changes to clients of the older era while the block is open."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            unsubscribe = self._bus.subscribe(self._forward)
            try:
                yield
            finally:
                unsubscribe()
                self._tasks = None
                tasks.cancel_scope.cancel()

    def close(self) -> bool:
        """End every listen stream in order, so that a server that stops does not wait for them.

        Returns:
            Whether there are any. They still send their final event.
        """
        self._listen.close()
        return self._listen.streams > 0

    # the older era

    def _forward(self, event: ServerEvent) -> None:
        for peer in list(self._peers.values()):
            peer.offer(event)

    async def _initialized(self, ctx: _Request, _: NotificationParams) -> None:
        self._peer(ctx)  # changes of the list go to every client, subscribed or not

    async def _subscribe(self, ctx: _Request, params: SubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        if not await self._narrowed([uri]):
            raise MCPError(INVALID_PARAMS, "This URI cannot be subscribed to. Use an exact URI from resources/list.")
        peer = self._peer(ctx)
        if uri not in peer.uris and len(peer.uris) >= self._max:
            raise MCPError(INVALID_PARAMS, f"A client may subscribe to {self._max} resources. Unsubscribe from some.")
        peer.uris.add(uri)
        return EmptyResult()

    async def _unsubscribe(self, ctx: _Request, params: UnsubscribeRequestParams) -> EmptyResult:
        self._peer(ctx).forget(str(params.uri))
        return EmptyResult()

    def _peer(self, ctx: _Request) -> _Peer:
        connection = ctx.session._connection
        peer = self._peers.get(connection)
        if peer is None:
            peer = self._peers[connection] = _Peer(connection)
            connection.exit_stack.callback(self._drop, peer)
            assert self._tasks is not None, "the server is used outside of running()"
            self._tasks.start_soon(self._send, peer)
        return peer

    async def _send(self, peer: _Peer) -> None:
        with peer.scope:
            while True:
                event = await peer.next()
                with anyio.move_on_after(self.send_timeout_s) as timeout:
                    await peer.send(event)
                if timeout.cancelled_caught:
                    log.warning("A client stopped reading. Its subscriptions end.")
                    self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.get(peer.connection) is peer:
            del self._peers[peer.connection]
        peer.scope.cancel()

    # both

    async def _narrowed(self, uris: list[str]) -> list[str]:
        if len(uris) > self._max:
            raise MCPError(INVALID_PARAMS, f"A client may subscribe to {self._max} resources at a time.")
        return await self.interest(uris)


class _Peer:
    """A client of the older era, with its subscriptions and pending notifications."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.uris: set[str] = set()
        self.scope = anyio.CancelScope()
        self._pending: dict[
            str, ServerEvent
        ] = {}  # keyed by URI, so that a second change before the first was sent adds nothing
        self._wake = anyio.Event()

    def offer(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated):
            if event.uri not in self.uris:
                return
            self._pending[event.uri] = event
        elif isinstance(event, ResourcesListChanged):
            self._pending[""] = event
        self._wake.set()

    @property
    def pending(self) -> int:
        return len(self._pending)

    def forget(self, uri: str) -> None:
        self.uris.discard(uri)
        self._pending.pop(uri, None)

    async def next(self) -> ServerEvent:
        while not self._pending:
            self._wake = anyio.Event()
            await self._wake.wait()
        return self._pending.pop(next(iter(self._pending)))

    async def send(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated):
            await self.connection.send_resource_updated(event.uri)
        else:
            await self.connection.send_resource_list_changed()


class _Listen(ListenHandler):
    """``subscriptions/listen`` that confirms only URIs whose changes are published."""

    def __init__(self, bus: InMemorySubscriptionBus, narrowed: Interest) -> None:
        super().__init__(bus)
        self._narrowed = narrowed
        self.uris: Counter[str] = Counter()
        self.streams = 0

    async def __call__(self, ctx: _Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        self.streams += 1
        try:
            return await self._stream(ctx, params)
        finally:
            self.streams -= 1

    async def _stream(self, ctx: _Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        wanted = await self._narrowed([str(uri) for uri in params.notifications.resource_subscriptions or ()])
        notifications = params.notifications.model_copy(update={"resource_subscriptions": wanted or None})
        self._count(wanted, 1)
        try:
            return await super().__call__(ctx, params.model_copy(update={"notifications": notifications}))
        finally:
            self._count(wanted, -1)

    def _count(self, uris: Iterable[str], by: int) -> None:
        for uri in uris:
            self.uris[uri] += by
            if self.uris[uri] <= 0:
                del self.uris[uri]
