"""Playback links, which are rows that permit playing a window of a stream or a video."""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from rtstream import ids
from rtstream.errors import NotFound, RTStreamError
from rtstream.models import LinkPage, PlaybackLink, Slice
from rtstream.rules.link_targets import LinkTarget, Purpose, lifetime
from rtstream.store import links as rows
from rtstream.store.database import Database
from rtstream.store.links import Link

CACHED = 2000
SWEEP_S = 86400.0
REVOKED_KEPT_S = 30 * 86400.0
"""Seconds for which a revoked link without an end is still reported as revoked."""

_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class LinkUnknown(NotFound):
    """The link never existed, or it ended long ago."""

    code = "LINK_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("The link does not exist. It may be incomplete, or its recording may have been deleted.")


class LinkEnded(RTStreamError):
    """The link has expired, or it is from an older version."""

    status = 410
    code = "LINK_EXPIRED"


class LinkRevoked(LinkEnded):
    """The link was revoked."""

    code = "LINK_REVOKED"

    def __init__(self) -> None:
        super().__init__("This link was revoked. Ask its owner for a new one.")


Evidence = Callable[[Connection, Sequence[LinkTarget]], list[dict[str, str]]]
"""Creates the links to the evidence of alerts in these windows, and returns the URLs of each."""


class LinkService:
    """Creates and looks up links. ``ttl_s``: seconds that a link to a window of a stream lasts."""

    def __init__(self, db: Database, ttl_s: float) -> None:
        self._db = db
        self._ttl_s = ttl_s
        self._cache: OrderedDict[str, Link] = OrderedDict()
        self._generation = 0
        self._swept: float | None = None

    def evidence(self, base_url: Callable[[], str]) -> Evidence:
        """Return the function that creates links for webhooks. ``base_url`` returns the base of their URLs."""

        def create(conn: Connection, windows: Sequence[LinkTarget]) -> list[dict[str, str]]:
            base = base_url()
            return [
                {"stream_url": stream_url(base, link_id), "player_url": player_url(base, link_id)}
                for link_id in self.ensure(conn, windows, "webhook")
            ]

        return create

    async def create(self, targets: Sequence[LinkTarget], purpose: Purpose) -> list[str]:
        """Return the id of a link for each target, in one transaction.

        A valid link of a target is reused. Nothing is written if all targets have a link that is valid for long enough.
        """
        hashes = [target.digest(purpose) for target in targets]
        # A link that would expire soon is extended, so that a recipient can use it for at least half of its lifetime.
        known = await self._db.read(rows.current, list(dict.fromkeys(hashes)), time.time() + self._ttl_s / 2)
        if all(digest in known for digest in hashes):
            return [known[digest] for digest in hashes]
        return await self._db.write(self.ensure, targets, purpose)

    def ensure(self, conn: Connection, targets: Sequence[LinkTarget], purpose: Purpose) -> list[str]:
        """Do the same inside a writing transaction."""
        now = time.time()
        by_hash = {target.digest(purpose): target for target in targets}
        known = rows.extend(conn, list(by_hash), now, now + self._ttl_s)
        added = []
        for digest, target in by_hash.items():
            if digest not in known:
                seconds = lifetime(target, purpose, self._ttl_s)
                known[digest] = ids.link_id()
                added.append(
                    rows.NewLink(
                        known[digest],
                        target_hash=digest,
                        target=target,
                        purpose=purpose,
                        created_at=now,
                        expires_at=None if seconds is None else now + seconds,
                    )
                )
        rows.insert(conn, added)
        return [known[target.digest(purpose)] for target in targets]

    async def resolve(self, link_id: str) -> Link:
        """Return a valid link. Raises LinkUnknown, LinkEnded."""
        link = self._cache.get(link_id)
        if link is None:
            if not _ID.fullmatch(link_id):
                raise older_version() if "." in link_id else LinkUnknown()
            generation = self._generation
            link = await self._db.read(rows.get, link_id)
            if link is None:
                raise LinkUnknown
            if generation == self._generation:  # not revoked in the meantime
                self._cache[link_id] = link
                if len(self._cache) > CACHED:
                    self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(link_id)
        if link.revoked_at is not None:
            raise LinkRevoked
        if link.expires_at is not None and link.expires_at < time.time():
            raise LinkEnded("This link has expired. Ask its owner for a new one.")
        return link

    def generation(self) -> int:
        """A number that changes whenever a link may have been revoked."""
        return self._generation

    async def list(
        self, base_url: str, part: Slice, *, stream_id: str | None = None, video_id: str | None = None
    ) -> LinkPage:
        """Return one page of links (of a stream or video), newest first."""

        def query(conn: Connection) -> tuple[list[Link], int]:
            return rows.list_links(conn, part, stream_id=stream_id, video_id=video_id)

        found, count = await self._db.read(query)
        now = time.time()
        return LinkPage(links=[_shown(link, base_url, now) for link in found], count=count)

    async def count(self, stream_id: str) -> int:
        """Return the number of links that play a stream."""
        return await self._db.read(rows.count, stream_id)

    async def revoke(self, link_id: str) -> None:
        """Revoke a link immediately. Revoking it twice has no further effect. Raises LinkUnknown."""
        if not await self._revoke(link_id=link_id) and await self._db.read(rows.get, link_id) is None:
            raise LinkUnknown

    async def revoke_all(self, *, stream_id: str | None = None, video_id: str | None = None) -> int:
        """Revoke all links of a stream or video immediately. Returns the number of links that were valid."""
        return await self._revoke(stream_id=stream_id, video_id=video_id)

    async def _revoke(
        self, *, link_id: str | None = None, stream_id: str | None = None, video_id: str | None = None
    ) -> int:
        def write(conn: Connection) -> int:
            return rows.revoke(conn, time.time(), link_id=link_id, stream_id=stream_id, video_id=video_id)

        try:
            return await self._db.write(write)
        finally:
            self.forget()

    def forget(self) -> None:
        """Discard cached links, because some were revoked, or a stream or video was deleted."""
        self._generation += 1
        self._cache.clear()

    async def keep_house(self) -> None:
        """Delete the rows of links that have ended, at most once per day. May be called often."""
        if self._swept is None or time.monotonic() - self._swept >= SWEEP_S:
            self._swept = time.monotonic()
            await self.remove_expired()

    async def remove_expired(self) -> int:
        """Delete the rows of links that have ended. Returns the number of deleted rows."""
        now = time.time()
        removed = await self._db.write(rows.remove_expired, now, now - REVOKED_KEPT_S)
        self.forget()
        return removed


def older_version() -> LinkEnded:
    """Return the error for a link of a version in which links could not be revoked."""
    return LinkEnded("This link is from an older version of the program. Ask its owner for a new one.")


def stream_url(base_url: str, link_id: str) -> str:
    """Return the URL of the HLS playlist of a link."""
    return f"{base_url.rstrip('/')}/m/{link_id}/index.m3u8"


def player_url(base_url: str, link_id: str) -> str:
    """Return the URL of the page that plays a link."""
    return f"{base_url.rstrip('/')}/watch?v={link_id}"


def download_url(base_url: str, link_id: str) -> str:
    """Return the URL of the MP4 file of a link."""
    return f"{base_url.rstrip('/')}/m/{link_id}/video.mp4"


def picture_url(base_url: str, link_id: str) -> str:
    """Return the URL of the JPEG picture of a link."""
    return f"{base_url.rstrip('/')}/p/{link_id}"


def _shown(link: Link, base_url: str, now: float) -> PlaybackLink:
    target, window, picture = link.target, link.target.kind == "window", link.target.kind == "picture"
    expired = link.expires_at is not None and link.expires_at < now
    return PlaybackLink(
        id=link.id,
        kind=target.kind,
        state="revoked" if link.revoked_at is not None else "expired" if expired else "valid",
        purpose=link.purpose,
        rtstream_id=target.stream_id or None,
        start=target.start if target.stream_id else None,
        end=target.end if window else None,
        ranges=[(video_id, start, end if math.isfinite(end) else None) for video_id, start, end in target.ranges],
        title=target.title,
        created_at=link.created_at,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
        player_url=None if picture else player_url(base_url, link.id),
        stream_url=None if picture else stream_url(base_url, link.id),
        picture_url=picture_url(base_url, link.id) if picture else None,
    )
