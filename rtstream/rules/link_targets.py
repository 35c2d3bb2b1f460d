"""Targets of playback links: the media a link opens, and for how long."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Literal

LinkKind = Literal["window", "video", "ranges", "picture"]
"""A window of a stream, a whole video, ranges that play one after the other, or a picture of a stream or video."""
Purpose = Literal["chat", "webhook", "sdk", "page"]
ClipRange = tuple[str, float, float]
"""Id, start and end: of a video in seconds of the video, or of a stream in Unix seconds."""

STREAM = "rts-"
"""Prefix of ids of streams."""

MAX_TITLE = 120
MAX_DESCRIPTION = 300


@dataclass(frozen=True)
class LinkTarget:
    """The media that a link opens.

    Attributes:
        kind: Which of the other attributes count.
        stream_id: The stream of a window, or of a picture that is not one of a video.
        start: Start of a window, or the moment of a picture of a stream, in Unix seconds.
        end: End of a window in Unix seconds.
        ranges: Ranges of streams and videos; for a whole video one range without an end, for a picture of a video one
            without length.
        title: Title on the player page. Empty: the name of the stream or video.
        description: Text on the player page.
    """

    kind: LinkKind
    stream_id: str = ""
    start: float = 0.0
    end: float = 0.0
    ranges: tuple[ClipRange, ...] = ()
    title: str = ""
    description: str = ""

    @property
    def video_id(self) -> str:
        """The video of all ranges; empty for a window, for ranges of streams and for ranges of several videos."""
        found = {one for one, _, _ in self.ranges}
        return found.pop() if len(found) == 1 and not self.plays_streams else ""

    @property
    def plays_streams(self) -> bool:
        """Whether recordings of streams are played or shown."""
        return bool(self.stream_id) or any(is_stream(one) for one, _, _ in self.ranges)

    @property
    def seconds(self) -> float:
        """Length of the window or of all ranges; 0 for a whole video."""
        return self.end - self.start + sum(end - start for _, start, end in self.ranges if math.isfinite(end))

    def digest(self, purpose: Purpose) -> str:
        """Return a hash that is equal for equal targets, to the microsecond."""
        ranges = [[one, _micros(start), _micros(end)] for one, start, end in self.ranges]
        window = [self.stream_id, _micros(self.start), _micros(self.end)]
        content = json.dumps([self.kind, window, ranges, self.title, self.description, purpose])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class LinkOrigin:
    """The origin (``http://host:port``) of the links in a response, and the purpose of these links."""

    base_url: str
    purpose: Purpose = "sdk"


def window_target(stream_id: str, start: float, end: float, title: str = "", description: str = "") -> LinkTarget:
    """Return the target of a window of a stream. Longer texts are cut."""
    return LinkTarget("window", stream_id, start, end, (), title[:MAX_TITLE], description[:MAX_DESCRIPTION])


def video_target(video_id: str) -> LinkTarget:
    """Return the target of a whole video."""
    return LinkTarget("video", ranges=((video_id, 0.0, math.inf),))


def ranges_target(ranges: tuple[ClipRange, ...], title: str = "") -> LinkTarget:
    """Return the target of ranges of streams and videos."""
    return LinkTarget("ranges", ranges=ranges, title=title[:MAX_TITLE])


def picture_target(video_id: str, at: float) -> LinkTarget:
    """Return the target of the picture that a video shows at ``at`` (seconds of the video)."""
    return LinkTarget("picture", ranges=((video_id, at, at),))


def stream_picture_target(stream_id: str, at: float) -> LinkTarget:
    """Return the target of the picture that a stream shows at ``at`` (Unix seconds)."""
    return LinkTarget("picture", stream_id, at, at)


def lifetime(target: LinkTarget, purpose: Purpose, ttl_s: float) -> float | None:
    """Return the seconds a link lasts, or None for as long as its stream or video.

    Evidence of alerts is stored as long as its stream, and videos until they are deleted, so their links do not end.
    """
    return ttl_s if target.plays_streams and purpose != "webhook" else None


def is_stream(source_id: str) -> bool:
    """Return whether the source of a range is a stream, by its id. Otherwise, it is a video."""
    return source_id.startswith(STREAM)


def _micros(seconds: float) -> int | None:
    return round(seconds * 1e6) if math.isfinite(seconds) else None
