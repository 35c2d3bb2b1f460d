"""Reads the wall-clock times of an HLS stream from its playlist.

EXT-X-PROGRAM-DATE-TIME (RFC 8216, 4.3.2.6) dates the first sample of a segment. The demuxer does not return these
dates, so the playlist is read here once more and one dated segment is opened. Its date minus its first timestamp is the
Unix time of timestamp 0 for all segments without an EXT-X-DISCONTINUITY between them.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import av

from rtstream.messages import RecorderSpec
from rtstream.recorder.inputs import dialer_of
from rtstream.recorder.source import Source
from rtstream.recorder.web import WebClient
from rtstream.rules.source_urls import parse_source, parse_web

if TYPE_CHECKING:
    from m3u8 import M3U8, Segment

log = logging.getLogger(__name__)

ASK_S = 2.0  # longest wait for all requests
PLAYLIST_BYTES = 2_000_000
SEGMENT_BYTES = 512_000  # enough of a segment to find its streams and first timestamp
WRAP_S = 2**33 / 90_000  # MPEG-TS timestamps wrap around, and the demuxer adds or subtracts multiples of this

_asking = threading.Lock()  # one playlist at a time, even if a server never completes a response


@dataclass(frozen=True)
class ProgramDate:
    """The dates of the newest discontinuity sequence of a playlist. All in Unix seconds."""

    zero: float  # of timestamp 0
    since: float  # what its listed segments cover
    until: float
    slack_s: float  # tolerance, for a segment that is no longer listed or not listed yet

    def of(self, pts: float, near: float) -> float | None:
        """When the picture with timestamp ``pts`` (seconds) happened, some time ``near``; None when not known.

        A timestamp that is not in the listed segments belongs to another discontinuity sequence.
        """
        date = self.zero + pts
        date += round((near - date) / WRAP_S) * WRAP_S
        return date if self.since - self.slack_s <= date <= self.until + self.slack_s else None


def program_date(spec: RecorderSpec, source: Source) -> ProgramDate | None:
    """Read the dates in the playlist of an open HLS source within two seconds. None if they are not certain."""
    if not _asking.acquire(blocking=False):
        return None
    answers: list[ProgramDate | None] = []
    deadline = time.monotonic() + min(ASK_S, spec.open_timeout_s)
    stream = source.video or source.audio
    bandwidth = stream.metadata.get("variant_bitrate", "") if stream is not None else ""
    opener = source.input.io_open if source.input is not None else None
    variant = opener.variant.url if opener is not None else ""

    def ask() -> None:
        try:
            with closing(_Origin(spec, deadline)) as origin:
                answers.append(_ask(origin, variant or origin.url, bandwidth))
        except Exception as exc:  # noqa: BLE001 (a thread's edge)
            # No traceback: its text may contain the URL, and a playlist may be anything.
            log.debug("the playlist of %s has no usable date: %s", spec.stream_id, type(exc).__name__)
        finally:
            _asking.release()

    # In a thread, because name look-ups and slow headers ignore timeouts.
    thread = threading.Thread(target=ask, name="program date", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    return answers[0] if answers else None


def _ask(origin: _Origin, url: str, bandwidth: str) -> ProgramDate | None:
    playlist = _playlist(origin, url)
    if playlist.is_variant:
        # The demuxer names the variant of its streams by bandwidth. All variants have the same timestamps for the same
        # pictures (RFC 8216, 6.2.4), so that where it cannot tell any of them will do.
        named = [each for each in playlist.playlists if str(each.stream_info.bandwidth) == bandwidth]
        chosen = (named or playlist.playlists)[0]
        playlist = _playlist(origin, chosen.absolute_uri)
    segments = _newest_sequence(playlist)
    index = next((at for at in reversed(range(len(segments))) if _readable(segments[at])), None)
    if index is None:
        return None
    dated = segments[index]
    date = dated.program_date_time
    assert date is not None
    at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    durations = [segment.duration or 0.0 for segment in segments]
    since, until = at - sum(durations[:index]), at + sum(durations[index:])
    slack = max(float(playlist.target_duration or 0), *durations)
    return ProgramDate(at - _first_timestamp(origin, dated), since, until, slack)


def _playlist(origin: _Origin, url: str | None) -> M3U8:
    import m3u8  # imported only by recorders of HLS sources

    if url is None:
        raise ValueError("a variant without a URL")
    text = origin.get(url, PLAYLIST_BYTES + 1)
    if len(text) > PLAYLIST_BYTES:
        raise ValueError("the playlist is too long")
    return m3u8.loads(text.decode("utf-8"), url)


def _newest_sequence(playlist: M3U8) -> list[Segment]:
    """Return the segments after the last discontinuity of a playlist."""
    segments = list(playlist.segments)
    begin = max((index for index, segment in enumerate(segments) if segment.discontinuity), default=0)
    return segments[begin:]


def _readable(segment: Segment) -> bool:
    """Return whether the segment has a date and readable timestamps, so it is neither encrypted nor missing."""
    encrypted = segment.key is not None and segment.key.method != "NONE"
    return segment.program_date_time is not None and not encrypted and not segment.gap_tag


def _first_timestamp(origin: _Origin, segment: Segment) -> float:
    """The first timestamp of a segment's pictures, or sound, in seconds: the same as in the whole stream."""
    init = segment.init_section
    data = b"" if init is None else origin.part(init.absolute_uri, init.byterange)
    data += origin.part(segment.absolute_uri, segment.byterange)
    # Packed audio stores its timeline outside its packets, which is not supported here.
    with av.open(io.BytesIO(data), "r", format="mpegts" if init is None else "mp4") as container:
        stream = (container.streams.video or container.streams.audio)[0]
        for packet in container.demux(stream):
            if packet.pts is not None and packet.time_base is not None:
                return float(packet.pts * packet.time_base)
    raise ValueError("the segment has no timestamps")


class _Origin:
    """Reads from the server of a playlist only. Each request uses an address that was checked."""

    def __init__(self, spec: RecorderSpec, deadline: float) -> None:
        """``deadline``: monotonic time after which nothing more is read."""
        self._deadline = deadline
        source = parse_source(spec.url)
        self.url = source.bare
        self._place = (source.scheme, source.host, source.port)
        self._client = WebClient(source, dialer_of(spec, ASK_S))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def part(self, url: str | None, byterange: str | None) -> bytes:
        """Return the beginning of a segment, which is a file or the byte range ``length@offset`` of one."""
        if url is None:
            raise ValueError("a segment without a URL")
        if not byterange:
            return self.get(url, SEGMENT_BYTES)
        length, _, offset = byterange.partition("@")  # raises ValueError without an offset
        return self.get(url, min(int(length), SEGMENT_BYTES), int(offset))

    def get(self, url: str, most: int, offset: int | None = None) -> bytes:
        """Return at most ``most`` bytes of the resource at ``url``. Raises SourceFailed, OSError or ValueError."""
        self._check(url)
        resource = self._client.get(url, offset, None if offset is None else offset + most - 1)
        try:
            self._check(resource.url)
            data = bytearray()
            while len(data) < most and (more := resource.read(min(65536, most - len(data)))):
                data += more
                if time.monotonic() > self._deadline:
                    raise TimeoutError
        finally:
            resource.close()
        return bytes(data)

    def _check(self, url: str) -> None:
        place = parse_web(url)
        if (place.scheme, place.host, place.port) != self._place:
            raise ValueError("on another host")
        if time.monotonic() > self._deadline:
            raise TimeoutError
