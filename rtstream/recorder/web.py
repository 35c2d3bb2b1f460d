"""HTTP client of the recorder. Every request uses an address that was checked, even for redirects and playlists."""

from __future__ import annotations

import http.client
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urljoin

from rtstream.errors import InvalidRequest
from rtstream.recorder.dialer import Dialer
from rtstream.recorder.failures import SourceFailed, explain_status
from rtstream.recorder.login import LoginChallenge, authorization, challenges, login_failed, strongest
from rtstream.rules.source_urls import SourceUrl, parse_web

MAX_REDIRECTS = 5
MAX_LOGINS = 2  # of one request: the second after a nonce that was too old
BASIC = LoginChallenge("basic")
MAX_IDLE = 8  # connections kept for the next request
MAX_SKIPPED = 64 * 1024  # bytes of an unwanted body that are read to keep its connection
MAX_INFORMATIONAL = 8
MAX_LINE = 65536
MAX_COOKIES = 50
BURST = 120  # requests at once: a master playlist with all its variants and their first segments
RATE = 20.0  # requests per second after that

REDIRECTS = (301, 302, 303, 307, 308)

Origin = tuple[str, str, int]


class _Response(http.client.HTTPResponse):
    """A response that cannot be preceded by endless informational ones."""

    def _read_status(self) -> tuple[str, int, str]:
        self.heads = getattr(self, "heads", 0) + 1
        if self.heads > MAX_INFORMATIONAL:
            raise http.client.HTTPException("too many informational responses")
        line = self.fp.readline(MAX_LINE).decode("latin-1")
        if not line:
            raise http.client.RemoteDisconnected("closed without a response")
        version, _, rest = line.partition(" ")
        status, _, reason = rest.strip().partition(" ")
        if version == "ICY":  # radio stations
            version = "HTTP/1.0"
        if not version.startswith("HTTP/1.") or not re.fullmatch("[1-5][0-9]{2}", status):
            raise http.client.BadStatusLine("not HTTP")
        return version, int(status), reason


class _Connection(http.client.HTTPConnection):
    """A connection through a :class:`Dialer`, without the system's resolver or a proxy."""

    response_class = _Response

    def __init__(self, origin: Origin, dialer: Dialer) -> None:
        super().__init__(origin[1], origin[2], timeout=dialer.timeout_s)
        self.origin, self._dialer = origin, dialer

    def connect(self) -> None:
        scheme, host, port = self.origin
        self.sock = self._dialer.connect(host, port, secure=scheme == "https")


@dataclass
class Resource:
    """The response to one request. ``read`` returns the data received so far. ``close`` releases the connection."""

    url: str
    status: int
    headers: Mapping[str, str]
    response: http.client.HTTPResponse
    connection: _Connection
    client: WebClient
    _inflate: zlib._Decompress | None = None

    def __post_init__(self) -> None:
        if self.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    @property
    def total(self) -> int | None:
        """Size of the whole resource in bytes, if the server sends it."""
        if self._inflate is not None:
            return None
        _, _, total = self.headers.get("content-range", "").rpartition("/")
        text = total if self.status == 206 else self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def seekable(self) -> bool:
        """Whether the server supports range requests for it."""
        ranges = self.status == 206 or "bytes" in self.headers.get("accept-ranges", "")
        return ranges and self.total is not None

    def read(self, most: int) -> bytes:
        """At most ``most`` bytes; none at the end. Raises SourceFailed or OSError."""
        try:
            if self._inflate is None:
                return self.response.read1(most)
            while True:
                data = self._inflate.unconsumed_tail or self.response.read1(most)
                if plain := self._inflate.decompress(data, most):
                    return plain
                if not data or self._inflate.eof:
                    return b""
        except (http.client.HTTPException, zlib.error, ValueError) as exc:
            raise SourceFailed(f"the source sent a damaged HTTP response ({type(exc).__name__})") from None

    def close(self) -> None:
        """Release the response. The connection is reused for the next request if little or nothing is left to read."""
        self.client.release(self)


@dataclass
class WebClient:
    """Requests of one source. Credentials are those of its URL and go to its own origin only."""

    source: SourceUrl
    dialer: Dialer
    rate: float = RATE
    _idle: list[_Connection] = field(default_factory=list)
    _busy: set[_Connection] = field(default_factory=set)
    _cookies: dict[tuple[str, str], str] = field(default_factory=dict)
    _challenge: LoginChallenge | None = None
    _met: int = 0  # requests that met the challenge
    _tokens: float = BURST
    _refilled: float = field(default_factory=time.monotonic)

    def get(self, url: str, first: int | None = None, last: int | None = None) -> Resource:
        """Ask for a resource, or for its bytes ``first`` to ``last`` (inclusive).

        Every address is checked before it is used, even after redirects. Raises SourceFailed.
        """
        for _ in range(MAX_REDIRECTS + 1):
            target = _parsed(url)
            resource = self._ask(target, first, last)
            logins = 0
            while resource.status == 401:
                resource.close()
                self._log_in(target, resource, logins)
                resource = self._ask(target, first, last)
                logins += 1
            if resource.status not in REDIRECTS:
                break
            resource.close()
            url = _joined(target.bare, resource.headers.get("location", ""))
        else:
            raise SourceFailed(f"the source redirects more than {MAX_REDIRECTS} times")
        if resource.status not in (200, 206):
            resource.close()
            raise explain_status(resource.status)
        if first and resource.status != 206:
            resource.close()
            raise SourceFailed("the server of the source does not support byte ranges")
        return resource

    def close(self) -> None:
        """Close all connections, those of resources that are still being read included."""
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()
        self._busy.clear()

    def release(self, resource: Resource) -> None:
        """Take a connection back from a resource."""
        connection, response = resource.connection, resource.response
        self._busy.discard(connection)
        try:
            left = response.length
            # The body of a success is not read ahead, because it may be a slow stream.
            if left == 0 or (left is not None and left <= MAX_SKIPPED and resource.status not in (200, 206)):
                response.read()
            reusable = response.isclosed() and not response.will_close
        except (OSError, http.client.HTTPException, ValueError):
            reusable = False
        response.close()
        if reusable and connection.sock is not None and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _ask(self, target: SourceUrl, first: int | None, last: int | None) -> Resource:
        headers = self._headers(target, first, last)
        origin = (target.scheme, target.host, target.port)
        while True:
            self._wait_for_turn()
            connection = self._take(origin)
            fresh = connection.sock is None
            try:
                connection.putrequest("GET", target.target, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value.encode(errors="surrogateescape"))
                connection.endheaders()
                response = connection.getresponse()
            except (http.client.HTTPException, OSError, ValueError) as exc:
                connection.close()
                if not fresh and isinstance(exc, http.client.HTTPException | ConnectionError):
                    continue  # the server closed an idle connection, of which there are at most MAX_IDLE
                if isinstance(exc, OSError):
                    raise
                raise SourceFailed("the source does not speak HTTP") from None
            except SourceFailed:
                connection.close()
                raise
            self._busy.add(connection)
            found = {name.lower(): value for name, value in response.getheaders()}
            self._store_cookies(target.host, response.headers.get_all("set-cookie") or [])
            return Resource(target.bare, response.status, found, response, connection, self)

    def _headers(self, target: SourceUrl, first: int | None, last: int | None) -> dict[str, str]:
        headers = {
            "Host": target.authority,
            "User-Agent": "rtstream-mcp",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        if first is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        if self._challenge is not None and self.source.user is not None and self._is_own(target):
            self._met += 1
            user, password = self.source.user, self.source.password
            value = authorization(self._challenge, "GET", target.target, user, password, self._met)
            if value:
                headers["Authorization"] = value
        cookies = [f"{name}={value}" for (host, name), value in self._cookies.items() if host == target.host]
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        return headers

    def _is_own(self, target: SourceUrl) -> bool:
        own = self.source
        return (target.scheme, target.host, target.port) == (own.scheme, own.host, own.port)

    def _log_in(self, target: SourceUrl, refusal: Resource, logins: int) -> None:
        """Choose the challenge that the next attempt meets. Raises SourceFailed if another attempt cannot help.

        Credentials are sent only after a server asked for them, so that a Digest is not preceded by the plain password.
        """
        offered = challenges(refusal.response.headers.get_all("www-authenticate") or [])
        given = self.source.user is not None and self._is_own(target)
        chosen = strongest(offered) if offered else BASIC
        if not given or chosen is None or logins >= MAX_LOGINS or (logins and not chosen.stale):
            raise login_failed(offered, given, self.source.user is not None and not given)
        self._challenge, self._met = chosen, 0

    def _take(self, origin: Origin) -> _Connection:
        for connection in reversed(self._idle):
            if connection.origin == origin:
                self._idle.remove(connection)
                return connection
        return _Connection(origin, self.dialer)

    def _wait_for_turn(self) -> None:
        """Limit the rate of requests, because a playlist may name any number of segments."""
        now = time.monotonic()
        self._tokens = min(float(BURST), self._tokens + (now - self._refilled) * self.rate)
        self._refilled = now
        self._tokens -= 1
        if self._tokens < 0:
            time.sleep(-self._tokens / self.rate)

    def _store_cookies(self, host: str, lines: list[str]) -> None:
        for line in lines:
            try:
                cookies = SimpleCookie(line)
            except CookieError:
                continue
            for name, cookie in cookies.items():
                if len(self._cookies) < MAX_COOKIES or (host, name) in self._cookies:
                    self._cookies[host, name] = cookie.coded_value


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:  # brackets that enclose no address
        raise _not_plain() from None


def _parsed(url: str) -> SourceUrl:
    try:
        return parse_web(url)
    except InvalidRequest:
        raise _not_plain() from None


def _not_plain() -> SourceFailed:
    return SourceFailed("the source leads to an address that is not a plain http:// or https:// one", True)
