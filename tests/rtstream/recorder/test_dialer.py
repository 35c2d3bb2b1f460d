"""Connections go to checked addresses only, and to each of a name in turn."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from rtstream.recorder.dialer import MOST_ADDRESSES, Dialer
from rtstream.recorder.failures import SourceFailed
from rtstream.rules.addresses import parse_allowed


def dial(networks: str = "loopback") -> Dialer:
    return Dialer(parse_allowed(networks), 2.0)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make ``cam.example`` a name of these addresses."""
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "cam.example":
            return real(host, *arguments, **options)
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_name_with_one_address_that_is_not_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "127.0.0.1", "127.0.0.1", "10.0.0.1")
    with pytest.raises(SourceFailed) as refused:
        dial().addresses("cam.example", 554)
    assert refused.value.lasting
    assert refused.value.reason[0].islower()
    assert dial("loopback,private").addresses("cam.example", 554) == ["127.0.0.1", "10.0.0.1"]


def test_only_some_of_many_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, *(f"127.0.0.{number}" for number in range(1, 50)))
    assert len(dial().addresses("cam.example", 554)) == MOST_ADDRESSES


def test_a_name_that_cannot_be_resolved_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    with pytest.raises(SourceFailed, match="cannot be resolved") as failed:
        dial().addresses("cam.example", 554)
    assert not failed.value.lasting


def test_the_next_address_is_used_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        with dial().connect("cam.example", server.getsockname()[1]) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"
            assert connection.gettimeout() == 2.0
        port = server.getsockname()[1]
    with pytest.raises(SourceFailed, match="refused the connection"):
        dial().connect("cam.example", port)


def test_a_server_that_speaks_no_tls_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(SourceFailed, match="does not speak TLS"):
            dial().connect("127.0.0.1", server.getsockname()[1], secure=True)
        thread.join()
