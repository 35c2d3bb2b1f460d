"""What a playback link gives: pages, playlists, files and downloads, of recordings and of exported videos alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, select

from rtstream.engine.alerts.service import AlertService
from rtstream.engine.recordings.links import Links
from rtstream.engine.recordings.playback import MAX_MARKS, PlaybackService
from rtstream.engine.recordings.videos import VideoService
from rtstream.errors import InvalidRequest
from rtstream.mp4.progressive import Flat
from rtstream.rules.text_safety import clean
from rtstream.store.database import Database
from rtstream.store.tables import scenes

MAX_LABEL = 120


@dataclass(frozen=True)
class Download:
    """A file to be saved as ``name``: one that is there (``path``), or one to be put together while it is sent."""

    name: str
    path: Path | None = None
    flat: Flat | None = None


class MediaAccess:
    """Answers who shows a token. Raises LinkRefused, LinkExpired, and NotFound for what is no longer there."""

    def __init__(
        self, db: Database, links: Links, recorded: PlaybackService, videos: VideoService, watches: AlertService
    ) -> None:
        self._db = db
        self._links = links
        self._recorded = recorded
        self._videos = videos
        self._watches = watches

    async def manifest(self, token: str) -> str:
        """HLS playlist of granted videos."""
        return await self._videos.manifest(self._links.read(token))

    async def init_segment(self, token: str, name: str) -> bytes:
        """A granted initialisation segment: of a run of a stream, or of a video."""
        grant = self._links.read(token)
        if grant.clips:
            return await self._videos.init_segment(grant, name)
        return await self._recorded.init_segment(token, name)

    async def fragment(self, token: str, number: int) -> bytes:
        """A fragment of granted videos that are played one after the other."""
        return await self._videos.fragment(self._links.read(token), number)

    async def file(self, token: str, path: str) -> Path:
        """A granted media file."""
        grant = self._links.read(token)
        if grant.clips:
            return self._videos.file(grant, path)
        return await anyio.to_thread.run_sync(self._recorded.file, token, path)

    async def page(self, token: str) -> dict[str, Any]:
        """What the player page shows: fragments, gaps, and the alerts and scenes as marks."""
        grant = self._links.read(token)
        if not grant.clips:
            return await self._recorded.page(token, await self._marks(grant.stream_id, grant.start, grant.end))
        page = await self._videos.page(grant, token)
        if page["clock"] and (stream_id := await self._videos.stream_of(grant)):
            page["marks"] = await self._marks(stream_id, page["start"], page["end"])
        return page

    async def download(self, token: str) -> Download:
        """The granted window, or the one granted video, as a file."""
        grant = self._links.read(token)
        name = f"{_file_name(grant.title) or 'recording'}.mp4"
        if not grant.clips:
            return Download(name, flat=await self._recorded.flat(grant))
        if len(grant.clips) > 1:
            raise InvalidRequest("Several parts cannot be downloaded as one file. Export them one by one.")
        video_id = next(iter(grant.clips))[0]
        return Download(name, path=self._videos.file(grant, f"{video_id}.mp4"))

    async def _marks(self, stream_id: str, start: float, end: float) -> list[dict[str, Any]]:
        """Alerts and scenes of a window; when there are too many, alerts come first."""
        alerts = await self._watches.marks(stream_id, start, end)
        found = await self._db.read(_scenes, stream_id, start, end, max(0, MAX_MARKS - len(alerts)))
        return sorted([*alerts, *found], key=lambda mark: mark["start"])


def _scenes(conn: Connection, stream_id: str, start: float, end: float, limit: int) -> list[dict[str, Any]]:
    """Scenes that differ from the one before them."""
    rows = conn.execute(
        select(scenes.c.start, scenes.c.end, scenes.c.text)
        .where(scenes.c.stream_id == stream_id, scenes.c.start < end, scenes.c.end > start, scenes.c.status == "ok")
        .order_by(scenes.c.start)
        .limit(4 * MAX_MARKS)
    )
    found: list[dict[str, Any]] = []
    for row in rows:
        label = clean(" ".join(row.text.split()), MAX_LABEL)
        if label and (not found or found[-1]["label"] != label):
            found.append({"kind": "scene", "start": row.start, "end": row.end, "label": label})
    return found[:limit]


def _file_name(title: str) -> str:
    """A title as a file may be called on any system."""
    kept = "".join(char if char.isalnum() or char in " -_.()" else "_" for char in clean(title, 80))
    return kept.strip(" .")
