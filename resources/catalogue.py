"""The catalogue: all streams, single streams, and the list of all resources."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ListResourcesResult, Resource

from resources import uris
from rtstream.client import Feed, RTStreamClient
from rtstream.client.markdown import for_chat
from rtstream.client.messages import LIVE_CHANNELS
from rtstream.errors import NotFound, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import Stream
from rtstream.rules.text_safety import clean

PAGE = 20
"""Streams per page of the list, each with its channels."""
MAX_STREAMS = 200
JSON = "application/json"

ABOUT = {
    "scenes": "Descriptions by scene indexes.",
    "transcript": "Spoken sentences.",
    "audio": "Summaries by audio indexes.",
    "alerts": "Events that matched, with evidence clips.",
    "health": "Changes of the connection to the source.",
    "jobs": "Exports of the stream, with their progress.",
}


async def streams(client: RTStreamClient, feed: Feed) -> JsonObject:
    """All streams with their health, newest first."""
    cursor = await feed.cursor()
    found, total = await client.list_streams(limit=MAX_STREAMS)
    return {"streams": [_described(stream) for stream in found], "total": total, "cursor": cursor}


async def stream(client: RTStreamClient, feed: Feed, stream_id: str) -> JsonObject:
    """One stream and the URIs of its live channels. Raises NotFound."""
    cursor = await feed.cursor()
    found = await client.get_stream(stream_id)
    channels = {name: uris.channel(found.id, name) for name in LIVE_CHANNELS}
    return {**_described(found), "channels": channels, "cursor": cursor}


async def list_resources(client: RTStreamClient, cursor: str | None) -> ListResourcesResult:
    """One page of all resources, always in the same order. Never starts an engine. Without one, only the catalogue."""
    offset = _offset(cursor)
    resources = [
        _resource(uris.STREAMS, "streams", "Live streams", "All streams with their health."),
        _resource(uris.JOBS, "jobs", "Jobs", "Exports and transcriptions of videos."),
    ]
    if offset:
        resources = []
    try:
        found, total = await client.list_streams(limit=PAGE, offset=offset, ordering="created_at", start=False)
    except Unavailable:
        return ListResourcesResult(resources=resources)
    for one in found:
        name = for_chat(clean(one.name, 100))
        resources.append(_resource(uris.stream(one.id), one.id, name, "A live stream, with its health."))
        resources += [
            _resource(uris.channel(one.id, channel), f"{one.id}/{channel}", f"{name}: {channel}", ABOUT[channel])
            for channel in LIVE_CHANNELS
        ]
    following = offset + len(found)
    return ListResourcesResult(resources=resources, next_cursor=str(following) if found and following < total else None)


async def subscribable(client: RTStreamClient, uri: str) -> bool:
    """Whether changes of ``uri`` are published."""
    place = uris.parse(uri)
    if place is None:
        return False
    try:
        if place.stream_id:
            await client.get_stream(place.stream_id)
        if place.job_id:
            await client.jobs.get(place.job_id)
    except NotFound:
        return False
    return True


def _described(stream: Stream) -> JsonObject:
    left_out = {"player_url", "stream_url", "channel_id", "publish_urls"}
    described = stream.model_dump(mode="json", exclude_none=True, exclude=left_out)
    return described | {"name": clean(stream.name, 100), "uri": uris.stream(stream.id)}


def _resource(uri: str, name: str, title: str, description: str) -> Resource:
    return Resource(uri=uri, name=name, title=title, description=description, mime_type=JSON)


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 9:
        raise MCPError(INVALID_PARAMS, "Invalid cursor. List again without a cursor.")
    return int(cursor)
