"""Manages exported videos, with their pictures and the links that play them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection

from rtstream.engine.journal import Journal
from rtstream.engine.recordings.links import LinkService, LinkUnknown, download_url, picture_url, player_url, stream_url
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.export import VIDEO_FILE
from rtstream.models import ExportResult, Slice, Video, VideoPicture
from rtstream.rules.link_access import LinkReach, opens_on
from rtstream.rules.link_targets import LinkOrigin, picture_target, video_target
from rtstream.rules.playlist import gaps_between
from rtstream.rules.text_safety import clean
from rtstream.storage import Storage
from rtstream.store import journal as journal_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.videos import VideoRow

MAX_NAME = 200
MAX_PICTURES = 1000
AUDIO = "a-"
"""Prefix of ids of videos without pictures."""
PICTURE = "img-"
"""Prefix of ids of pictures, before the id of the link."""


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
        if opens_on(origin.base_url) is LinkReach.THIS_MACHINE:
            video.file = self._storage.draft(video_id).path_of(VIDEO_FILE)
        return video

    async def exported(self, origin: LinkOrigin, video_id: str) -> ExportResult:
        """Return a video as the result of an export. Raises NotFound."""
        video = await self.get(origin, video_id)
        audio = (await self._db.read(rows.get, video_id)).detail.audio
        same = video.model_dump(include={"stream_url", "player_url", "download_url", "file", "name", "covered", "gaps"})
        return ExportResult(
            **same, video_id=video.id, duration=video.length, start=video.start, end=video.end, audio=audio
        )

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

    async def picture(self, origin: LinkOrigin, video_id: str, at: float) -> VideoPicture:
        """Create a link to the picture at ``at`` (seconds of the video). Raises NotFound, InvalidRequest."""
        row = await self._db.read(rows.get, video_id)
        if video_id.startswith(AUDIO):
            raise InvalidRequest("This is exported audio, which has no pictures.")
        if not 0 <= at <= row.duration:
            raise InvalidRequest(f"The video {video_id} is only {row.duration:.1f} s long. Choose a time within it.")
        (link_id,) = await self._links.create([picture_target(video_id, round(at, 3))], origin.purpose)
        return _picture(origin.base_url, link_id, row, at)

    async def thumbnail(self, origin: LinkOrigin, video_id: str) -> VideoPicture:
        """Create a link to the picture in the middle of a video. Raises NotFound, InvalidRequest."""
        row = await self._db.read(rows.get, video_id)
        return await self.picture(origin, video_id, _middle(row))

    async def pictures(self, origin: LinkOrigin, video_id: str) -> Sequence[VideoPicture]:
        """Return the pictures of a video for which there are links, in their order. Raises NotFound."""
        row = await self._db.read(rows.get, video_id)
        page = await self._links.list(origin.base_url, Slice(limit=MAX_PICTURES), video_id=video_id)
        found = {
            link.ranges[0][1]: _picture(origin.base_url, link.id, row, link.ranges[0][1])
            for link in page.links
            if link.kind == "picture" and link.state == "valid" and link.purpose == origin.purpose
        }
        return [found[at] for at in sorted(found)]

    async def picture_url(self, origin: LinkOrigin, picture_id: str) -> str:
        """Return the URL of a picture. Raises NotFound if its link does not exist, LinkEnded if it was revoked."""
        return picture_url(origin.base_url, await self._picture_link(picture_id))

    async def delete_picture(self, picture_id: str) -> None:
        """Revoke the link of a picture. Raises NotFound."""
        await self._links.revoke(await self._picture_link(picture_id))

    async def _picture_link(self, picture_id: str) -> str:
        """Return the id of the link of a picture. Raises NotFound, LinkEnded."""
        if picture_id.startswith(PICTURE):
            with suppress(LinkUnknown):
                link = await self._links.resolve(picture_id.removeprefix(PICTURE))
                if link.target.kind == "picture":
                    return link.id
        raise NotFound(f"There is no picture {picture_id[:80]}. Call generate_thumbnail() on a video to create one.")

    async def list(self, origin: LinkOrigin, collection_id: str | None = None) -> Sequence[Video]:
        """Return the videos of a collection, or all if ``collection_id`` is None, newest first."""
        return await self._with_links(origin, await self._db.read(rows.list_videos, collection_id))

    async def _with_links(self, origin: LinkOrigin, found: Sequence[VideoRow]) -> Sequence[Video]:
        pictured = [row for row in found if not row.id.startswith(AUDIO)]
        targets = [video_target(row.id) for row in found] + [picture_target(row.id, _middle(row)) for row in pictured]
        links = await self._links.create(targets, origin.purpose)
        thumbnails = dict(zip((row.id for row in pictured), links[len(found) :], strict=True))
        return [
            _video(origin.base_url, link_id, row, thumbnails.get(row.id))
            for link_id, row in zip(links, found, strict=False)
        ]


def _middle(row: VideoRow) -> float:
    """Return the time of the thumbnail in seconds. The beginning is often black."""
    return round(row.duration / 2, 3)


def _picture(base_url: str, link_id: str, row: VideoRow, at: float) -> VideoPicture:
    return VideoPicture(
        id=f"{PICTURE}{link_id}",
        collection_id=row.collection_id,
        name=f"{row.name} at {at:g} s",
        url=picture_url(base_url, link_id),
        time=at,
    )


def _video(base_url: str, link_id: str, row: VideoRow, thumbnail: str | None) -> Video:
    covered = row.detail.covered
    return Video(
        thumbnail_url=None if thumbnail is None else picture_url(base_url, thumbnail),
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
