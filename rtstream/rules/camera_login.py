"""Logins of cameras from the settings, which are added to the URLs of the hosts that they belong to.

An assistant sees the name of a login only. Its password goes to its own hosts only, whatever the URL of a source is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from rtstream.errors import InvalidRequest
from rtstream.rules.source_urls import canonical_host, is_address, parse_source

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Schemes of sources to which logins are added."""
_ENTRY = re.compile(r"(?P<name>[\w-]{1,40})=(?P<user>[^:@\s]+):(?P<password>[^@\s]*)@(?P<place>[^@\s]+)")


@dataclass(frozen=True)
class CameraLogin:
    """A user and a password, and the hosts that they belong to."""

    name: str
    user: str
    password: str = field(repr=False)
    host: str = ""
    """Canonical name of the host; empty if ``network`` is set."""
    network: IPv4Network | IPv6Network | None = None

    def fits(self, host: str) -> bool:
        """Return whether the login belongs to a host, given as its canonical name or address."""
        if self.network is None:
            return host == self.host
        return is_address(host) and ip_address(host) in self.network


def parse_logins(setting: str) -> list[CameraLogin]:
    """Read the setting ``camera_credentials``: ``NAME=USER:PASSWORD@HOST``, separated by commas.

    Special characters of the user and the password are percent-encoded, as in a URL. HOST is a name, an address or a
    CIDR range.

    Raises:
        InvalidRequest: An entry has another form. The sentence does not repeat it, because it contains a password.
    """
    found: list[CameraLogin] = []
    for number, word in enumerate(filter(None, (word.strip() for word in setting.split(","))), 1):
        match = _ENTRY.fullmatch(word)
        if match is None:
            raise InvalidRequest(
                f"Entry {number} is not NAME=USER:PASSWORD@HOST. Separate entries by commas, and "
                "percent-encode special characters of the password (for example %40 for @, %2C for a comma)."
            )
        login = CameraLogin(match["name"], unquote(match["user"]), unquote(match["password"]))
        found.append(_placed(login, match["place"], number))
    return found


def _placed(login: CameraLogin, place: str, number: int) -> CameraLogin:
    try:
        return replace(login, network=ip_network(place, strict=False))
    except ValueError:
        pass
    try:
        return replace(login, host=canonical_host(place))
    except InvalidRequest:
        raise InvalidRequest(f"The host of entry {number} is neither a name, an address nor a CIDR range.") from None


def login_of(host: str, logins: Iterable[CameraLogin]) -> CameraLogin | None:
    """Return the first login that belongs to a host, given as its canonical name or address."""
    return next((login for login in logins if login.fits(host)), None)


def with_login(url: str, logins: Iterable[CameraLogin]) -> str:
    """Return the URL of a source with the login that belongs to its host, unless the URL has one already."""
    try:
        source = parse_source(url)
    except InvalidRequest:  # stored by an earlier version
        return url
    if source.scheme not in SCHEMES or source.user is not None:
        return url
    login = login_of(source.host, logins)
    return url if login is None else replace(source, user=login.user, password=login.password).url
