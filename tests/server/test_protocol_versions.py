"""Deliveries to slow and stalled clients of both eras, and the parts of the SDK on which they rely."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest, ListResourcesResult

from server.protocol_versions import ChangeNotifier
from tests.server.mcp_servers import Heard, subscribed
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")]


@asynccontextmanager
async def server(
    send_timeout_s: float = 1.0, max_subscriptions: int = 256
) -> AsyncIterator[tuple[MCPServer, ChangeNotifier]]:
    """A server whose ``test://`` resources can be subscribed to."""

    async def interest(uris: list[str]) -> list[str]:
        return [uri for uri in uris if uri.startswith("test://")]

    async def listing(_: str | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[])

    bus = InMemorySubscriptionBus()
    notifier = ChangeNotifier(bus, interest, max_subscriptions=max_subscriptions, send_timeout_s=send_timeout_s)
    mcp = MCPServer("test", subscriptions=bus)
    notifier.install(mcp, listing)
    async with notifier.running():
        yield mcp, notifier


def test_the_private_parts_of_the_sdk_that_are_used_are_still_there() -> None:
    mcp = MCPServer("contract")
    low = mcp._lowlevel_server
    assert list(inspect.signature(low.add_request_handler).parameters) == ["method", "params_type", "handler"]
    assert list(inspect.signature(low.add_notification_handler).parameters) == ["method", "params_type", "handler"]
    first = next(iter(inspect.signature(low.create_initialization_options).parameters))
    assert first == "notification_options"
    assert low.create_initialization_options().capabilities.resources.list_changed is False  # pyright: ignore[reportOptionalMemberAccess]
    for name in ("send_resource_updated", "send_resource_list_changed"):
        assert inspect.iscoroutinefunction(getattr(Connection, name))
    assert "exit_stack" in inspect.getsource(Connection.__init__)
    from mcp.server.session import ServerSession

    assert "self._connection" in inspect.getsource(ServerSession.__init__)


async def test_an_older_client_is_told_that_it_may_subscribe_and_that_lists_change() -> None:
    async with server() as (mcp, _), Client(mcp, mode="legacy") as client:
        resources = client.server_capabilities.resources
        assert resources is not None
        assert (resources.subscribe, resources.list_changed) == (True, True)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_only_what_was_subscribed_to_is_told_and_only_as_long_as_it_is(era: str) -> None:
    heard = Heard()
    handler = heard if era == "legacy" else None  # a listener also gets its events on the subscription
    async with server() as (mcp, notifier), Client(mcp, mode=era, message_handler=handler) as client:
        async with subscribed(client, era, heard, "test://a"):  # pyright: ignore[reportArgumentType]
            assert notifier.subscribed() == {"test://a"}
            await notifier.publish("test://b")
            await notifier.publish("test://a")
            await heard.until("test://a")
        await eventually(lambda: not notifier.subscribed(), limit_s=5)
        await notifier.publish("test://a")
        await notifier.publish("")
        if era == "legacy":
            await heard.until("")  # comes after, so what it follows was not sent
        assert heard.uris == ["test://a"]


async def test_a_uri_nobody_publishes_is_refused_to_older_clients_and_left_out_for_newer_ones() -> None:
    async with server() as (mcp, _):
        async with Client(mcp, mode="legacy") as client:
            with pytest.raises(MCPError, match="cannot be subscribed to"):
                await client.subscribe_resource("other://a")  # pyright: ignore[reportDeprecated]
        async with (
            Client(mcp) as client,
            client.listen(resource_subscriptions=["other://a", "test://a"]) as subscription,
        ):
            assert list(subscription.honored.resource_subscriptions or ()) == ["test://a"]


async def test_a_client_may_subscribe_to_so_many_and_no_more() -> None:
    async with server(max_subscriptions=3) as (mcp, notifier):
        async with Client(mcp, mode="legacy") as client:
            for number in range(3):
                await client.subscribe_resource(f"test://{number}")  # pyright: ignore[reportDeprecated]
            await client.subscribe_resource("test://0")  # pyright: ignore[reportDeprecated]
            with pytest.raises(MCPError, match="may subscribe to 3"):
                await client.subscribe_resource("test://3")  # pyright: ignore[reportDeprecated]
        async with Client(mcp) as client:
            with pytest.raises(MCPError, match="may subscribe to 3"):
                async with client.listen(resource_subscriptions=[f"test://{n}" for n in range(4)]):
                    pass
        await eventually(lambda: not notifier.subscribed(), limit_s=5)


async def test_a_client_that_left_is_forgotten() -> None:
    async with server() as (mcp, notifier):
        async with Client(mcp, mode="legacy") as client:
            await client.subscribe_resource("test://a")  # pyright: ignore[reportDeprecated]
            assert notifier.subscribed() == {"test://a"}
        await eventually(lambda: not notifier.subscribed(), limit_s=5)


async def test_a_client_that_stops_reading_holds_up_nobody_and_is_dropped() -> None:
    heard = Heard()
    async with server(send_timeout_s=0.5) as (mcp, notifier), Client(mcp) as other, _stalled(mcp, "test://stalled"):
        assert notifier.subscribed() == {"test://stalled"}
        async with subscribed(other, "auto", heard, "test://other"):
            with anyio.fail_after(5):
                for _ in range(1000):
                    await notifier.publish("test://stalled")
                await notifier.publish("test://other")
            await heard.until("test://other")
            await eventually(lambda: "test://stalled" not in notifier.subscribed(), limit_s=5)


@asynccontextmanager
async def _stalled(mcp: MCPServer, uri: str) -> AsyncIterator[None]:
    """An older client on a pipe that subscribes and then reads no more."""
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    low = mcp._lowlevel_server
    async with (
        create_client_server_memory_streams() as ((read, write), server_side),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(low.run, *server_side, low.create_initialization_options())

        async def send(method: str, params: dict[str, object], number: int | None) -> None:
            if number is None:
                message = JSONRPCNotification(jsonrpc="2.0", method=method, params=params)
            else:
                message = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
            await write.send(SessionMessage(message))
            if number is not None:
                await read.receive()

        with anyio.fail_after(5):
            await send("initialize", initialize, 1)
            await send("notifications/initialized", {}, None)
            await send("resources/subscribe", {"uri": uri}, 2)
        yield
        tasks.cancel_scope.cancel()
