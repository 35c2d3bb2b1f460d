"""The one parser of source and webhook URLs.

A URL is parsed only here. The other modules use :attr:`SourceUrl.url`, which is rebuilt from the parts, so that every
library that reads it later finds the same host and port. Anything that two readers could understand differently is
refused or rewritten: backslashes, spaces, more than one port, text after ``[IPv6]``, short or hexadecimal IPv4 forms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, unquote, unquote_to_bytes

import idna

from rtstream.errors import InvalidRequest
from rtstream.rules.source_options import check_options

SOURCE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "tcp", "udp", "push", "file")
WEB_SCHEMES = ("http", "https")
PUSH = "push"
"""Scheme of a source that connects to the engine, by a name of its own."""
MAX_URL = 2048  # characters
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (written for a source that waits for a sender and names no address)

_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_WITHOUT_LOGIN = ("srt", "tcp", "udp")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_AUTHORITY_END = re.compile(r"[/?#]")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # a lone surrogate cannot be encoded
_NOT_SENT_AS_WRITTEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!#-;=?-_a-z{|}~]|\\")


@dataclass(frozen=True)
class SourceUrl:
    """A URL in parts. ``url`` and ``repr`` hold its credentials; show it only through ``rtstream.rules.redaction``."""

    scheme: str
    host: str = ""
    """Name (ASCII, lower case) or address (canonical, without brackets); empty for a local file."""
    port: int = 0
    user: str | None = None
    """User name as it is meant, not percent-encoded; None when the URL has no credentials."""
    password: str = ""
    path: str = ""
    """Path, percent-encoded, beginning with ``/`` unless empty."""
    query: str = ""
    """Query without its ``?``, percent-encoded."""
    file: str = ""
    """Absolute local path, for ``file`` only: not resolved, not yet checked against the media folders."""
    listens: bool = False
    """Whether the engine would wait on ``port`` for a sender, instead of connecting to one."""

    @property
    def authority(self) -> str:
        """Host and port as they are written in a URL or a Host header; a default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if not self.port or self.port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, as an HTTP request asks for them."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")

    @property
    def bare(self) -> str:
        """The URL without credentials."""
        return f"{self.scheme}://{self.authority}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def url(self) -> str:
        """The URL to pass on, rebuilt from the parts; of a local file its path."""
        if self.scheme == "file":
            return self.file
        return self.bare.replace("://", f"://{self.login}", 1)

    @property
    def login(self) -> str:
        """``user:password@`` percent-encoded, or nothing."""
        if self.user is None:
            return ""
        user, password = (quote(part, safe="", errors="surrogateescape") for part in (self.user, self.password))
        return f"{user}:{password}@" if password else f"{user}@"


def parse_source(url: str) -> SourceUrl:
    """Read the URL of a live source or the absolute path of a local media file.

    Raises:
        InvalidRequest: With a sentence that never repeats the URL.
    """
    url = _plain(url, "source URL", MAX_URL)
    if url.startswith("/") or _DRIVE.match(url):
        return SourceUrl("file", file=_local(url))
    return _parse(url, "source URL", SOURCE_SCHEMES)


@lru_cache(maxsize=1024)  # each attempt to send a webhook needs it several times
def parse_webhook(url: str) -> SourceUrl:
    """Read the URL of a webhook receiver. Raises InvalidRequest."""
    return _parse(_plain(url, "webhook URL", MAX_URL), "webhook URL", WEB_SCHEMES)


def parse_web(url: str, longest: int = 4 * MAX_URL) -> SourceUrl:
    """Read an HTTP(S) URL that a playlist or a redirect names. Raises InvalidRequest."""
    return _parse(_plain(url, "URL", longest), "URL", WEB_SCHEMES)


def _plain(url: str, what: str, longest: int) -> str:
    url = url.strip(" \t\r\n")
    if not url:
        raise InvalidRequest(f"The {what} is empty.")
    if len(url) > longest:
        raise InvalidRequest(f"The {what} is longer than {longest} characters.")
    if _CONTROL.search(url):
        raise InvalidRequest(f"The {what} contains control characters; remove them.")
    return url


def _parse(url: str, what: str, schemes: Sequence[str]) -> SourceUrl:
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in schemes:
        listed = ", ".join(f"{name}://" for name in schemes)
        local = " or be the absolute path of a local file" if "file" in schemes else ""
        raise InvalidRequest(f"The {what} must begin with one of {listed}{local}.")
    rest = url[match.end() :]
    end = _AUTHORITY_END.search(rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if scheme == "file":
        return SourceUrl(scheme, file=_file(authority, tail))
    if re.search(r"[\s\\]", url):
        raise InvalidRequest(f"The {what} contains a space or a backslash; percent-encode it (%20, %5C).")
    tail, _, fragment = tail.partition("#")
    if fragment and scheme not in WEB_SCHEMES:
        raise InvalidRequest(
            f"The {what} has no valid host and port, or a # in its path; percent-encode special characters "
            "(for example %23 for #, %40 for @, %2F for /)."
        )
    path, _, query = tail.partition("?")
    if scheme == PUSH:
        return _pushed(authority, path + query, what)
    user, password, place = _login(authority, what, scheme)
    host, port = _place(place, what)
    query, listens = check_options(scheme, _encoded(query))
    if not host:
        if not listens:
            raise InvalidRequest(f"The {what} has no host; write it as {scheme}://host/path.")
        host = ANY_ADDRESS
    port = _DEFAULT_PORTS.get(scheme, 0) if port is None else port
    if not 0 < port < 65536:
        raise InvalidRequest(f"The {what} needs a port from 1 to 65535, as in {scheme}://host:5000.")
    return SourceUrl(scheme, host, port, user, password, _encoded(path), query, listens=listens)


def _pushed(name: str, rest: str, what: str) -> SourceUrl:
    """The name of a publisher, which selects its stream key."""
    if rest not in ("", "/") or not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"The {what} of a publisher is push:// and a name of letters, digits, dashes and dots, as in push://phone."
        )
    return SourceUrl(PUSH, name.lower())


def _login(authority: str, what: str, scheme: str) -> tuple[str | None, str, str]:
    """User, password, and the rest. The last ``@`` ends the password: all readers agree on that one."""
    login, at, place = authority.rpartition("@")
    if not at or login in ("", ":"):
        return None, "", place
    if scheme in _WITHOUT_LOGIN:
        raise InvalidRequest(f"A {scheme}:// source takes no user name; remove it and the @ from the {what}.")
    user, _, password = login.partition(":")
    for part in (user, password):
        if _CONTROL.search(unquote(part, errors="replace")):
            raise InvalidRequest(f"The user name or password in the {what} contains control characters; remove them.")
    return _decoded(user), _decoded(password), place


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        # Latin-1 of an old camera: the same bytes reach it.
        return unquote_to_bytes(text).decode(errors="surrogateescape")


def _place(place: str, what: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(place)
    if match is None:
        raise InvalidRequest(
            f"The {what} has no valid host and port; "
            "percent-encode special characters in the user name and password (for example %40 for @, %2F for /)."
        )
    host = canonical_host(match["host"], what) if match["host"] else ""
    return host, int(match["port"]) if match["port"] else None


def canonical_host(host: str, what: str = "address") -> str:
    """The one form of a host: an ASCII name, a dotted IPv4 address, or an IPv6 address without brackets.

    Raises:
        InvalidRequest: For anything else, IPv6 zones and unusual IPv4 forms included.
    """
    if host.startswith("["):
        return _ipv6(host[1:-1], what)
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode()
        except (idna.IDNAError, UnicodeError):
            raise InvalidRequest(f"The host in the {what} is not a valid name.") from None
    host = host.lower().removesuffix(".")
    if _ENDS_IN_NUMBER.fullmatch(host):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise InvalidRequest(
                f"The host in the {what} is not a valid name or address; "
                "write an IPv4 address as four decimal numbers, as in 192.168.1.20."
            ) from None
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise InvalidRequest(f"The host in the {what} is not a valid name or address.")
    return host


def is_address(host: str) -> bool:
    """Whether a canonical host is an IP address instead of a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _ipv6(text: str, what: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise InvalidRequest(f"The host in the {what} is not a valid IPv6 address.") from None
    if address.scope_id is not None:
        raise InvalidRequest(f"The IPv6 address in the {what} has a zone; remove it and the % before it.")
    return str(address.ipv4_mapped or address)


def _encoded(text: str) -> str:
    """Path or query as it is sent: percent-encoded where a URL may not hold a character."""
    return _NOT_SENT_AS_WRITTEN.sub(lambda found: quote(found[0], safe=""), text)


def _file(authority: str, tail: str) -> str:
    if authority.lower() not in ("", "localhost"):
        raise InvalidRequest("A file URL may not name a host; write it as file:///folder/name.")
    path = unquote(tail)
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
