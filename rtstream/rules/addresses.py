"""Where a stream or a webhook may point: checks of URLs, of resolved network addresses and of local paths.

Nothing is resolved or opened here. The caller parses the URL, resolves the host of ``resolve_plan`` itself and hands
every address it got to ``check_addresses``; it should connect to one of exactly those addresses (a second look-up
may answer differently).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import PurePath
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from rtstream.errors import InvalidRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SOURCE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "tcp", "udp", "file")
WEBHOOK_SCHEMES = ("http", "https")
MAX_URL = 2048  # characters

_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Source:
    """A checked URL. ``url`` still holds its credentials; show it only through ``rtstream.rules.redaction``."""

    url: str
    scheme: str
    host: str = ""
    """Name or address without brackets, lower case; empty for a local file."""
    port: int = 0
    path: str = ""
    """The local path, for ``file`` only: absolute, not resolved, not yet checked against the media folders."""


@dataclass(frozen=True)
class Allowed:
    """Which addresses besides public ones may be used."""

    private: bool = False
    loopback: bool = False
    networks: tuple[Network, ...] = ()


def parse_source(url: str) -> Source:
    """Check the URL of a live source or the absolute path of a local media file. Raises InvalidRequest."""
    url = _plain(url, "source URL")
    if url.startswith("/") or _DRIVE.match(url):
        return Source(url, "file", path=_local(url))
    return _parse(url, "source URL", SOURCE_SCHEMES)


def parse_webhook(url: str) -> Source:
    """Check the URL of a webhook receiver. Raises InvalidRequest."""
    return _parse(_plain(url, "webhook URL"), "webhook URL", WEBHOOK_SCHEMES)


def resolve_plan(url: str) -> tuple[str, int]:
    """The (host, port) to resolve before the source may be opened; host is empty for a local file."""
    source = parse_source(url)
    return source.host, source.port


def parse_allowed(setting: str) -> Allowed:
    """Read ``allow_networks``: CIDR ranges and the words 'private' and 'loopback', by commas. Raises InvalidRequest.

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
                "RTSTREAM_ALLOW_NETWORKS takes CIDR ranges such as 192.168.1.0/24 and the words 'private' and "
                f"'loopback', separated by commas; {word[:50]!r} is none of these."
            ) from None
    return Allowed("private" in words, "loopback" in words, tuple(networks))


def check_addresses(
    addresses: Iterable[str | Address], allowed: Allowed, purpose: Literal["stream", "webhook"] = "stream"
) -> None:
    """Raise InvalidRequest unless every address that a host resolved to may be connected to.

    One refused address is enough: which of several the connection takes is not ours to choose.
    """
    found = [ip_address(address) for address in addresses]
    if not found:
        raise InvalidRequest("The host name has no address; check its spelling.")
    for address in found:
        kind = _kind(_embedded(address))
        if kind == "public" or (kind == "private" and allowed.private) or (kind == "loopback" and allowed.loopback):
            continue
        if any(inner in network for network in allowed.networks for inner in {address, _embedded(address)}):
            continue
        raise InvalidRequest(f"The host is at {address}, {_KIND_NAMES[kind]}. {_remedy(kind, address, purpose)}")


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


def _plain(url: str, what: str) -> str:
    url = url.strip(" \t\r\n")
    if not url:
        raise InvalidRequest(f"The {what} is empty.")
    if len(url) > MAX_URL:
        raise InvalidRequest(f"The {what} is longer than {MAX_URL} characters.")
    if _CONTROL.search(url):
        raise InvalidRequest(f"The {what} contains control characters; remove them.")
    return url


def _parse(url: str, what: str, schemes: Sequence[str]) -> Source:
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme not in schemes:
        listed = ", ".join(f"{name}://" for name in schemes)
        local = " or be the absolute path of a local file" if "file" in schemes else ""
        raise InvalidRequest(f"The {what} must begin with one of {listed}{local}.")
    if scheme != "file" and re.search(r"[\s\\]", url):
        # A media library may find another host behind a backslash than we do.
        raise InvalidRequest(f"The {what} contains a space or a backslash; percent-encode it (%20, %5C).")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequest(
            f"The {what} has no valid host and port; "
            "percent-encode special characters in the user name and password (for example %40 for @, %2F for /)."
        ) from None
    if scheme == "file":
        return Source(url, scheme, path=_file_path(parts))
    host = _host(parts, what)
    if port is None:
        port = _DEFAULT_PORTS.get(scheme, 0)
    if not port:
        raise InvalidRequest(f"The {what} needs a port, as in {scheme}://host:5000.")
    return Source(url, scheme, host, port)


def _host(parts: SplitResult, what: str) -> str:
    host = parts.hostname or ""
    if not host and _listens(parts):
        return "0.0.0.0"  # noqa: S104 - what the URL asks for; refused later unless the setting names it
    if not host:
        raise InvalidRequest(f"The {what} has no host; write it as {parts.scheme}://host/path.")
    if ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise InvalidRequest(f"The host in the {what} is not a valid IPv6 address.") from None
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise InvalidRequest(f"The host in the {what} is not a valid name.") from None
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise InvalidRequest(f"The host in the {what} is not a valid name or address.")
    return host


def _listens(parts: SplitResult) -> bool:
    """Sources that wait for a sender may leave the host out: ``udp://@:5000``, ``srt://:9000?mode=listener``."""
    options = parse_qs(parts.query, keep_blank_values=True)
    return parts.scheme == "udp" or (parts.scheme == "srt" and options.get("mode") == ["listener"])


def _file_path(parts: SplitResult) -> str:
    if parts.netloc.lower() not in ("", "localhost"):
        raise InvalidRequest("A file URL may not name a host; write it as file:///folder/name.")
    path = unquote(parts.path)
    if _DRIVE.match(path[1:]):
        path = path[1:]
    return _local(path)


def _local(path: str) -> str:
    if _CONTROL.search(path):
        raise InvalidRequest("The file name contains control characters; rename the file.")
    if path.startswith(("//", "\\\\")):
        raise InvalidRequest("Files on network shares may not be opened by their share name; mount the share first.")
    if not path.startswith("/") and not _DRIVE.match(path):
        raise InvalidRequest("A local file needs its absolute path.")
    return path


Kind = Literal["public", "private", "loopback", "link-local", "metadata", "multicast", "unspecified", "special"]

_KIND_NAMES: dict[Kind, str] = {
    "private": "a private network",
    "loopback": "this machine itself (loopback)",
    "link-local": "a link-local address",
    "metadata": "a cloud metadata address",
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
# Instance metadata services outside the link-local range: Alibaba, Azure, Oracle; AWS over IPv6.
_METADATA = [ip_network(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32")]
_NAT64 = IPv6Network("64:ff9b::/96")


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
    if address.is_reserved or not address.is_global:
        return "special"
    return "public"


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, NAT64, 6to4), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _remedy(kind: Kind, address: Address, purpose: Literal["stream", "webhook"]) -> str:
    if purpose == "webhook":
        if kind == "private":
            return "To allow webhooks to private networks set RTSTREAM_WEBHOOK_ALLOW_PRIVATE=true."
        if kind == "loopback":
            return "Webhooks to this machine are allowed only while the engine itself listens on loopback."
        return "Webhooks cannot go there."
    if kind in ("private", "loopback"):
        return f"To allow it set RTSTREAM_ALLOW_NETWORKS={kind}."
    bits = 32 if isinstance(address, IPv4Address) else 128
    return f"Only naming it allows it: RTSTREAM_ALLOW_NETWORKS={str(address).split('%')[0]}/{bits}."
