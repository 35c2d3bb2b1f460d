"""Playback links: signed, expiring, without state. Players send no headers, so the right to play is in the URL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

from itsdangerous import BadSignature, URLSafeSerializer

from rtstream.errors import RTStreamError


class LinkRefused(RTStreamError):
    """The link is not one of ours, or was changed."""

    status = 403
    code = "LINK_INVALID"


class LinkExpired(RTStreamError):
    """The link was good once."""

    status = 410
    code = "LINK_EXPIRED"


@dataclass(frozen=True)
class Grant:
    """What a link allows: to play [start, end] (Unix seconds) of a stream until ``expires``."""

    stream_id: str
    start: float
    end: float
    expires: float
    title: str = ""
    description: str = ""


class Links:
    """Makes and reads the tokens inside playback URLs."""

    def __init__(self, secret: str, ttl_s: float) -> None:
        self._serializer = URLSafeSerializer(secret, salt="rtstream-playback")
        self._ttl_s = ttl_s

    def token(self, stream_id: str, start: float, end: float, title: str = "", description: str = "") -> str:
        """A token for a window. Texts are cut so that the URL stays usable."""
        expires = int(time.time() + self._ttl_s)
        return str(
            self._serializer.dumps(
                [stream_id, round(start * 1e6), round(end * 1e6), expires, title[:120], description[:300]]
            )
        )

    def read(self, token: str) -> Grant:
        """What a token allows. Raises LinkRefused, LinkExpired."""
        try:
            stream_id, start, end, expires, title, description = self._serializer.loads(token)
            grant = Grant(str(stream_id), start / 1e6, end / 1e6, float(expires), str(title), str(description))
        except (BadSignature, ValueError, TypeError):
            raise LinkRefused("This playback link is not valid. Ask for a new one.") from None
        if grant.expires < time.time():
            raise LinkExpired("This playback link has expired. Ask for a new one.")
        return grant

    def urls(
        self, base_url: str, stream_id: str, start: float, end: float, title: str = "", description: str = ""
    ) -> dict[str, str]:
        """``stream_url`` (HLS manifest) and ``player_url`` of a window (API reference 2.6)."""
        token = self.token(stream_id, start, end, title, description)
        window = f"{round(start * 1e6)}-{round(end * 1e6)}"
        base = base_url.rstrip("/")
        return {
            "stream_url": f"{base}/manifests/{quote(stream_id)}/{window}.m3u8?token={token}",
            "player_url": f"{base}/watch?v={token}",
        }
