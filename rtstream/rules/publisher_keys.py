"""Publishers that connect to the engine: the URLs at which it listens, and the stream key of each name."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import urlsplit

from rtstream.errors import InvalidRequest

APPLICATION = "live"
DEFAULT_PORTS = {"rtmp": 1935, "srt": 9000}
KEY_BYTES = 15


class ListenAddress(NamedTuple):
    """An address on which publishers are accepted."""

    scheme: str
    host: str
    port: int


def parse_listen(setting: str) -> list[ListenAddress]:
    """Read the setting ``listen``, URLs such as ``rtmp://0.0.0.0:1935`` separated by commas. Raises InvalidRequest."""
    found = []
    for word in filter(None, (word.strip() for word in setting.split(","))):
        try:
            parts = urlsplit(word)
            port = DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        except ValueError:
            parts, port = urlsplit(""), 0
        paths = {"rtmp": ("", APPLICATION), "srt": ("",)}.get(parts.scheme, ())
        if not parts.hostname or parts.query or parts.path.strip("/") not in paths:
            raise InvalidRequest(
                "RTSTREAM_LISTEN takes URLs such as rtmp://0.0.0.0:1935 and srt://0.0.0.0:9000, separated by commas; "
                f"{word[:50]!r} is none of these."
            )
        found.append(ListenAddress(parts.scheme, parts.hostname, port))
    return found


def stream_key(secret: bytes, name: str) -> str:
    """Return the stream key of a publisher. It changes only with the secret."""
    digest = hmac.new(secret, name.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:KEY_BYTES]).decode().lower()


def name_of_key(secret: bytes, key: str, names: list[str]) -> str | None:
    """Return the publisher with this key, in a time that depends only on the number of names."""
    found = None
    for name in names:
        if hmac.compare_digest(stream_key(secret, name).encode(), key.strip().lower().encode()):
            found = name
    return found
