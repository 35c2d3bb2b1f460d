"""Search in exported videos, by what is said in them."""

from __future__ import annotations

from typing import TypedDict, Unpack

from sqlalchemy import Connection

from rtstream.engine.search.service import SearchService
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonValue
from rtstream.models import VideoHits, VideoShot
from rtstream.store import streams as stream_rows
from rtstream.store import video_transcripts as spoken_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.videos import VideoRow

NOTHING = "No results found."
"""The published API answers like this, as an error; scripts look for these words (API reference 2.19)."""
NO_SOUND = "This video has no sound: connect the stream with media_types=['video', 'audio'] to record it, too."


class VideoSearch(TypedDict, total=False):
    """Options of a search in videos, as in ``SearchService.search``."""

    limit: int
    score_threshold: float | None
    dynamic_score_percentage: float | None
    filter: JsonValue
    by_words: bool


class VideoSearchService:
    """Searches the transcripts of videos."""

    def __init__(self, db: Database, search: SearchService) -> None:
        self._db = db
        self._search = search

    async def one(self, video_id: str, query: str, **how: Unpack[VideoSearch]) -> list[VideoHits]:
        """Moments of one video. ``how``: the options of ``Search.search``.

        Raises NotFound, and InvalidRequest when the video is not indexed or nothing is found.
        """
        video = await self._db.read(rows.get, video_id)
        transcript = (await self._db.read(spoken_rows.transcribed, [video_id])).get(video_id)
        if transcript is None:
            raise InvalidRequest("This video is not indexed yet. Call index_spoken_words() on it first.")
        if not transcript.sound:
            raise InvalidRequest(f"{NOTHING} {NO_SOUND}")
        return await self._find({video_id: video}, query, how)

    async def collection(self, collection_id: str, query: str, **how: Unpack[VideoSearch]) -> list[VideoHits]:
        """Moments of all videos of a collection, the video with the best one first. Raises as ``one``."""

        def videos(conn: Connection) -> dict[str, VideoRow]:
            found = rows.listing(conn, stream_rows.get_collection(conn, collection_id).id)
            known = spoken_rows.transcribed(conn)
            return {video.id: video for video in found if video.id in known}

        return await self._find(await self._db.read(videos), query, how)

    async def _find(self, videos: dict[str, VideoRow], query: str, how: VideoSearch) -> list[VideoHits]:
        found = await self._search.search(query, videos=list(videos), **how)
        hits: dict[str, VideoHits] = {}
        for hit in found.hits:
            video = videos[hit.stream_id]
            of_video = hits.setdefault(
                video.id,
                VideoHits(
                    video_id=video.id,
                    collection_id=video.collection_id,
                    title=video.name,
                    length=round(video.duration, 3),
                    docs=[],
                ),
            )
            of_video.docs.append(VideoShot(start=hit.start, end=hit.end, text=hit.text, score=hit.score))
        if not hits:
            raise InvalidRequest(NOTHING)
        return list(hits.values())
