"""The tool that returns the past of streams as one merged timeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client.messages import UNTRUSTED
from rtstream.models import QuietRange, TimelineChannel, TimelineEntry, TimelineText
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import OBJECTS, name, note
from tools._framework.targets import stream_of, streams_of
from tools._framework.times import Time, joined, window

MAX_CHARS = 6000


class SpokenText(BaseModel):
    """Speech during a screen, or lines that appeared on it. Unix seconds."""

    start: float
    end: float
    untrusted_text: str = Field(description=UNTRUSTED)


class Happening(BaseModel):
    """A screen, a turn of speech, a summary, an alert or an interruption. Unix seconds."""

    channel: str
    stream_id: str | None = Field(default=None, description="If there are several streams.")
    start: float = Field(description="First moment.")
    end: float = Field(description="Last moment.")
    within_s: float | None = Field(
        default=None, description="The times may be wrong by this. Otherwise, they are exact."
    )
    already_there: bool | None = Field(default=None, description="It began before the range.")
    still_there: bool | None = Field(default=None, description="It lasts at the end of the range.")
    label: str | None = None
    confidence: float | None = None
    folded: int | None = Field(default=None, description="Number of screens, turns and so on folded into this entry.")
    times: int | None = Field(default=None, description="Number of times an alert fired.")
    player_url: str | None = Field(default=None, description="Plays it. Show it to the user.")
    picture_url: str | None = Field(default=None, description="Shows it.")
    untrusted_text: str | None = Field(default=None, description=UNTRUSTED)
    said: list[SpokenText] | None = Field(default=None, description="Speech during it.")
    later: list[SpokenText] | None = Field(default=None, description="Lines that appeared on the screen later.")


class Quiet(BaseModel):
    """A stretch without screens or speech. Unix seconds."""

    channel: str
    stream_id: str | None = None
    start: float
    end: float
    reason: str


class TimelineStream(BaseModel):
    """A stream of the timeline."""

    stream_id: str
    name: str


class WhatHappened(BaseModel):
    """A page of the timeline, oldest first."""

    start: float
    end: float
    streams: Annotated[list[TimelineStream], OBJECTS]
    entries: Annotated[list[Happening], OBJECTS]
    quiet: Annotated[list[Quiet] | None, Field(description="Stretches without results, with the reason.")] = None
    folded: dict[str, int] | None = Field(default=None, description="Folded into the entries, by channel.")
    remaining: dict[str, int] | None = Field(default=None, description="On the next pages, by channel.")
    cursor: str | None = None
    note: str | None = None


@tool("Get a timeline", read_only=True, default=True)
async def what_happened(
    ctx: ToolContext,
    streams: list[str] | None = None,
    start: Annotated[Time, Field(description="Default: an hour ago.")] = None,
    end: Annotated[Time, Field(description="Default: now.")] = None,
    channels: list[TimelineChannel] | None = None,
    cursor: str | None = None,
    max_chars: int = MAX_CHARS,
) -> WhatHappened:
    """Get the screens, speech and alerts of the past as one timeline, oldest first.

    Use this first for the past. A screen that stays is one entry. Call it again with only the cursor for more, or with
    a shorter range for folded entries.
    """
    client = live(ctx).client
    wanted = await streams_of(ctx, streams)
    times = await window(ctx, start, end, stream=await _only(ctx, wanted, start, end))
    found = await client.timeline(
        streams=wanted,
        start=None if cursor else times.start,
        end=None if cursor else times.end,
        channels=channels,
        cursor=cursor,
        max_chars=max_chars,
    )
    several = len(found.streams) > 1
    return WhatHappened(
        start=round(found.start, 3),
        end=round(found.end, 3),
        streams=[TimelineStream(stream_id=stream_id, name=name(known)) for stream_id, known in found.streams.items()],
        entries=[_happening(entry, several=several) for entry in found.entries],
        quiet=[_quiet(one, several=several) for one in found.quiet] or None,
        folded=found.folded or None,
        remaining=found.remaining or None,
        cursor=found.cursor,
        note=joined(times.note if not cursor else None, note(found.note)),
    )


async def _only(ctx: ToolContext, streams: list[str] | None, *times: str | None) -> str | None:
    """The stream whose newest recording the word ``start`` refers to, if it is used."""
    if streams is not None and len(streams) == 1:
        return streams[0]
    uses = any(each is not None and each.strip().lower() == "start" for each in times)
    return await stream_of(ctx, None) if uses and streams is None else None


def _happening(entry: TimelineEntry, *, several: bool) -> Happening:
    return Happening(
        channel=entry.channel,
        stream_id=entry.rtstream_id if several else None,
        start=entry.start,
        end=entry.end,
        within_s=entry.within_s or None,
        already_there=entry.already_there or None,
        still_there=entry.still_there or None,
        label=name(entry.label) or None,
        confidence=entry.confidence,
        folded=entry.items if entry.items > 1 else None,
        times=entry.results if entry.channel == "alerts" and entry.results > 1 else None,
        player_url=entry.player_url,
        picture_url=entry.picture_url,
        untrusted_text=entry.text or None,
        said=_texts(entry.said),
        later=_texts(entry.later),
    )


def _texts(found: list[TimelineText]) -> list[SpokenText] | None:
    return [SpokenText(start=one.start, end=one.end, untrusted_text=one.text) for one in found] or None


def _quiet(one: QuietRange, *, several: bool) -> Quiet:
    return Quiet(
        channel=one.channel,
        stream_id=one.rtstream_id if several else None,
        start=round(one.start, 3),
        end=round(one.end, 3),
        reason=clean(one.reason, 300),
    )
