"""Probes on loopback alone, at a port of their own, so that no other network and no other test sees them."""

from __future__ import annotations

import socket

import pytest

from rtstream.camera import probe


def probe_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let probes be sent on loopback alone, to a free port. Skips where loopback has no multicast."""
    pytest.importorskip("onveef")
    if not hasattr(socket, "if_nametoindex"):
        pytest.skip("network interfaces have no indexes here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("", 0))
        monkeypatch.setattr(probe, "PORT", free.getsockname()[1])
    index = next(index for index, name in socket.if_nameindex() if name in ("lo", "lo0"))
    monkeypatch.setattr(probe, "interfaces", lambda: [index])
