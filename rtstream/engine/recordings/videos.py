"""Manages exported videos, and the links that play them, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from rtstream.engine.journal import Journal
from rtstream.engine.recordings.links import LinkService, download_url, player_url, stream_url
from rtstream.errors import InvalidRequest
from rtstream.models import ClipLinks, ExportResult, Video
from rtstream.rules.link_targets import LinkOrigin, VideoRange, ranges_target, video_target
from rtstream.rules.playlist import gaps_between
from rtstream.rules.text_safety import clean
from rtstream.storage import Storage
from rtstream.store import journal as journal_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.videos import VideoRow

MAX_CLIPS = 100
MAX_NAME = 200


class VideoService:
    """In ``storage``, the folder of a video holds its file and its index."""

    def __init__(self, db: Database, journal: Journal, links: LinkService, storage: Storage) -> None:
        self._db = db
        self._journal = journal
        self._links = links
        self._storage = storage

    async def get(self, origin: LinkOrigin, video_id: str) -> Video:
        """Return one video with its links. Raises NotFound."""
        (video,) = await self._with_links(origin, [await self._db.read(rows.get, video_id)])
        return video

    async def exported(self, origin: LinkOrigin, video_id: str) -> ExportResult:
        """Return a video as the result of an export. Raises NotFound."""
        video = await self.get(origin, video_id)
        same = video.model_dump(include={"stream_url", "player_url", "download_url", "name", "covered", "gaps"})
        return ExportResult(**same, video_id=video.id, duration=video.length, start=video.start, end=video.end)

    async def update(self, origin: LinkOrigin, video_id: str, *, name: str) -> Video:
        """Update the name of a video. Raises NotFound, InvalidRequest."""
        name = clean(name, MAX_NAME).strip()
        if not name:
            raise InvalidRequest("The name is empty. Choose a name.")
        row = await self._db.write(lambda conn: rows.update_video(conn, video_id, name=name))
        (video,) = await self._with_links(origin, [row])
        return video

    async def delete(self, video_id: str) -> None:
        """Delete a video and its file. Raises NotFound."""

        def write(conn: Connection) -> None:
            row = rows.get(conn, video_id)
            rows.delete_video(conn, video_id)
            journal_rows.append(conn, catalogue("removed", video_id, row.name))

        await self._db.write(write)
        self._journal.wake()
        self._links.forget()
        await self._storage.delete_folder(video_id)

    async def clips(self, origin: LinkOrigin, wanted: Sequence[VideoRange], title: str = "") -> ClipLinks:
        """Create links that play parts of videos in sequence, as (id, start, end) in seconds of each video.

        Raises NotFound for an unknown video, InvalidRequest for impossible parts.
        """
        if not 1 <= len(wanted) <= MAX_CLIPS:
            raise InvalidRequest(f"Pass 1 to {MAX_CLIPS} parts of videos, each as [start, end] in seconds.")
        cut: list[VideoRange] = []
        for video_id, start, end in wanted:
            row = await self._db.read(rows.get, video_id)
            if not 0 <= start < end:
                raise InvalidRequest("Each part is [start, end] in seconds of the video, with start before end.")
            if start >= row.duration:
                raise InvalidRequest(f"The video {video_id} is only {row.duration:.1f} s long.")
            cut.append((video_id, round(start, 3), round(min(end, row.duration), 3)))
        (link_id,) = await self._links.create([ranges_target(tuple(cut), title)], origin.purpose)
        return ClipLinks(
            stream_url=stream_url(origin.base_url, link_id), player_url=player_url(origin.base_url, link_id)
        )

    async def list(self, origin: LinkOrigin, collection_id: str | None = None) -> Sequence[Video]:
        """Return the videos of a collection, or all if ``collection_id`` is None, newest first."""
        return await self._with_links(origin, await self._db.read(rows.list_videos, collection_id))

    async def _with_links(self, origin: LinkOrigin, found: Sequence[VideoRow]) -> Sequence[Video]:
        links = await self._links.create([video_target(row.id) for row in found], origin.purpose)
        return [_video(origin.base_url, link_id, row) for link_id, row in zip(links, found, strict=True)]


def _video(base_url: str, link_id: str, row: VideoRow) -> Video:
    covered = row.detail.covered
    return Video(
        stream_url=stream_url(base_url, link_id),
        player_url=player_url(base_url, link_id),
        download_url=download_url(base_url, link_id),
        id=row.id,
        collection_id=row.collection_id,
        name=row.name,
        length=round(row.duration, 3),
        rtstream_id=row.stream_id or "",
        start=row.start,
        end=covered[-1][1],
        covered=covered,
        gaps=gaps_between(covered),
        size=row.detail.size,
        created_at=row.created_at,
    )


def catalogue(change: str, video_id: str, name: str) -> Entry:
    """Return the journal entry for a video that was added or removed."""
    return Entry("catalogue", {"change": change, "kind": "video", "id": video_id, "name": name})
