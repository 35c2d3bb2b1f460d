"""WS-Discovery: sends probes by multicast, and collects the ONVIF devices that respond."""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from rtstream.errors import Unavailable
from rtstream.rules.text_safety import clean

GROUP, PORT = "239.255.255.250", 3702
PROBES_S = (0.0, 0.4, 1.0)
"""Seconds after which probes are sent. Multicast is lossy, and cameras may ignore the first probe."""
MOST_DEVICES = 64
MOST_DATAGRAMS = 1000
DATAGRAM_BYTES = 65535
MAX_NAME = 100
MAX_PATH = 200
MISSING = (
    "Cameras are found with the package onveef, which is not installed. Install the extra: pip install "
    "'rtstream-mcp[onvif]'. Cameras whose URL is known need no extra."
)


@dataclass(frozen=True)
class OnvifDevice:
    """A device that responded to a probe."""

    address: str
    """Address from which it responded."""
    service_url: str
    """URL of its device service at this address."""
    name: str = ""
    model: str = ""


def interfaces() -> list[int]:
    """Return the indexes of the network interfaces of this machine."""
    return [index for index, _ in socket.if_nameindex()]


def find_devices(wait_s: float, on: Sequence[int] | None = None) -> list[OnvifDevice]:
    """Return the devices that respond within ``wait_s``. Blocks.

    Args:
        wait_s: Seconds to wait for responses.
        on: Indexes of the network interfaces to search on; all by default.

    Raises:
        Unavailable: The extra ``onvif`` is not installed, or there is no network.
    """
    try:
        from onveef.wsdiscovery import build_probe, parse_probe_matches
    except ImportError:
        raise Unavailable(MISSING) from None
    found: dict[str, OnvifDevice] = {}
    until = time.monotonic() + wait_s
    due = [time.monotonic() + after for after in PROBES_S if after < wait_s]
    datagrams = 0
    with _opened() as probes:
        while (now := time.monotonic()) < until and datagrams < MOST_DATAGRAMS and len(found) < MOST_DEVICES:
            if due and due[0] <= now:
                del due[0]
                _send(probes, build_probe(message_id=f"urn:uuid:{uuid.uuid4()}").encode(), on or interfaces())
            wait = min([until, *due[:1]]) - now
            if not select.select([probes], [], [], max(0.0, wait))[0]:
                continue
            datagrams += 1
            with suppress(OSError):
                data, sender = probes.recvfrom(DATAGRAM_BYTES)
                for match in parse_probe_matches(data.decode("utf-8", "replace"))[:MOST_DEVICES]:
                    device = _device(match.xaddrs, match.name, match.hardware, str(sender[0]))
                    found.setdefault(match.endpoint_reference[:MAX_PATH] or device.service_url, device)
    return list(found.values())


def _opened() -> socket.socket:
    try:
        probes = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probes.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        probes.setblocking(False)
        probes.bind(("", 0))
    except OSError as exc:
        raise Unavailable(f"Cameras cannot be looked for: {exc.strerror or exc}.") from None
    return probes


def _send(probes: socket.socket, probe: bytes, on: Iterable[int]) -> None:
    """Send a probe on each network interface that has an address and a route."""
    for index in on:
        # Windows takes an index as an address of the network 0.0.0.0/8.
        chosen = struct.pack("!I", index) if sys.platform == "win32" else struct.pack("@4s4si", b"", b"", index)
        with suppress(OSError):
            probes.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, chosen)
            probes.sendto(probe, (GROUP, PORT))


def _device(urls: Iterable[str], name: str, model: str, address: str) -> OnvifDevice:
    shown, kind = (clean(unquote(text).replace("_", " "), MAX_NAME) for text in (name, model))
    return OnvifDevice(address, service_url(urls, address), shown, kind)


def service_url(urls: Iterable[str], address: str) -> str:
    """Return the URL of the device service at the address that responded.

    A device may state URLs of networks that cannot be reached from here, or of other machines.
    """
    for url in urls:
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.path.isascii() and len(parts.path) <= MAX_PATH:
            return f"{parts.scheme}://{address}{port}{parts.path}"
    return f"http://{address}/onvif/device_service"
