"""The targets of WebSocket connections survive a restart."""

from __future__ import annotations

import pytest

from rtstream.engine import subscriptions
from rtstream.engine.subscriptions import Subscriptions
from rtstream.errors import InvalidRequest
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio


async def test_targets_are_delivered_to_a_connection_across_restarts(db: Database) -> None:
    before = Subscriptions(db)
    live = await before.load("wsc-1")
    await before.bind("wsc-1", "stream", "rts-1")
    await before.bind("wsc-1", "alert", "alert-1")
    await before.bind(None, "stream", "rts-2")
    assert live == {("stream", "rts-1"), ("alert", "alert-1")}
    assert live is before.targets("wsc-1")
    assert await Subscriptions(db).load("wsc-1") == live
    await before.trim()
    assert await Subscriptions(db).load("wsc-1") == live  # none of them is a week old


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "a/b", "wsc-1\n"])
async def test_a_malformed_id_is_refused_with_the_remedy(db: Database, bad: str) -> None:
    with pytest.raises(InvalidRequest, match="connection_id from the first WebSocket message"):
        await Subscriptions(db).bind(bad, "stream", "rts-1")


async def test_the_memory_for_connections_is_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_BOUND", 3)
    known = Subscriptions(db)
    for number in range(5):
        await known.bind(f"wsc-{number}", "stream", "rts-1")
    assert len(known._targets) == 3
    assert await known.load("wsc-0") == {("stream", "rts-1")}  # from the table
