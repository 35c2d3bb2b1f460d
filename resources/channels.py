"""The live channels of a stream: the newest results, or those after a cursor."""

from __future__ import annotations

from rtstream.client import Feed, JournalFilter, RTStreamClient
from rtstream.client.messages import JOURNAL_CHANNEL, live_event
from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonObject

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


async def channel(
    client: RTStreamClient, feed: Feed, stream_id: str, name: str, since: str | None, limit: str | None
) -> JsonObject:
    """Entries of one channel, oldest first. Raises NotFound for an unknown stream or channel.

    ``since`` and ``limit`` are taken from the query as text: a cursor, and a number of entries (at most 200).
    """
    if name not in JOURNAL_CHANNEL:
        raise NotFound(f"Unknown channel. Use one of {', '.join(JOURNAL_CHANNEL)}.")
    after = _number("since", since)
    count = _number("limit", limit)
    stream = await client.get_stream(stream_id)
    which = JournalFilter(streams=(stream.id,), channels=(JOURNAL_CHANNEL[name],))
    page = await feed.read(after, which, min(max(DEFAULT_LIMIT if count is None else count, 1), MAX_LIMIT))
    events = [event for event in map(live_event, page.entries) if event is not None]
    return {
        "stream_id": stream.id,
        "channel": name,
        "events": [event.model_dump(exclude_none=True) for event in events],
        "cursor": page.cursor,
        "has_more": page.has_more,
        "truncated": page.truncated,
        "next": f"Read again with ?since={page.cursor} to get later entries.",
    }


def _number(name: str, text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest(f"{name} must be a whole number, 0 or more.")
    return int(text)
