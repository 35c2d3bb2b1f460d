"""Searches exported videos by their transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from sqlalchemy import Connection

from rtstream.engine.search.service import SearchService
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonValue
from rtstream.models import VideoHits, VideoShot
from rtstream.rules.text_safety import clean
from rtstream.store import streams as stream_rows
from rtstream.store import video_transcripts as transcript_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.videos import VideoRow

NO_RESULTS = "No results found."
"""Error of the published API for a search without results. Scripts look for these words (API reference 2.19)."""
NAMED = 3
"""Number of videos that an error names."""
NO_AUDIO = "This video has no audio. Its stream was connected without it, or its source sent none."


class VideoSearch(TypedDict, total=False):
    """Options of a search in videos, as in ``SearchService.search``."""

    limit: int
    score_threshold: float | None
    dynamic_score_percentage: float | None
    filter: JsonValue
    by_words: bool
    clips: bool


@dataclass(frozen=True)
class CollectionHits:
    """The hits in the videos of a collection, best first, and the videos that could not be searched."""

    hits: list[VideoHits]
    not_transcribed: Sequence[VideoRow] = ()


def not_transcribed(videos: Sequence[VideoRow]) -> str:
    """Return the sentence that names the videos without a transcript, and the call that creates it."""
    named = ", ".join(f"{video.id} ({clean(video.name, 60)})" for video in videos[:NAMED])
    more = f" and {len(videos) - NAMED} more" if len(videos) > NAMED else ""
    they_are, them = ("it is", "it") if len(videos) == 1 else ("they are", "them")
    return (
        f"Not searched, because {they_are} not transcribed: {named}{more}. Call index_spoken_words() on {them} first."
    )


class VideoSearchService:
    """Searches the transcripts of videos."""

    def __init__(self, db: Database, search: SearchService) -> None:
        self._db = db
        self._search = search

    async def search_video(self, video_id: str, query: str, **options: Unpack[VideoSearch]) -> list[VideoHits]:
        """Search one video.

        Args:
            video_id: Id of the video.
            query: Words, or a description of the speech.
            options: Further arguments of ``SearchService.search``.

        Raises:
            InvalidRequest: The video is not indexed, or nothing was found.
            NotFound: There is no such video.
        """
        video = await self._db.read(rows.get, video_id)
        transcript = (await self._db.read(transcript_rows.transcribed, [video_id])).get(video_id)
        if transcript is None:
            raise InvalidRequest(
                f"This video is not indexed yet: {video_id} is not transcribed. Call index_spoken_words() on it first."
            )
        if not transcript.sound:
            raise InvalidRequest(f"{NO_RESULTS} {NO_AUDIO}")
        hits = await self._find({video_id: video}, query, options)
        if not hits:
            raise InvalidRequest(NO_RESULTS)
        return hits

    async def search_collection(self, collection_id: str, query: str, **options: Unpack[VideoSearch]) -> CollectionHits:
        """Search all videos of a collection. The video with the best hit comes first.

        Args:
            collection_id: Id of the collection.
            query: Words, or a description of the speech.
            options: Further arguments of ``SearchService.search``.

        Raises:
            InvalidRequest: There are videos, but none of them is transcribed.
            NotFound: There is no such collection.
        """

        def videos(conn: Connection) -> tuple[dict[str, VideoRow], list[VideoRow]]:
            found = rows.list_videos(conn, stream_rows.get_collection(conn, collection_id).id)
            known = transcript_rows.transcribed(conn)
            searched = {video.id: video for video in found if video.id in known}
            return searched, [video for video in found if video.id not in known]

        searched, others = await self._db.read(videos)
        if others and not searched:
            raise InvalidRequest(not_transcribed(others))
        return CollectionHits(await self._find(searched, query, options) if searched else [], tuple(others))

    async def _find(self, videos: dict[str, VideoRow], query: str, options: VideoSearch) -> list[VideoHits]:
        found = await self._search.search(query, videos=list(videos), **options)
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
            clip_start, clip_end = hit.clip or (None, None)
            of_video.docs.append(
                VideoShot(
                    start=hit.start,
                    end=hit.end,
                    text=hit.text,
                    score=hit.score,
                    clip_start=clip_start,
                    clip_end=clip_end,
                )
            )
        return list(hits.values())
