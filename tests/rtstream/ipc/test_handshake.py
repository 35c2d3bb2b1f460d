"""The handshake on private sockets: the version first, refusals with a reason, and nothing believed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import PROTOCOL, Greeting, Refused, ask, program_identity, read_greeting


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    with closing(Channel(ours)) as near, closing(Channel(theirs)) as far:
        yield near, far


def test_a_greeting_arrives_as_it_was_sent(ends: tuple[Channel, Channel]) -> None:
    greeting = Greeting(PROTOCOL, program_identity(), 7)
    greeting.send(ends[0])
    assert read_greeting(ends[1]) == greeting


def test_a_greeting_of_a_later_version_is_understood(ends: tuple[Channel, Channel]) -> None:
    ends[0].send_json({"protocol": 99, "program": "9.0", "pid": 7, "more": {"x": 1}})
    assert read_greeting(ends[1]).protocol == 99


@pytest.mark.parametrize("sent", [{}, {"protocol": "1", "program": "x", "pid": 1}, {"protocol": 1, "pid": None}])
def test_something_else_is_no_greeting(ends: tuple[Channel, Channel], sent: dict[str, object]) -> None:
    ends[0].send_json(sent)
    with pytest.raises(ValueError, match="greeting"):
        read_greeting(ends[1])


def test_a_refusal_has_its_reason_and_code(ends: tuple[Channel, Channel]) -> None:
    ends[0].send_json({"refused": "a newer engine records this stream", "code": "stale"})
    with pytest.raises(Refused, match="newer engine") as caught:
        ask(ends[1], {"request": "attach"})
    assert caught.value.code == "stale"


def test_the_identity_of_the_program_begins_with_its_version() -> None:
    from rtstream import __version__

    assert program_identity().startswith(f"{__version__}+")
