"""Exported videos: their names and links, and what plays them, whole or in parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import anyio.to_thread
from sqlalchemy import Connection

from rtstream.engine.journal import Journal
from rtstream.engine.recordings.links import Clip, Grant, LinkRefused, Links
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.export import INDEX_FILE, VIDEO_FILE
from rtstream.json_types import JsonObject
from rtstream.models import ClipLinks, ExportResult, Video
from rtstream.mp4.progressive import Fragment, Part, retime
from rtstream.rules.playlist import Segment, gaps_between, playlist
from rtstream.rules.text_safety import clean
from rtstream.storage import Storage, StoredFile, joined
from rtstream.store import journal as journal_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.videos import VideoRow

MAX_CLIPS = 100
MAX_NAME = 200
INDEXES_KEPT = 16
FIRST_AT_S = 10.0
"""Where the time line of clips begins: sound may begin a little before the first picture."""
ROUNDING_S = 0.001
"""A video begins with a picture, and to seek to that very moment shows the one before in some browsers."""
GONE = "This video was deleted, or its file is missing."


@dataclass(frozen=True)
class _Shown:
    """Fragments of one part of a video, of which [start, end] (Unix seconds) is to be shown."""

    video_id: str
    codecs: str
    start: float
    end: float
    fragments: Sequence[Fragment]


class VideoService:
    """In ``storage``, the folder of a video holds its file and its index."""

    def __init__(self, db: Database, journal: Journal, links: Links, storage: Storage) -> None:
        self._db = db
        self._journal = journal
        self._links = links
        self._storage = storage
        self._indexes: dict[str, JsonObject] = {}

    async def get(self, base_url: str, video_id: str) -> Video:
        """One video, with fresh links. Raises NotFound."""
        return self._video(base_url, await self._db.read(rows.get, video_id))

    async def exported(self, base_url: str, video_id: str) -> ExportResult:
        """A video as the result of an export. Raises NotFound."""
        video = await self.get(base_url, video_id)
        same = video.model_dump(include={"stream_url", "player_url", "download_url", "name", "covered", "gaps"})
        return ExportResult(**same, video_id=video.id, duration=video.length, start=video.start, end=video.end)

    async def listing(self, base_url: str, collection_id: str | None = None) -> list[Video]:
        """All videos (of a collection), newest first."""
        return [self._video(base_url, row) for row in await self._db.read(rows.listing, collection_id)]

    async def rename(self, base_url: str, video_id: str, name: str) -> Video:
        """Give a video another name. Raises NotFound, InvalidRequest."""
        name = clean(name, MAX_NAME).strip()
        if not name:
            raise InvalidRequest("The name is empty.")
        await self._db.write(rows.rename, video_id, name)
        return await self.get(base_url, video_id)

    async def delete(self, video_id: str) -> None:
        """Remove a video and its file. Raises NotFound."""

        def write(conn: Connection) -> None:
            row = rows.get(conn, video_id)
            rows.remove(conn, video_id)
            journal_rows.append(conn, catalogue("removed", video_id, row.name))

        await self._db.write(write)
        self._journal.wake()
        self._indexes.pop(video_id, None)
        await self._storage.delete_folder(video_id)

    async def clips(self, base_url: str, wanted: Sequence[Clip], title: str = "") -> ClipLinks:
        """Links that play parts of videos, (id, start, end) in seconds of each, one after the other.

        Raises NotFound for an unknown video, InvalidRequest for impossible parts.
        """
        if not 1 <= len(wanted) <= MAX_CLIPS:
            raise InvalidRequest(f"Give 1 to {MAX_CLIPS} parts of videos, each as [start, end] in seconds.")
        cut: list[Clip] = []
        for video_id, start, end in wanted:
            row = await self._db.read(rows.get, video_id)
            if not 0 <= start < end:
                raise InvalidRequest("Each part is [start, end] in seconds of the video, with start before end.")
            if start >= row.duration:
                raise InvalidRequest(f"The video {video_id} is only {row.duration:.1f} s long.")
            cut.append((video_id, start, min(end, row.duration)))
            title = title or row.name
        links = self._links.clip_urls(base_url, cut, title)
        return ClipLinks(stream_url=links["stream_url"], player_url=links["player_url"])

    def _video(self, base_url: str, row: VideoRow) -> Video:
        covered = row.detail.covered
        return Video(
            **self._links.clip_urls(base_url, [(row.id, 0.0, row.duration)], row.name),
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

    # what a link allows

    async def manifest(self, grant: Grant) -> str:
        """HLS playlist of granted clips; addresses in it are relative to it. Raises NotFound."""
        shown = await self._shown(grant)
        pieces = _numbered(shown)
        alone = len(grant.clips) == 1  # the fragments of one video follow each other as they are
        segments = [
            Segment(f.start, f.duration, one.video_id, f"seg/{one.video_id}.mp4", f.offset, f.length)
            if alone
            else Segment(f.start, f.duration, one.video_id, f"clip/{number}.m4s", 0, 0)
            for number, (one, f, _) in enumerate(pieces)
        ]
        return playlist(
            segments, shown[0].start, init_url=lambda name: f"init/{name}.mp4", segment_url=lambda path: path
        )

    async def fragment(self, grant: Grant, number: int) -> bytes:
        """A fragment of granted clips with times that follow those of the one before. Raises NotFound."""
        pieces = _numbered(await self._shown(grant))
        if not 0 <= number < len(pieces):
            raise NotFound("There is no such part of the video.")
        one, fragment, at = pieces[number]
        init = await self.init_segment(grant, one.video_id)
        media = await self._read(one.video_id, fragment.offset, fragment.length)
        return await anyio.to_thread.run_sync(retime, init, media, at)

    async def page(self, grant: Grant, token: str) -> JsonObject:
        """All the player page needs. Without a common clock (clips of several videos) its times begin at 0."""
        shown = await self._shown(grant)
        one_clock = len({one.video_id for one in shown}) == 1 and all(
            before.end <= after.start for before, after in pairwise(shown)
        )
        shifts = [0.0] * len(shown) if one_clock else _end_to_end(shown)
        covered = [(one.start + shift, one.end + shift) for one, shift in zip(shown, shifts, strict=True)]
        links = self._links.clip_urls("", grant.clips, grant.title)
        return {
            "title": grant.title,
            "description": grant.description,
            "start": covered[0][0] + ROUNDING_S,
            "end": covered[-1][1],
            "stream_url": links["stream_url"],
            "covered": covered if one_clock else [(covered[0][0], covered[-1][1])],
            "gaps": gaps_between(covered) if one_clock else [],
            "live": False,
            "clock": one_clock,
            "fragments": [
                {
                    "start": f.start + shift,
                    "duration": f.duration,
                    "recording_id": f"{one.video_id}.{number}",
                    "init_url": f"/media/{token}/init/{one.video_id}.mp4",
                    "url": f"/media/{token}/seg/{one.video_id}.mp4",
                    "offset": f.offset,
                    "length": f.length,
                    "mime": f'video/mp4; codecs="{one.codecs}"',
                }
                for number, (one, shift) in enumerate(zip(shown, shifts, strict=True))
                for f in one.fragments
            ],
            "marks": [],
            "download_url": links["download_url"] if len(grant.clips) == 1 else None,
        }

    async def stream_of(self, grant: Grant) -> str:
        """Id of the stream that all granted clips came from; empty when there are several."""
        found = {(await self._db.read(rows.get, video_id)).stream_id for video_id, _, _ in grant.clips}
        return found.pop() or "" if len(found) == 1 else ""

    async def init_segment(self, grant: Grant, video_id: str) -> bytes:
        """The initialisation segment of a granted video."""
        _check_granted(grant, video_id)
        return await self._read(video_id, *(await self._index(video_id))["init"])

    async def _read(self, video_id: str, offset: int, length: int) -> bytes:
        try:
            return await self._storage.read(joined(video_id, VIDEO_FILE), offset, length)
        except (OSError, NotFound):
            raise NotFound(GONE) from None

    async def file(self, grant: Grant, path: str) -> StoredFile:
        """The file of a granted video; ``path``: ``<video id>.mp4``. Raises NotFound."""
        video_id = path.removesuffix(".mp4")
        _check_granted(grant, video_id)
        try:
            return await self._storage.get(joined(video_id, VIDEO_FILE))
        except NotFound:
            raise NotFound(GONE) from None

    async def _index(self, video_id: str) -> JsonObject:
        found = self._indexes.get(video_id)
        if found is None:
            try:
                found = json.loads(await self._storage.read(joined(video_id, INDEX_FILE)))
            except (OSError, NotFound):
                raise NotFound(GONE) from None
            self._indexes[video_id] = found
            if len(self._indexes) > INDEXES_KEPT:
                del self._indexes[next(iter(self._indexes))]
        return found

    async def _shown(self, grant: Grant) -> list[_Shown]:
        if not grant.clips:
            raise LinkRefused("This playback link is not valid. Ask for a new one.")
        found = [one for clip in grant.clips for one in _cut(clip, await self._index(clip[0]))]
        if not found:
            raise NotFound("There is nothing in these parts of the video.")
        return found


def catalogue(change: str, video_id: str, name: str) -> Entry:
    """The journal entry of a video that was added or removed."""
    return Entry("catalogue", {"change": change, "kind": "video", "id": video_id, "name": name})


def _check_granted(grant: Grant, video_id: str) -> None:
    """Raises NotFound for a video that the link does not allow to play."""
    if video_id not in {clip[0] for clip in grant.clips}:
        raise NotFound("There is no such media file (any more).")


def _cut(clip: Clip, index: JsonObject) -> list[_Shown]:
    """What of each part of a video is in a clip."""
    video_id, start, end = clip
    found: list[_Shown] = []
    for number, values in enumerate(index["parts"]):
        part = Part(*values)
        # Seconds of the video -> Unix seconds.
        first, last = max(part.start, part.start + start - part.at), min(part.end, part.start + end - part.at)
        fragments = [
            fragment
            for fragment in (Fragment(*row) for row in index["fragments"])
            if fragment.part == number and fragment.start + fragment.duration > first and fragment.start < last
        ]
        if last > first and fragments:
            found.append(_Shown(video_id, index["codecs"], first, last, fragments))
    return found


def _numbered(shown: Sequence[_Shown]) -> list[tuple[_Shown, Fragment, float]]:
    """All fragments in the order they are played, with the second at which each is, one after the other."""
    found: list[tuple[_Shown, Fragment, float]] = []
    at = FIRST_AT_S
    for one in shown:
        for fragment in one.fragments:
            found.append((one, fragment, at))
            at += fragment.duration
    return found


def _end_to_end(shown: Sequence[_Shown]) -> list[float]:
    """Seconds by which each one's times are moved, so that its fragments follow those of the one before."""
    shifts: list[float] = []
    at = shown[0].fragments[0].start - shown[0].start
    for one in shown:
        shifts.append(at - one.fragments[0].start)
        at = one.fragments[-1].start + one.fragments[-1].duration + shifts[-1]
    return shifts
