"""Cuts a media playlist where its init segment or its tracks change (EXT-X-MAP; RFC 8216, 4.3.2.5).

The codec library uses the first init segment, and the tracks of the first segment, for the whole playlist. It therefore
reads one period, the segments with the same init segment and tracks, and is then opened again for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

_HEADERS = ("#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-INDEPENDENT-SEGMENTS")


@dataclass(frozen=True)
class Period:
    """One period of a media playlist."""

    text: str
    """A playlist of the period alone, which is ended if another one follows."""
    start: int | None = None
    """Media sequence number of its first segment that is listed. None if the playlist has no init segments."""
    following: int | None = None
    """Media sequence number at which the next period begins, or None if it is the last one."""
    newest: tuple[int, str] | None = None
    """Media sequence number and init segment (its tag) of its last segment that is listed."""


@dataclass
class _Segment:
    number: int
    init: str
    key: str
    lines: list[str] = field(default_factory=list)


def period_of(text: str, begin: int | None, seen: tuple[int, str] | None = None) -> Period:
    """Return a period of a filtered playlist.

    Args:
        text: The playlist.
        begin: Media sequence number from which to read. By default, the newest period of a live playlist is returned,
            and the first one of a playlist that has ended.
        seen: ``newest`` of the period that is read, from the playlist before this one. If the playlist has advanced
            beyond it to another init segment, the result is an ended period without segments.
    """
    if "#EXTINF" not in text or (begin is None and "#EXT-X-MAP" not in text):
        return Period(text)
    segments, headers = _parsed(text)
    if begin is None and text.count("#EXT-X-MAP") < 2:
        found = segments[-1] if segments else None
        start = segments[0].number if segments else None
        return Period(text, start, newest=found and (found.number, found.init))
    periods = [list(group) for _, group in groupby(segments, key=lambda segment: segment.init)]
    ended = "#EXT-X-ENDLIST" in text
    if begin is None:
        chosen = 0 if ended else len(periods) - 1
    else:
        found = (number for number, period in enumerate(periods) if period[-1].number >= begin)
        chosen = next(found, len(periods) - 1)
    period = [segment for segment in periods[chosen] if begin is None or segment.number >= begin] or periods[chosen]
    first = period[0]
    if seen is not None and segments[0].number > seen[0] and first.init != seen[1]:
        # The addresses of init segments may contain a token, so they are compared only where no segment is known.
        lines = [*headers, f"#EXT-X-MEDIA-SEQUENCE:{first.number}", "#EXT-X-ENDLIST"]
        return Period("\n".join(lines) + "\n", None, first.number, seen)
    following = periods[chosen + 1][0].number if chosen + 1 < len(periods) else None
    lines = [*headers, f"#EXT-X-MEDIA-SEQUENCE:{first.number}", *filter(None, (first.init, first.key))]
    for segment in period:
        lines += segment.lines
    if ended or following is not None:
        lines.append("#EXT-X-ENDLIST")
    return Period("\n".join(lines) + "\n", first.number, following, (period[-1].number, period[-1].init))


def discontinuities(text: str) -> dict[str, int]:
    """Return the media sequence numbers of the segments of a filtered playlist that follow a discontinuity, by URL."""
    if "#EXT-X-DISCONTINUITY\n" not in text:
        return {}
    segments, _ = _parsed(text)
    return {one.lines[-1]: one.number for one in segments if "#EXT-X-DISCONTINUITY" in one.lines}


def ended_before(text: str, number: int) -> str:
    """Return a playlist that ends before the segment with a media sequence number."""
    segments, headers = _parsed(text)
    kept = [segment for segment in segments if segment.number < number]
    first = kept[0].number if kept else number
    lines = [*headers, f"#EXT-X-MEDIA-SEQUENCE:{first}", *(line for segment in kept for line in segment.lines)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _parsed(text: str) -> tuple[list[_Segment], list[str]]:
    """Return the segments of a media playlist, and the lines that concern all of them."""
    segments: list[_Segment] = []
    headers: list[str] = []
    lines: list[str] = []
    number, init, key = 0, "", ""
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag in _HEADERS:
            headers.append(line)
        elif tag == "#EXT-X-MEDIA-SEQUENCE":
            number = int(value) if value.strip().isdigit() and len(value) < 19 else 0
        elif tag == "#EXT-X-MAP":
            init = line
        elif tag == "#EXT-X-KEY":
            key = line
            lines.append(line)
        elif line.startswith("#") and tag != "#EXT-X-ENDLIST":
            lines.append(line)
        elif not line.startswith("#"):
            segments.append(_Segment(number, init, key, [*lines, line]))
            number, lines = number + 1, []
    return segments, headers
