"""The machines on which a link opens, by the host in it."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL_SUFFIXES = (".local", ".lan", ".home", ".internal", ".home.arpa")


class LinkReach(StrEnum):
    """The machines on which a link opens."""

    THIS_MACHINE = "this machine"
    YOUR_NETWORK = "your network"
    ANYWHERE = "anywhere"


def opens_on(url: str) -> LinkReach:
    """Return the machines on which a link opens. Names are not resolved."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return LinkReach.THIS_MACHINE
    try:
        address = ip_address(host)
    except ValueError:
        return _of_name(host)
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified:
        return LinkReach.THIS_MACHINE
    return LinkReach.ANYWHERE if address.is_global else LinkReach.YOUR_NETWORK


def _of_name(host: str) -> LinkReach:
    if host in ("", "localhost") or host.endswith(".localhost"):
        return LinkReach.THIS_MACHINE
    if "." not in host or host.endswith(_LOCAL_SUFFIXES):
        return LinkReach.YOUR_NETWORK
    return LinkReach.ANYWHERE
