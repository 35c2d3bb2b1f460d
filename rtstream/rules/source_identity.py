"""Whether two source URLs lead to the same media, however each is written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from rtstream.rules.source_urls import WEB_SCHEMES, SourceUrl, is_address


@dataclass(frozen=True)
class SourceIdentity:
    """The parts of a source URL that identify its media, besides its host. Credentials are not among them."""

    scheme: str
    port: int
    path: str
    query: frozenset[tuple[str, str]]
    listens: bool = False


def identity_of(source: SourceUrl) -> SourceIdentity:
    """Return the identity of a source, apart from its host. The order of its options does not count."""
    if source.scheme == "file":
        return SourceIdentity("file", 0, source.file, frozenset())
    options = (part.partition("=") for part in source.query.split("&") if part)
    query = frozenset((_normal(name), _normal(value)) for name, _, value in options)
    return SourceIdentity(source.scheme, source.port, _normal_path(source.path), query, source.listens)


def same_host(
    first: SourceUrl, second: SourceUrl, addresses: Collection[str], other_addresses: Collection[str]
) -> bool:
    """Return whether the hosts of two sources with the same identity are the same.

    Args:
        first: A source.
        second: Another source.
        addresses: The addresses of the first host. Empty if they are not known.
        other_addresses: The addresses of the second host.
    """
    if first.host == second.host:
        return True
    names = not is_address(first.host) and not is_address(second.host)
    if names and first.scheme in WEB_SCHEMES:  # a web server may have several sites at one address
        return False
    return not set(addresses).isdisjoint(other_addresses)


def _normal_path(path: str) -> str:
    return "/".join(_normal(part) for part in (path or "/").split("/"))


def _normal(text: str) -> str:
    """The text with one spelling for each percent-encoded character."""
    return quote(unquote_to_bytes(text), safe="")
