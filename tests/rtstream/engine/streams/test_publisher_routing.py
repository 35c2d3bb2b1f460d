"""A stream key leads to the stream of its publisher, whichever protocol it arrives by."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rtstream.engine.streams import publisher_routing
from rtstream.engine.streams.publisher_routing import BUSY, NOT_RUNNING, PublisherRouting
from rtstream.ipc.sockets import SUPPORTED, listen, publisher_socket
from rtstream.recorder.publisher import PublisherQueue
from tests.rtstream.rules.rtmp_client import opening

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SUPPORTED, reason="publishers are accepted on Linux only")]


async def names() -> dict[str, str]:
    return {"phone": "rts-1", "obs": "rts-2"}


async def test_a_key_leads_to_its_stream(tmp_path: Path) -> None:
    routing = PublisherRouting(tmp_path, "sk-key", names)
    keys = routing.keys_of("obs")
    assert await routing.find(keys.stream_key) == ("rts-2", keys)
    for wrong in (keys.passphrase, "", PublisherRouting(tmp_path, "sk-other", names).keys_of("obs").stream_key):
        assert await routing.find(wrong) is None


async def test_a_connection_is_handed_over_unless_another_one_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_routing, "STARTING_S", 0.0)
    routing = PublisherRouting(tmp_path, "sk-key", names)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert await routing.hand_over("rts-1", theirs, opening()) == NOT_RUNNING
        queue = PublisherQueue(listen(tmp_path, publisher_socket("rts-1")))
        try:
            assert await routing.hand_over("rts-1", theirs, opening()) == ""
            assert await routing.hand_over("rts-1", theirs, opening(), 0.2) == BUSY
        finally:
            queue.close()
