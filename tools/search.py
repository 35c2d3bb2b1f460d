"""The tool that searches everything that was seen, said or alerted, on streams and in exported videos."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.client.markdown import quoted
from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.errors import InvalidRequest, NotFound, RTStreamError
from rtstream.models import SearchHit, SearchResults, SearchStreams, VideoHits, VideoShot
from rtstream.rules.clip_ranges import joined as joined_ranges
from rtstream.rules.link_targets import ClipRange, is_stream
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import OBJECTS, name, note
from tools._framework.targets import ALL, CollectionId, collection_of, streams_of
from tools._framework.times import Time, joined, window

SearchChannel = Literal["scenes", "transcript", "audio", "alerts"]
KIND = {"scenes": "visual", "transcript": "transcript", "audio": "audio", "alerts": "alert"}
CHANNEL: dict[str, str] = {kind: channel for channel, kind in KIND.items()}
DEFAULT = "default"
MAX_LINKED = 10
"""Hits with a link of their own, because each costs a call."""
MAX_PLAYED_S = 6 * 3600.0
"""Length in seconds of the link that plays all hits."""
MAX_VIDEOS = 20
Found = tuple["Hit", ClipRange]
"""A hit, and the range that shows it with the sentences around it."""


class Hit(BaseModel):
    """A moment of a stream, Unix seconds, or of a video, seconds from its start."""

    stream_id: str | None = None
    video_id: str | None = None
    name: str
    index_id: str | None = None
    channel: str = Field(description="scenes, transcript, audio, alerts or videos")
    medium: str | None = Field(default=None, description="visual or audio")
    start: float
    end: float
    score: float
    at: float | None = Field(default=None, description="look(at=…) shows it.")
    player_url: str | None = Field(
        default=None, description="Plays it, with the sentences around it. Show it to the user."
    )
    untrusted_text: str = Field(description=UNTRUSTED)


class Hits(BaseModel):
    """Hits, best first."""

    by: str | None = None
    hits: Annotated[list[Hit], OBJECTS]
    player_url: str | None = Field(default=None, description="Plays all hits, one after the other.")
    note: str | None = None
    next: str


@tool("Search streams and videos", read_only=True, default=True)
async def search(
    ctx: ToolContext,
    query: Annotated[str, Field(description='Plain words; "an exact phrase"; pref*.')],
    streams: Annotated[list[str] | None, Field(description="Only these, by id or name.")] = None,
    videos: Annotated[list[str] | None, Field(description="Only these exported videos, or ['all'].")] = None,
    indexes: Annotated[list[str] | None, Field(description="Only these index_ids.")] = None,
    start: Time = None,
    end: Time = None,
    channels: Annotated[list[SearchChannel] | None, Field(description="Only these.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
    min_score: Annotated[float | None, Field(ge=0, le=1)] = None,
    collection: CollectionId = None,
) -> Hits:
    """Search everything that was seen, said or alerted on streams, and the speech of exported videos.

    Use this when the user asks when something happened. It covers indexes, transcripts and alerts only, of the default
    collection unless streams, videos or collection name others. Call look or generate_stream next.
    """
    client = live(ctx).client
    wanted = await streams_of(ctx, streams)
    times = await window(ctx, start, end, stream=wanted[0] if wanted and len(wanted) == 1 else None)
    where, remark = await _collection(ctx, collection, named=bool(wanted or videos or indexes))
    found: list[Found] = []
    results = SearchResults(results=[])
    if videos is None or streams or indexes:
        request = SearchStreams(
            query=query,
            streams=wanted,
            indexes=indexes or None,
            start=times.start,
            end=times.end,
            kinds=[KIND[channel] for channel in channels] if channels else None,  # pyright: ignore[reportArgumentType]
            result_threshold=limit,
            score_threshold=min_score,
            clips=True,
            all_collections=where is None or bool(wanted or indexes),
        )
        results = await client.search(request, collection_id=where or DEFAULT)
        found += [_hit(hit) for hit in results.results]
    chosen: list[VideoHits] = []
    if videos is not None or not (wanted or indexes or start or end or (channels and "transcript" not in channels)):
        chosen, lacking = await _in_videos(client, query, videos, where, limit, min_score)
        remark = joined(remark, lacking)
        found += [_video_hit(video, shot) for video in chosen for shot in video.docs]
    found.sort(key=lambda one: -one[0].score)
    shown = found[:limit]
    collections = {video.video_id: video.collection_id for video in chosen}
    for hit, clip in shown[:MAX_LINKED]:
        hit.player_url = await _link(client, clip, collections)
    return Hits(
        by=name(results.by) or None,
        hits=[hit for hit, _ in shown],
        player_url=await _compiled(client, [clip for _, clip in shown], collections),
        note=joined(note(results.note), times.note, remark),
        next=_next([hit for hit, _ in shown]),
    )


def _next(shown: list[Hit]) -> str:
    if not shown:
        return "No results. Try other words."
    visible = any(hit.at is not None or hit.medium == "visual" for hit in shown)
    return "Show the links, or call look(stream_id, at) to see a hit." if visible else "Show the links."


async def _collection(ctx: ToolContext, collection: str | None, *, named: bool) -> tuple[str | None, str | None]:
    """Return the collection to search, which is None for all, and a note if others are not searched."""
    if collection is not None and collection.strip().lower() == ALL:
        return None, None
    chosen = await collection_of(ctx, collection)
    if chosen is not None or named:
        return chosen or DEFAULT, None
    others = [one.id for one in await live(ctx).client.list_collections() if one.id != DEFAULT]
    if not others:
        return DEFAULT, None
    shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return DEFAULT, f"Only the default collection was searched. Pass collection for others: {shown}, or all."


def _hit(hit: SearchHit) -> Found:
    start = hit.start if hit.clip_start is None else hit.clip_start
    end = hit.end if hit.clip_end is None else hit.clip_end
    shown = Hit(
        stream_id=hit.rtstream_id,
        name=name(hit.rtstream_name),
        index_id=hit.scene_index_id or None,
        channel=CHANNEL.get(hit.kind, name(hit.kind)),
        medium=hit.medium or None,
        start=round(hit.start, 3),
        end=round(hit.end, 3),
        score=round(hit.score, 3),
        at=round(seen, 3) if isinstance(seen := hit.metadata.get("seen"), int | float) else None,
        untrusted_text=clean(hit.text, MAX_TEXT),
    )
    return shown, (hit.rtstream_id, start, max(end, start + 1.0))


async def _link(client: RTStreamClient, clip: ClipRange, collections: Mapping[str, str]) -> str | None:
    """A link to a clip, or None if nothing was recorded then."""
    if not is_stream(clip[0]):
        return await _compiled(client, [clip], collections)
    try:
        return (await client.generate_stream(*clip)).player_url
    except RTStreamError:
        return None


async def _in_videos(
    client: RTStreamClient,
    query: str,
    videos: list[str] | None,
    collection: str | None,
    limit: int,
    min_score: float | None,
) -> tuple[list[VideoHits], str | None]:
    """Return the hits in exported videos, and a note about videos that could not be searched."""
    if videos and not any(one.strip().lower() == ALL for one in videos):
        found: list[VideoHits] = []
        lacking: list[str] = []
        for video_id in await _video_ids(client, videos):
            try:
                found += await client.videos.search(query, video_id, limit=limit, score_threshold=min_score, clips=True)
            except InvalidRequest as exc:
                lacking.append(f"{video_id}: {exc.message}")
        return found, _lacking(lacking)
    places = [collection] if collection is not None else [one.id for one in await client.list_collections()]
    hits: list[VideoHits] = []
    notes: list[str] = []
    for place in places:
        try:
            hits += await client.videos.search(
                query, collection_id=place, limit=limit, score_threshold=min_score, clips=True
            )
        except InvalidRequest as exc:  # none of its videos is transcribed
            notes.append(exc.message)
    return hits, _lacking(notes)


def _lacking(reasons: list[str]) -> str | None:
    """Return the note about videos that could not be searched, with a way out among the default tools."""
    if not any("not transcribed" in reason for reason in reasons):
        return note(" ".join(reasons))
    return note(" ".join([*reasons, "The same export_stream call with searchable=true does so as well."]))


async def _video_ids(client: RTStreamClient, videos: list[str]) -> list[str]:
    if len(videos) > MAX_VIDEOS:
        raise InvalidRequest(f"Pass at most {MAX_VIDEOS} videos, or ['all'].")
    wanted = list(dict.fromkeys(one.strip() for one in videos))
    if all(one.startswith(("m-", "a-")) for one in wanted):
        return wanted
    known = await client.videos.list()
    found: list[str] = []
    for one in wanted:
        alike = [video.id for video in known if video.id == one] or [video.id for video in known if video.name == one]
        if not alike:
            raise NotFound(f"There is no video {quoted(one)}. Call list_videos for all videos.")
        if len(alike) > 1:
            raise InvalidRequest(f"Several videos are called {quoted(one)}. Pass one of {', '.join(alike[:10])}.")
        found.append(alike[0])
    return found


def _video_hit(video: VideoHits, shot: VideoShot) -> Found:
    start = shot.start if shot.clip_start is None else shot.clip_start
    end = shot.end if shot.clip_end is None else shot.clip_end
    hit = Hit(
        video_id=video.video_id,
        name=name(video.title),
        channel="videos",
        medium="audio",
        start=round(shot.start, 3),
        end=round(shot.end, 3),
        score=round(shot.score, 3),
        untrusted_text=clean(shot.text, MAX_TEXT),
    )
    return hit, (video.video_id, start, end)


async def _compiled(client: RTStreamClient, clips: list[ClipRange], collections: Mapping[str, str]) -> str | None:
    """A link that plays clips, each moment once, or None if nothing was recorded then."""
    ranges = joined_ranges(clips, MAX_PLAYED_S)
    videos = [one for one in ranges if not is_stream(one[0])]
    for some in (ranges, videos):  # a service without our extensions plays videos only
        if some:
            with suppress(RTStreamError):
                return (await client.links.compile(some, collections)).player_url
    return None
