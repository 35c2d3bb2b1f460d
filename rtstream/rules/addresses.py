"""Checks of the addresses and local paths to which streams and webhooks may connect.

Nothing is resolved or opened here. The caller parses the URL (``rtstream.rules.source_urls``), resolves its host and
passes every address to ``check_addresses``; It connects to one of exactly those addresses, because another look-up may
return others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import PurePath
from typing import Literal

from rtstream.errors import InvalidRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Purpose = Literal["stream", "webhook"]
SETTINGS: dict[Purpose, str] = {"stream": "RTSTREAM_ALLOW_NETWORKS", "webhook": "RTSTREAM_WEBHOOK_ALLOW_NETWORKS"}
"""The setting that lists the networks of each use."""


@dataclass(frozen=True)
class Allowed:
    """The addresses that may be used in addition to public ones."""

    private: bool = False
    loopback: bool = False
    networks: tuple[Network, ...] = ()


def parse_allowed(setting: str, purpose: Purpose = "stream") -> Allowed:
    """Read a list of networks: CIDR ranges and the words 'private' and 'loopback', by commas. Raises InvalidRequest.

    'private' means RFC 1918, carrier-grade NAT (100.64.0.0/10), IPv6 unique local addresses and multicast that is
    scoped to a site or organisation. Link-local and metadata addresses are in no word: they need a CIDR range.
    """
    words = [word.strip().lower() for word in setting.split(",") if word.strip()]
    networks: list[Network] = []
    for word in words:
        if word in ("private", "loopback"):
            continue
        try:
            networks.append(ip_network(word, strict=False))
        except ValueError:
            raise InvalidRequest(
                f"{SETTINGS[purpose]} takes CIDR ranges such as 192.168.1.0/24 and the words 'private' and "
                f"'loopback', separated by commas; {word[:50]!r} is none of these."
            ) from None
    return Allowed("private" in words, "loopback" in words, tuple(networks))


def check_addresses(addresses: Iterable[str | Address], allowed: Allowed, purpose: Purpose = "stream") -> None:
    """Raise InvalidRequest unless every address that a host resolved to may be connected to.

    One refused address is enough: which of several the connection takes is not ours to choose.
    """
    found = [ip_address(address) for address in addresses]
    if not found:
        raise InvalidRequest("The host name has no address; check its spelling.")
    for address, meant in [(each, meant) for each in found for meant in _meanings(each)]:
        kind = _kind(meant)
        if kind == "public" or (kind == "private" and allowed.private) or (kind == "loopback" and allowed.loopback):
            continue
        networks = allowed.networks
        if kind == "metadata":
            networks = tuple(network for network in networks if _names_metadata(network))
        if any(inner in network for network in networks for inner in {address, meant}):
            continue
        named = _KIND_NAMES["link-local metadata" if kind == "metadata" and meant.is_link_local else kind]
        raise InvalidRequest(f"The host is at {address}, {named}. {_remedy(kind, address, purpose)}")


def _names_metadata(network: Network) -> bool:
    """The network was meant for a metadata service: one address, a metadata range, or the whole address space.

    A range such as 100.64.0.0/10 that happens to contain one does not open it.
    """
    if network.prefixlen in (0, network.max_prefixlen):
        return True
    return any(
        metadata.version == network.version and metadata.supernet_of(network)  # pyright: ignore[reportArgumentType]
        for metadata in _METADATA
    )


def check_local_path(path: PurePath, folders: Sequence[PurePath]) -> None:
    """Raise InvalidRequest unless ``path`` lies below one of ``folders``. All must be resolved (no links, no '..')."""
    if not folders:
        raise InvalidRequest(
            "Local files may not be opened; to allow them set RTSTREAM_MEDIA_FOLDERS to the folders that hold them."
        )
    if ".." in path.parts or not any(path.is_relative_to(folder) for folder in folders):
        raise InvalidRequest(
            "The file is outside the media folders; move it there or add its folder to RTSTREAM_MEDIA_FOLDERS."
        )


Kind = Literal["public", "private", "loopback", "link-local", "metadata", "multicast", "unspecified", "special"]

_KIND_NAMES: dict[str, str] = {
    "private": "a private network",
    "loopback": "this machine itself (loopback)",
    "link-local": "a link-local address",
    "metadata": "a cloud metadata address",
    "link-local metadata": "a link-local cloud metadata address",
    "multicast": "a multicast address",
    "unspecified": "the unspecified address (all interfaces)",
    "special": "an address reserved for special use",
}

_PRIVATE = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598; overlay networks use it too
        "239.0.0.0/8",  # RFC 2365: multicast within an organisation
        "fc00::/7",
        "ff05::/16",  # RFC 4291: site-local multicast
        "ff08::/16",  # organisation-local multicast
    )
]
# Instance metadata services, which hand out credentials: AWS, Azure, Google and others share 169.254.169.254.
_METADATA = [
    ip_network(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",  # AWS: containers
        "169.254.170.23",
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fe80::a9fe:a9fe",
        "fd00:ec2::/32",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of the interface identifier (RFC 5214, 6.1); the lower half is an IPv4 address."""
# What older versions of Python call global.
_SPECIAL = [
    ip_network(text)
    for text in (
        "64:ff9b:1::/48",  # RFC 8215: NAT64 with a prefix of the network's own; where it leads is not known here
        "192.0.0.0/24",  # protocols of the local network, such as DS-Lite
        "192.88.99.0/24",  # relays of 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local, replaced by fc00::/7
    )
]


def _kind(address: Address) -> Kind:
    if any(address in network for network in _METADATA):
        return "metadata"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if any(address in network for network in _PRIVATE):
        return "private"
    if address.is_multicast:
        return "multicast"
    if address.is_reserved or not address.is_global or any(address in network for network in _SPECIAL):
        return "special"
    return "public"


def _meanings(address: Address) -> list[Address]:
    """The addresses that packets to ``address`` may reach, all of which must be allowed.

    That is the IPv4 address in a mapped, NAT64 or 6to4 address, both of an ISATAP address, else the address itself.
    """
    if isinstance(address, IPv4Address):
        return [address]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64:
        return [low]
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return [address, low]
    return [address.ipv4_mapped or address.sixtofour or address]


def _remedy(kind: Kind, address: Address, purpose: Purpose) -> str:
    setting = SETTINGS[purpose]
    if kind in ("private", "loopback"):
        subject = "webhooks there" if purpose == "webhook" else "it"
        return f"To allow {subject} set {setting}={kind}."
    bits = 32 if isinstance(address, IPv4Address) else 128
    return f"Only naming it allows it: {setting}={str(address).split('%')[0]}/{bits}."
