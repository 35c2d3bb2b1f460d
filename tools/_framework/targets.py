"""The streams that a call is about: by id, by unique name, or the only one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from rtstream.client.markdown import quoted
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import Stream
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live

StreamId = Annotated[str | None, Field(description="Id or name; omit for the only stream.")]
CollectionId = Annotated[str | None, Field(description="Id or name of a collection.")]
Streams = Annotated[list[str] | None, Field(description="Ids or names; ['all'] includes later ones.")]
ALL = "all"
MAX_NAMED = 10
MAX_LISTED = 1000
_ID = re.compile(r"rts-[0-9a-f]{16}")
"""An id of this engine. Others are looked up, because a stream may have any name."""


async def stream_of(ctx: ToolContext, stream_id: str | None) -> str:
    """Return the id of a stream.

    Args:
        ctx: Context of the call.
        stream_id: Its id or unique name, or None for the only stream.

    Raises:
        NotFound: There is no such stream, or no stream at all.
        InvalidRequest: Several streams have the name, or there are several streams and none is named.
    """
    if stream_id is not None and _ID.fullmatch(stream_id.strip()):
        return stream_id.strip()
    if stream_id is None or not stream_id.strip():
        return await _only_stream(ctx)
    return _named(stream_id, await _all_streams(ctx))


async def streams_of(ctx: ToolContext, streams: Sequence[str] | None) -> list[str] | None:
    """Return the ids of streams, each once, or None for all streams.

    Args:
        ctx: Context of the call.
        streams: Their ids or unique names. None, an empty list and ``["all"]`` mean all.

    Raises:
        NotFound: There is no stream with one of the names.
        InvalidRequest: Several streams have one of the names.
    """
    if not streams or any(each.strip().lower() == ALL for each in streams):
        return None
    wanted = [each.strip() for each in streams]
    listed = [] if all(_ID.fullmatch(each) for each in wanted) else await _all_streams(ctx)
    found = [each if _ID.fullmatch(each) else _named(each, listed) for each in wanted]
    return list(dict.fromkeys(found))


async def collection_of(ctx: ToolContext, collection: str | None) -> str | None:
    """Return the id of a collection by its id or unique name, or None without one.

    Raises:
        NotFound: There is no such collection.
        InvalidRequest: Several collections have the name.
    """
    if collection is None or not collection.strip():
        return None
    wanted = collection.strip()
    collections = await live(ctx).client.list_collections()
    alike = [each for each in collections if each.id == wanted] or [
        each for each in collections if each.name.strip().casefold() == wanted.casefold()
    ]
    if len(alike) == 1:
        return alike[0].id
    known = ", ".join(each.id for each in (alike or collections)[:MAX_NAMED])
    if alike:
        raise InvalidRequest(f"{len(alike)} collections are called {quoted(wanted)}. Pass the id instead: {known}.")
    raise NotFound(f"There is no collection {quoted(wanted)}. These exist: {known}.")


async def _only_stream(ctx: ToolContext) -> str:
    streams, total = await live(ctx).client.list_streams(limit=MAX_NAMED)
    if not streams:
        raise NotFound("No stream is connected. Call connect_stream first.")
    if total > 1:
        raise InvalidRequest(f"There are {total} streams. Pass stream_id, {_ids(streams, total)}.")
    return streams[0].id


async def _all_streams(ctx: ToolContext) -> list[Stream]:
    return (await live(ctx).client.list_streams(limit=MAX_LISTED))[0]


def _named(name: str, streams: Sequence[Stream]) -> str:
    """The id of the stream with an id or name. A name in the same upper and lower case is preferred."""
    name = name.strip()
    alike = (
        [stream for stream in streams if stream.id == name]
        or [stream for stream in streams if name in (stream.name, clean(stream.name, 100).strip())]
        or [stream for stream in streams if stream.name.strip().casefold() == name.casefold()]
    )
    if not alike:
        raise NotFound(f"There is no stream {quoted(name)}. Call list_streams to see the ids and names that exist.")
    if len(alike) > 1:
        raise InvalidRequest(
            f"{len(alike)} streams are called {quoted(name)}. Pass the id instead, {_ids(alike, len(alike))}."
        )
    return alike[0].id


def _ids(streams: Sequence[Stream], total: int) -> str:
    more = f" and {total - MAX_NAMED} more" if total > MAX_NAMED else ""
    shown = ", ".join(stream.id for stream in streams[:MAX_NAMED])
    return f"one of {shown}{more}. list_streams shows their names"
