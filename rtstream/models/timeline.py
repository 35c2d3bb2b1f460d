"""The merged timeline of streams."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.models.base import ApiModel

TimelineChannel = Literal["scenes", "transcript", "audio", "alerts", "health"]
"""Channels of a timeline, in the words of the tools."""


class TimelineText(ApiModel):
    """A text with its times, in Unix seconds. It is untrusted."""

    start: float
    end: float
    text: str


class TimelineEntry(ApiModel):
    """A screen, a turn of speech, a summary, an alert or an interruption. All texts are untrusted."""

    channel: TimelineChannel
    rtstream_id: str
    start: float = Field(description="First moment, in Unix seconds.")
    end: float = Field(description="Last moment, in Unix seconds.")
    within_s: float = Field(
        default=0.0, description="Seconds by which start and end may be wrong. 0: exact to the picture."
    )
    text: str
    items: int = Field(default=1, description="Number of screens, turns and so on folded into it, itself included.")
    results: int = Field(default=1, description="Number of windows, sentences or firings in it.")
    already_there: bool = Field(default=False, description="It began before the range.")
    still_there: bool = Field(default=False, description="It lasts at the end of the range.")
    said: list[TimelineText] = Field(
        default_factory=list, description="Speech during it, unless that has entries of its own."
    )
    said_more: int = Field(default=0, description="Turns said meanwhile that are left out.")
    later: list[TimelineText] = Field(
        default_factory=list, description="Lines that appeared on the screen later. Each was there by its end."
    )
    later_more: int = Field(default=0, description="Such lines that are left out.")
    label: str = Field(default="", description="Label of an alert, state of a stream, or speaker.")
    confidence: float | None = None
    rtstream_index_id: str | None = None
    alert_id: str | None = None
    engine: str | None = Field(default=None, description="Engine of a transcript.")
    player_url: str | None = Field(default=None, description="Plays it. Null if it was not recorded.")
    picture_url: str | None = Field(default=None, description="A picture of it. Null if there is none.")


class QuietRange(ApiModel):
    """A stretch of a stream without results of a channel."""

    rtstream_id: str
    channel: TimelineChannel
    start: float
    end: float
    reason: str


class TimelinePage(ApiModel):
    """A page of the timeline of streams, oldest first."""

    start: float = Field(description="Start of the range, in Unix seconds.")
    end: float = Field(description="End of the range.")
    streams: dict[str, str] = Field(description="Names of the streams by id.")
    entries: list[TimelineEntry]
    cursor: str | None = Field(default=None, description="Continues the timeline. Null on its last page.")
    remaining: dict[str, int] = Field(
        default_factory=dict, description="Number of screens, turns and so on that follow, by channel."
    )
    folded: dict[str, int] = Field(
        default_factory=dict,
        description="Number of screens, turns and so on of this page without an entry of their own, by channel.",
    )
    quiet: list[QuietRange] = Field(
        default_factory=list, description="Stretches without results, with the reason, on the first page."
    )
    note: str = ""
