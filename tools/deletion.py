"""The tool that deletes: a stream, index, alert, event or video, after the user has agreed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.client.markdown import quoted
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import Alert, Stream
from tools._framework.confirmation import listed
from tools._framework.definition import ToolContext, live, tool
from tools._framework.targets import MAX_LISTED, MAX_NAMED, stream_of

Found = TypeVar("Found")

Kind = Annotated[Literal["stream", "index", "alert", "event", "video"], Field(description="Kind of the item.")]
Id = Annotated[str, Field(description="Its id, or its unique name.")]
OfStream = Annotated[str | None, Field(description="The stream of an index or alert, if several have its name.")]


@dataclass(frozen=True)
class Deletion:
    """A deletion that was looked up. ``question`` names the item and everything that is deleted with it."""

    id: str
    question: str
    run: Callable[[], Awaitable[None]]


class Deleted(BaseModel):
    """A deleted item."""

    kind: str
    id: str
    deleted: bool


async def question(ctx: ToolContext, kind: Kind, id: Id, stream_id: OfStream) -> str:
    """The question before an item is deleted."""
    return (await _find(ctx, kind, id, stream_id)).question


@tool("Delete an item", read_only=False, destructive=True, idempotent=True, default=True, confirm=question)
async def delete(ctx: ToolContext, kind: Kind, id: Id, stream_id: OfStream = None) -> Deleted:
    """Delete a stream, index, alert, event or video permanently, with everything that belongs to it.

    Use this only when the user asks for it; the result of the first call names everything that goes with the item.
    Exported videos outlive their stream. Call update_stream, update_index or update_alert instead to stop or pause.
    """
    found = await _find(ctx, kind, id, stream_id)
    await found.run()
    return Deleted(kind=kind, id=found.id, deleted=True)


async def _find(ctx: ToolContext, kind: str, item_id: str, stream_id: str | None) -> Deletion:
    if not item_id.strip():  # which elsewhere means the only stream
        raise InvalidRequest("id is empty. Pass the id or the unique name of the item to delete.")
    client = live(ctx).client
    stream = None if stream_id is None else await stream_of(ctx, stream_id)
    match kind:
        case "stream":
            return await _stream(client, await stream_of(ctx, item_id))
        case "index":
            return await _index(client, item_id, stream)
        case "alert":
            return await _alert(client, item_id, stream)
        case "event":
            return await _event(client, item_id)
        case _:
            return await _video(client, item_id)


async def _stream(client: RTStreamClient, stream_id: str) -> Deletion:
    stream = await client.get_stream(stream_id)
    alerts = [alert async for _, alert in _alerts(client, [stream])]
    parts = listed("index", [one.name or one.rtstream_index_id for one in stream.indexes], "indexes")
    parts += listed("alert", [alert.label for alert in alerts])
    named = f"{quoted(stream.name)} ({stream.id})"
    asked = f"Delete the stream {named} permanently, with its recordings and results{parts}?"
    return Deletion(stream.id, asked, lambda: client.delete_stream(stream.id))


async def _index(client: RTStreamClient, item_id: str, stream_id: str | None) -> Deletion:
    found = [
        (stream, index)
        for stream in await _streams(client, stream_id)
        for index in stream.indexes
        if item_id in (index.rtstream_index_id, index.name)
    ]
    stream, index = _only(found, lambda one: one[1].rtstream_index_id, item_id, "index", "get_stream for its indexes")
    index_id = index.rtstream_index_id
    alerts = listed("alert", [one.label for one in await client.alerts.list_alerts(stream.id, index_id)])
    asked = (
        f"Delete the index {quoted(index.name or index_id)} ({index_id}) of the stream {quoted(stream.name)} "
        f"permanently, with its scenes{alerts}?"
    )
    return Deletion(index_id, asked, lambda: client.indexes.delete(stream.id, index_id))


async def _alert(client: RTStreamClient, item_id: str, stream_id: str | None) -> Deletion:
    alerts, _ = await client.alerts.list_alert_groups([stream_id] if stream_id else None, limit=MAX_LISTED)
    named = [one for one in alerts if item_id in (one.alert_id, one.label)]
    # An alert on several streams has one per stream, each with an id of its own.
    parts = any(part.alert_id == item_id for one in alerts for part in one.alerts)
    known = parts or _only(named, lambda one: one.alert_id, item_id, "alert", "list_alerts for all alerts")
    alert = await client.alerts.get_alert_group(item_id if known is True else known.alert_id)
    streams = [(await client.get_stream(part.rtstream_id)).name for part in alert.alerts[:MAX_NAMED]]
    more = f" and {len(alert.alerts) - MAX_NAMED} more streams" if len(alert.alerts) > MAX_NAMED else ""
    where = (listed("stream", streams).removeprefix(", ") or "no stream") + more
    later = " and on all later ones" if alert.all_streams else ""
    asked = (
        f"Delete the alert {quoted(alert.label)} ({alert.alert_id}) on {where}{later}, with its logs and unsent "
        "webhooks?"
    )
    return Deletion(alert.alert_id, asked, lambda: client.alerts.delete_alert_group(alert.alert_id))


async def _event(client: RTStreamClient, item_id: str) -> Deletion:
    events = [one for one in await client.alerts.list_events() if item_id in (one.event_id, one.label)]
    event = _only(events, lambda one: one.event_id, item_id, "event", "list_events for all events")
    alerts = _alerts(client, await _streams(client, None))
    watched = {stream.id: stream.name async for stream, one in alerts if one.event_id == event.event_id}
    where = listed("alerts on the stream", [*watched.values()], "alerts on the streams") or ", which has no alerts"
    asked = f"Delete the event {quoted(event.label)} ({event.event_id}){where}, and their logs?"
    return Deletion(event.event_id, asked, lambda: client.alerts.delete_event(event.event_id))


async def _video(client: RTStreamClient, item_id: str) -> Deletion:
    if not item_id.startswith(("m-", "a-")):
        videos = [one for one in await client.videos.list() if one.name == item_id]
        item_id = _only(videos, lambda one: one.id, item_id, "video", "list_videos for all videos").id
    video = await client.videos.get(item_id)
    asked = (
        f"Delete the exported video {quoted(video.name)} ({video.id}, {video.length:.0f} s) permanently, with its "
        "file, transcript and links?"
    )
    return Deletion(video.id, asked, lambda: client.videos.delete(video.id))


async def _streams(client: RTStreamClient, stream_id: str | None) -> list[Stream]:
    """The stream, or all streams, with their indexes."""
    if stream_id is not None:
        return [await client.get_stream(stream_id)]
    streams, _ = await client.list_streams(limit=MAX_LISTED)
    for stream in streams:
        stream.indexes = [*await client.indexes.list(stream.id)]
    return streams


async def _alerts(client: RTStreamClient, streams: list[Stream]) -> AsyncIterator[tuple[Stream, Alert]]:
    """All alerts on streams and on their indexes."""
    for stream in streams:
        for index in stream.indexes:
            for alert in await client.alerts.list_alerts(stream.id, index.rtstream_index_id):
                yield stream, alert
        with suppress(NotFound):  # a service without our extensions
            for alert in await client.alerts.list_alerts(stream.id, ""):
                yield stream, alert


def _only(found: list[Found], id_of: Callable[[Found], str], item_id: str, kind: str, remedy: str) -> Found:
    """The one item with an id or name. An id comes before the name of another item."""
    exact = [one for one in found if id_of(one) == item_id] or found
    if not exact:
        raise NotFound(f"There is no {kind} {quoted(item_id)}. Call {remedy}.")
    if len(exact) > 1:
        ids = ", ".join(id_of(one) for one in exact[:10])
        raise InvalidRequest(f"{len(exact)} items of the kind {kind} are called {quoted(item_id)}. Pass one of {ids}.")
    return exact[0]
