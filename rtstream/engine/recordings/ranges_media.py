"""Serves videos, and ranges of streams and videos one after the other, to the holder of a link."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import anyio.to_thread

from rtstream.engine.recordings.links import download_url, stream_url
from rtstream.engine.recordings.playback_audio import AudioSource, PlaybackAudio, playback_init
from rtstream.engine.recordings.sections import PlacedPart, Section, SectionPart, placed, shifts
from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.mp4.aac_track import audio_track, media_start
from rtstream.mp4.fragments import delay, track_runs
from rtstream.mp4.progressive import retime
from rtstream.rules.link_targets import ClipRange, is_stream
from rtstream.rules.playlist import Segment, gaps_between, playlist
from rtstream.storage import Storage
from rtstream.store.links import Link

ROUNDING_S = 0.001
"""A video begins with a picture. In some browsers, seeking to exactly that time shows the preceding picture."""
CACHED = 16
CACHED_S = 10.0
"""Seconds for which the sections of a link are used again. Recent footage may still be completed."""
MAX_CACHED_PARTS = 10_000
NO_PART = "The recording has no such part, or it has been deleted."
NOTHING = "These ranges have no recordings, or they have been deleted."


class RangeSource(Protocol):
    """Streams, or videos."""

    @property
    def storage(self) -> Storage:
        """The storage of the parts."""
        ...

    async def sections(self, wanted: ClipRange) -> list[Section]:
        """Return the stored sections of a range, oldest first. Raises NotFound for a deleted stream or video."""
        ...

    async def section_audio(self, section: Section, number: int) -> AudioSource:
        """Return the part ``number`` of a section, with the footage around it. Raises NotFound."""
        ...

    async def name(self, source_id: str) -> str:
        """Return the name of a stream or video. Raises NotFound."""
        ...


class RangesMedia:
    """Reads ranges for link holders. A whole video is one range without an end, and serves its file."""

    def __init__(
        self, streams: RangeSource, videos: RangeSource, audio: PlaybackAudio, generation: Callable[[], int]
    ) -> None:
        """``generation`` returns a number that changes whenever a stream or video may have been deleted."""
        self._streams = streams
        self._videos = videos
        self._audio = audio
        self._generation = generation
        self._cache: OrderedDict[str, tuple[int, float, list[Section]]] = OrderedDict()

    async def manifest(self, link: Link) -> str:
        """Return the HLS playlist. Its URLs are relative to its own. Raises NotFound."""
        sections = await self._sections(link)
        inits = {one.source: f"{_aac(one)}init/{one.source}.mp4" for one in sections}
        segments = [
            Segment(part.start, part.duration, section.source, *_location(link, section, part))
            for section in sections
            for part in section.parts
        ]
        return playlist(segments, sections[0].start, init_url=lambda name: inits[name], segment_url=lambda path: path)

    async def fragment(self, link: Link, place: int, at: int) -> bytes:
        """Return the part of a range (by its position in the link) that starts at ``at`` microseconds. Raises NotFound.

        The times of several ranges are consecutive, because not every player supports discontinuities.
        """
        if link.target.kind != "ranges":
            raise NotFound(NO_PART)
        found = await self._part(link, place, at)
        part = found.part
        try:
            media = await self._source(found.section).storage.read(part.key, part.offset, part.length)
        except (OSError, NotFound):
            raise NotFound(NO_PART) from None
        return await _moved(link, found.section.init, media, found.at)

    async def fragment_with_aac(self, link: Link, place: int, at: int) -> bytes:
        """Return a part with AAC in place of its audio. Raises NotFound."""
        source, begin = await self._audio_source(link, place, at)
        file = await self._audio.segment(source)
        media = b"".join([chunk async for chunk in file.open_range(0, file.size)])
        return await _moved(link, playback_init(source.init), media, begin)

    async def fragment_audio(self, link: Link, place: int, at: int) -> bytes:
        """Return the audio of a part as AAC. Raises NotFound, Unavailable."""
        source, begin = await self._audio_source(link, place, at)
        media = bytearray(await self._audio.audio(source))
        if not _alone(link):
            track = audio_track(source.init)
            async with source.storage.lease([source.segment.key]) as files:
                start = await anyio.to_thread.run_sync(media_start, source.init, source.segment, files.open)
            delay(media, track_runs(media), {track.id: round((begin - start) * track.timescale)})
        return bytes(media)

    async def page(self, link: Link) -> JsonObject:
        """Return everything that the player page needs. Its URLs are relative to the page's. Raises NotFound.

        Its times begin at 0 if there is no common clock, as for ranges of streams or of several videos.
        """
        sections = await self._sections(link)
        one_clock = bool(link.target.video_id) and all(
            before.end <= after.start for before, after in pairwise(sections)
        )
        moved = [0.0] * len(sections) if one_clock else shifts(sections)
        covered = [(one.start + shift, one.end + shift) for one, shift in zip(sections, moved, strict=True)]
        base = f"m/{link.id}"
        return {
            "title": await self.title(link),
            "description": link.target.description,
            "start": covered[0][0] + ROUNDING_S,
            "end": covered[-1][1],
            "stream_url": stream_url("", link.id).lstrip("/"),
            "covered": covered if one_clock else [(covered[0][0], covered[-1][1])],
            "gaps": gaps_between(covered) if one_clock else [],
            "live": False,
            "clock": one_clock,
            "fragments": [
                {
                    "start": part.start + shift,
                    "duration": part.duration,
                    "recording_id": f"{one.source}.{number}",
                    "init_url": f"{base}/init/{one.source}.mp4",
                    "mime": f'video/mp4; codecs="{one.codecs}"',
                    **_urls(base, link, one, part),
                }
                for number, (one, shift) in enumerate(zip(sections, moved, strict=True))
                for part in one.parts
            ],
            "marks": [],
            "download_url": download_url("", link.id).lstrip("/") if _alone(link) else None,
        }

    async def title(self, link: Link) -> str:
        """Return the title of the link, else the name of its first stream or video. Raises NotFound."""
        first = link.target.ranges[0][0]
        return link.target.title or await (self._streams if is_stream(first) else self._videos).name(first)

    async def init_segment(self, link: Link, source: str) -> bytes:
        """Return the init segment of a recording or video of the link. Raises NotFound."""
        found = next((one.init for one in await self._sections(link) if one.source == source), None)
        if found is None:
            raise NotFound("The media file does not exist, or it has been deleted.")
        return found

    async def init_with_aac(self, link: Link, source: str) -> bytes:
        """Return the init segment of a recording or video with AAC in place of its audio. Raises NotFound."""
        return playback_init(await self.init_segment(link, source))

    async def _audio_source(self, link: Link, place: int, at: int) -> tuple[AudioSource, float]:
        """Return a part as it is stored, and its start in seconds on the timeline of the playlist."""
        found = await self._part(link, place, at)
        if not found.section.converted:
            raise NotFound(NO_PART)
        return await self._source(found.section).section_audio(found.section, found.number), found.at

    async def _part(self, link: Link, place: int, at: int) -> PlacedPart:
        for one in placed(await self._sections(link)):
            if one.section.place == place and one.part.micros == at:
                return one
        raise NotFound(NO_PART)

    def _source(self, section: Section) -> RangeSource:
        return self._streams if is_stream(section.owner) else self._videos

    async def _sections(self, link: Link) -> list[Section]:
        """Return the sections of a link. They are cached briefly, because a player asks for each part."""
        if link.target.kind == "picture":
            raise NotFound("This link shows a picture. Open its picture_url instead.")
        generation, now = self._generation(), time.monotonic()
        known = self._cache.get(link.id)
        if known is not None and known[0] == generation and now < known[1]:
            return known[2]
        found: list[Section] = []
        for place, wanted in enumerate(link.target.ranges):
            sections = await (self._streams if is_stream(wanted[0]) else self._videos).sections(wanted)
            found += [replace(one, place=place) for one in sections]
        if not found:
            raise NotFound(NOTHING)
        if link.target.kind == "ranges" and sum(len(one.parts) for one in found) <= MAX_CACHED_PARTS:
            self._cache[link.id] = (generation, now + CACHED_S, found)
            self._cache.move_to_end(link.id)
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return found


async def _moved(link: Link, init: bytes, media: bytes, at: float) -> bytes:
    """Return a part at its place on the timeline, which is that of the recording if there is only one range."""
    if _alone(link):
        return media
    try:
        return await anyio.to_thread.run_sync(retime, init, media, at)
    except ValueError as exc:
        raise NotFound(f"This part of the recording cannot be read: {exc}.") from None


def _alone(link: Link) -> bool:
    return len(link.target.ranges) == 1


def _aac(section: Section) -> str:
    """Return the beginning of the URLs of a section in a playlist."""
    return "aac/" if section.converted else ""


def _location(link: Link, section: Section, part: SectionPart) -> tuple[str, int, int]:
    """Return the URL and the byte range, if any, of a part in the playlist."""
    if link.target.kind == "video" and not section.converted:
        return f"file/{section.source}.mp4", part.offset, part.length
    return f"{_aac(section)}{_fragment(section, part)}", 0, 0


def _urls(base: str, link: Link, section: Section, part: SectionPart) -> Mapping[str, str | int]:
    """Return the URLs, and the byte range if any, at which the player page fetches a part."""
    aac = {}
    if section.converted:
        aac = {
            "aac_init_url": f"{base}/aac/init/{section.source}.mp4",
            "aac_url": f"{base}/audio/{_fragment(section, part)}",
        }
    if link.target.kind == "ranges":
        return {"url": f"{base}/{_fragment(section, part)}", **aac}
    return {"url": f"{base}/file/{section.source}.mp4", "offset": part.offset, "length": part.length, **aac}


def _fragment(section: Section, part: SectionPart) -> str:
    return f"fragment/{section.place}/{part.micros}.m4s"
