"""Playback links: signed, expiring, without state. Players send no headers, so the right to play is in the URL."""

from __future__ import annotations

import time
from collections.abc import Sequence
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


Clip = tuple[str, float, float]


@dataclass(frozen=True)
class Grant:
    """What a link allows: to play [start, end] (Unix seconds) of a stream until ``expires``.

    Or, with ``clips``, parts of exported videos one after the other: (video id, start, end) in seconds of the video.
    """

    stream_id: str
    start: float
    end: float
    expires: float
    title: str = ""
    description: str = ""
    clips: tuple[Clip, ...] = ()


class Links:
    """Makes and reads the tokens inside playback URLs."""

    def __init__(self, secret: str, ttl_s: float) -> None:
        self._serializer = URLSafeSerializer(secret, salt="rtstream-playback")
        self._ttl_s = ttl_s

    def token(
        self,
        stream_id: str,
        start: float,
        end: float,
        title: str = "",
        description: str = "",
        clips: Sequence[Clip] = (),
    ) -> str:
        """A token for a window, or for clips. Texts are cut so that the URL stays usable."""
        expires = int(time.time() + self._ttl_s)
        window = [stream_id, round(start * 1e6), round(end * 1e6), expires, title[:120], description[:300]]
        return str(self._serializer.dumps([*window, [[i, round(s, 3), round(e, 3)] for i, s, e in clips]]))

    def read(self, token: str) -> Grant:
        """What a token allows. Raises LinkRefused, LinkExpired."""
        try:
            stream_id, start, end, expires, title, description, *more = self._serializer.loads(token)
            clips = tuple((str(i), float(s), float(e)) for i, s, e in more[0]) if more else ()
            grant = Grant(str(stream_id), start / 1e6, end / 1e6, float(expires), str(title), str(description), clips)
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

    def clip_urls(self, base_url: str, clips: Sequence[Clip], title: str) -> dict[str, str]:
        """``stream_url``, ``player_url`` and ``download_url`` of parts of videos; the last is for a single one."""
        token = self.token("", 0.0, 0.0, title, clips=clips)
        base = base_url.rstrip("/")
        return {
            "stream_url": f"{base}/media/{token}/index.m3u8",
            "player_url": f"{base}/watch?v={token}",
            "download_url": f"{base}/media/{token}/video.mp4",
        }
