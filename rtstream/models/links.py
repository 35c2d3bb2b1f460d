"""Playback links as their owner sees them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.models.base import ApiModel


class PlaybackLink(ApiModel):
    """A playback link. Any client that has its URLs can play its target."""

    id: str
    kind: Literal["window", "video", "ranges", "picture"] = Field(
        description="window of a stream, whole video, ranges of streams and videos, picture of a stream or a video"
    )
    state: Literal["valid", "expired", "revoked"]
    purpose: Literal["chat", "webhook", "sdk", "page"]
    rtstream_id: str | None = None
    start: float | None = Field(None, description="Start of a window, or the moment of a picture, Unix seconds.")
    end: float | None = Field(None, description="End of a window, Unix seconds.")
    ranges: list[tuple[str, float, float | None]] = Field(
        default_factory=list,
        description="[id, start, end], of a video in seconds, of a stream in Unix seconds; the whole video without an "
        "end, a picture if both are equal",
    )
    title: str = ""
    created_at: float
    expires_at: float | None = Field(None, description="Null: as long as its stream or video.")
    revoked_at: float | None = None
    player_url: str | None = Field(None, description="Null for a picture.")
    stream_url: str | None = Field(None, description="Null for a picture.")
    picture_url: str | None = Field(None, description="Only for a picture.")


class LinkPage(ApiModel):
    """One page of links, newest first; ``count`` is the number of all."""

    links: list[PlaybackLink]
    count: int
