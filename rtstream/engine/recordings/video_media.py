"""Serves exported videos to the holder of a link, whole or limited to the ranges of the link."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import anyio.to_thread

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.links import download_url, stream_url
from rtstream.engine.recordings.playback_audio import AudioSource, PlaybackAudio, is_converted, playback_init
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.export import INDEX_FILE, VIDEO_FILE
from rtstream.extract.frames import frame_at
from rtstream.json_types import JsonObject
from rtstream.mp4.aac_track import audio_track, media_start
from rtstream.mp4.fragments import delay, track_runs
from rtstream.mp4.progressive import Fragment, Part, ProgressiveFile, plan, retime
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.link_targets import VideoRange
from rtstream.rules.playback_audio import unplayable_audio
from rtstream.rules.playlist import Segment, gaps_between, playlist
from rtstream.storage import Storage, StoredFile, joined
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.links import Link

INDEXES_CACHED = 16
FIRST_AT_S = 10.0
"""Start of the timeline of ranges in seconds, because audio may begin a little before the first picture."""
ROUNDING_S = 0.001
"""A video begins with a picture. In some browsers, seeking to exactly that time shows the preceding picture."""
GONE = "The video was deleted, or its file is missing."
AROUND = 2
"""Fragments before and after one, for audio that is stored up to a second from the pictures of its time."""
NO_PART = "The video has no such part."
PICTURE_SIDE = 1280
"""Longest side of a picture in pixels."""


@dataclass(frozen=True)
class _Shown:
    """Fragments of one part of a video, of which [start, end] (Unix seconds) is shown."""

    video_id: str
    codecs: str
    start: float
    end: float
    fragments: Sequence[Fragment]


class VideoMedia:
    """Reads videos for link holders, who share ``extractor``. In ``storage``, a video's folder holds file and index.

    A link to a whole video serves its file. A link to ranges serves single fragments, by their number.
    """

    def __init__(self, db: Database, storage: Storage, extractor: Extractor, audio: PlaybackAudio) -> None:
        self._db = db
        self._storage = storage
        self._extractor = extractor
        self._audio = audio
        self._indexes: OrderedDict[str, JsonObject] = OrderedDict()

    async def manifest(self, link: Link) -> str:
        """Return the HLS playlist. Its URLs are relative to its own. Raises NotFound."""
        shown = await self._shown(link)
        converted = await self._converted(link, shown)
        segments = [
            Segment(f.start, f.duration, one.video_id, f"file/{one.video_id}.mp4", f.offset, f.length)
            if link.target.kind == "video" and one.video_id not in converted
            else Segment(f.start, f.duration, one.video_id, f"{_aac(one, converted)}fragment/{number}.m4s", 0, 0)
            for number, (one, f, _) in enumerate(_numbered(shown))
        ]
        prefixes = {one.video_id: _aac(one, converted) for one in shown}
        return playlist(
            segments,
            shown[0].start,
            init_url=lambda name: f"{prefixes[name]}init/{name}.mp4",
            segment_url=lambda path: path,
        )

    async def fragment(self, link: Link, number: int) -> bytes:
        """Return one fragment of the ranges of a link. Raises NotFound.

        The times of several ranges are consecutive, because not every player supports discontinuities.
        """
        if link.target.kind != "ranges":
            raise NotFound(NO_PART)
        pieces = _numbered(await self._shown(link))
        if not 0 <= number < len(pieces):
            raise NotFound(NO_PART)
        one, fragment, at = pieces[number]
        media = await self._read(one.video_id, fragment.offset, fragment.length)
        if len(link.target.ranges) == 1:
            return media
        init = await self.init_segment(link, one.video_id)
        return await anyio.to_thread.run_sync(retime, init, media, at)

    async def fragment_with_aac(self, link: Link, number: int) -> bytes:
        """Return a fragment with AAC in place of its audio. Raises NotFound."""
        source, at = await self._audio_source(link, number)
        file = await self._audio.segment(source)
        media = b"".join([chunk async for chunk in file.open_range(0, file.size)])
        if len(link.target.ranges) == 1:
            return media
        return await anyio.to_thread.run_sync(retime, playback_init(source.init), media, at)

    async def fragment_audio(self, link: Link, number: int) -> bytes:
        """Return the audio of a fragment as AAC. Raises NotFound, Unavailable."""
        source, at = await self._audio_source(link, number)
        media = bytearray(await self._audio.audio(source))
        if len(link.target.ranges) > 1:
            track = audio_track(source.init)
            async with self._storage.lease([source.segment.key]) as files:
                start = await anyio.to_thread.run_sync(media_start, source.init, source.segment, files.open)
            delay(media, track_runs(media), {track.id: round((at - start) * track.timescale)})
        return bytes(media)

    async def _audio_source(self, link: Link, number: int) -> tuple[AudioSource, float]:
        """Return a fragment as it is stored, and its start in seconds on the time line of the playlist."""
        shown = await self._shown(link)
        pieces = _numbered(shown)
        if not 0 <= number < len(pieces):
            raise NotFound(NO_PART)
        one, fragment, at = pieces[number]
        if one.video_id not in await self._converted(link, shown):
            raise NotFound(NO_PART)
        key = joined(one.video_id, VIDEO_FILE)
        stored = [StoredSegment(key, f.offset, f.length, f.start) for f in one.fragments]
        own = next(n for n, other in enumerate(one.fragments) if other is fragment)
        source = AudioSource(
            storage=self._storage,
            id=one.video_id,
            init=await self.init_segment(link, one.video_id),
            codecs=one.codecs,
            segment=stored[own],
            duration=fragment.duration,
            around=stored[max(0, own - AROUND) : own + AROUND + 1],
            following=stored[own + 1] if own + 1 < len(stored) else None,
            begins=own == 0,
            ends=own == len(stored) - 1,
        )
        return source, at

    async def _converted(self, link: Link, shown: Sequence[_Shown]) -> set[str]:
        """Return the ids of the videos whose audio is converted for playback."""
        codecs = {one.video_id: one.codecs for one in shown if unplayable_audio(one.codecs)}
        return {
            video_id for video_id, own in codecs.items() if is_converted(await self.init_segment(link, video_id), own)
        }

    async def page(self, link: Link) -> JsonObject:
        """Return everything that the player page needs. Its URLs are relative to the page's. Raises NotFound.

        Its times begin at 0 if there is no common clock, as for ranges of several videos.
        """
        shown = await self._shown(link)
        one_clock = len({one.video_id for one in shown}) == 1 and all(
            before.end <= after.start for before, after in pairwise(shown)
        )
        shifts = [0.0] * len(shown) if one_clock else _end_to_end(shown)
        covered = [(one.start + shift, one.end + shift) for one, shift in zip(shown, shifts, strict=True)]
        base, alone = f"m/{link.id}", len(link.target.ranges) == 1
        numbers = iter(range(sum(len(one.fragments) for one in shown)))
        converted = await self._converted(link, shown)
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
                    "start": f.start + shift,
                    "duration": f.duration,
                    "recording_id": f"{one.video_id}.{part}",
                    "init_url": f"{base}/init/{one.video_id}.mp4",
                    "mime": f'video/mp4; codecs="{one.codecs}"',
                    **_place(base, link, one, f, next(numbers), converted),
                }
                for part, (one, shift) in enumerate(zip(shown, shifts, strict=True))
                for f in one.fragments
            ],
            "marks": [],
            "download_url": download_url("", link.id).lstrip("/") if alone else None,
        }

    async def title(self, link: Link) -> str:
        """Return the title of the link, else the name of its first video. Raises NotFound."""
        return link.target.title or (await self._db.read(rows.get, link.target.ranges[0][0])).name

    async def stream_of(self, link: Link) -> str:
        """Return the id of the stream of all videos, or an empty string if there are several. Raises NotFound."""
        ids = {video_id for video_id, _, _ in link.target.ranges}
        found = {(await self._db.read(rows.get, video_id)).stream_id for video_id in ids}
        return found.pop() or "" if len(found) == 1 else ""

    async def init_segment(self, link: Link, video_id: str) -> bytes:
        """Return the init segment of a video of the link. Raises NotFound."""
        if link.target.kind == "picture" or video_id not in {name for name, _, _ in link.target.ranges}:
            raise NotFound("The media file does not exist, or it has been deleted.")
        return await self._read(video_id, *(await self._index(video_id))["init"])

    async def init_with_aac(self, link: Link, video_id: str) -> bytes:
        """Return the init segment of a video of the link with AAC in place of its audio. Raises NotFound."""
        return playback_init(await self.init_segment(link, video_id))

    async def file(self, link: Link) -> StoredFile:
        """Return the file of the whole video of a link. Raises NotFound."""
        try:
            return await self._storage.get(joined(link.target.video_id, VIDEO_FILE))
        except NotFound:
            raise NotFound(GONE) from None

    async def flat(self, link: Link) -> ProgressiveFile:
        """Plan one range of a video as an MP4 file. Raises InvalidRequest for several ranges, NotFound."""
        if len(link.target.ranges) != 1:
            raise InvalidRequest("Several parts cannot be downloaded as one file. Export them one by one.")
        shown = await self._shown(link)
        video_id = link.target.video_id
        init, key = await self.init_segment(link, video_id), joined(video_id, VIDEO_FILE)
        recordings = [
            StoredRecording(init, [StoredSegment(key, f.offset, f.length, f.start) for f in one.fragments])
            for one in shown
        ]
        async with self._storage.lease([key]) as files:
            return await self._extractor.run(plan, recordings, shown[0].start, shown[-1].end, files.open)

    async def picture(self, link: Link) -> bytes:
        """Return the picture of a link as JPEG. Raises NotFound, Unavailable."""
        ((video_id, at, _),) = link.target.ranges
        index = await self._index(video_id)
        part = next((part for part in (Part(*row) for row in reversed(index["parts"])) if part.at <= at), None)
        found = [Fragment(*row) for row in index["fragments"]]
        if part is None or not found:
            raise NotFound(NO_PART)
        time = min(part.start + at - part.at, part.end)
        shown = next((f for f in reversed(found) if f.start <= time), found[0])
        key = joined(video_id, VIDEO_FILE)
        piece = StoredSegment(key, shown.offset, shown.length, shown.start)
        init = await self._read(video_id, *index["init"])
        async with self._storage.lease([key]) as files:
            return (await self._extractor.run(frame_at, files, init, [piece], time, PICTURE_SIDE)).jpeg

    async def _read(self, video_id: str, offset: int, length: int) -> bytes:
        try:
            return await self._storage.read(joined(video_id, VIDEO_FILE), offset, length)
        except (OSError, NotFound):
            raise NotFound(GONE) from None

    async def _index(self, video_id: str) -> JsonObject:
        await self._db.read(rows.get, video_id)  # NotFound once it is deleted
        found = self._indexes.get(video_id)
        if found is None:
            try:
                found = json.loads(await self._storage.read(joined(video_id, INDEX_FILE)))
            except (OSError, NotFound):
                raise NotFound(GONE) from None
            self._indexes[video_id] = found
            if len(self._indexes) > INDEXES_CACHED:
                self._indexes.popitem(last=False)
        return found

    async def _shown(self, link: Link) -> list[_Shown]:
        found = [one for part in link.target.ranges for one in _cut(part, await self._index(part[0]))]
        if not found:
            raise NotFound("These parts of the video are empty.")
        return found


def _place(
    base: str, link: Link, one: _Shown, fragment: Fragment, number: int, converted: Collection[str]
) -> JsonObject:
    """Return the URLs, and the byte range if any, at which the player page fetches a fragment."""
    aac = {}
    if one.video_id in converted:
        aac = {
            "aac_init_url": f"{base}/aac/init/{one.video_id}.mp4",
            "aac_url": f"{base}/audio/fragment/{number}.m4s",
        }
    if link.target.kind == "ranges":
        return {"url": f"{base}/fragment/{number}.m4s", **aac}
    return {"url": f"{base}/file/{one.video_id}.mp4", "offset": fragment.offset, "length": fragment.length, **aac}


def _aac(one: _Shown, converted: Collection[str]) -> str:
    """Return the beginning of the URLs of a video in a playlist."""
    return "aac/" if one.video_id in converted else ""


def _cut(wanted: VideoRange, index: JsonObject) -> list[_Shown]:
    """Return the section of each part of a video that a range shows."""
    video_id, start, end = wanted
    found: list[_Shown] = []
    for number, values in enumerate(index["parts"]):
        part = Part(*values)
        # Convert seconds of the video to Unix seconds.
        first, last = max(part.start, part.start + start - part.at), min(part.end, part.start + end - part.at)
        fragments = [
            fragment
            for fragment in (Fragment(*row) for row in index["fragments"])
            if fragment.part == number and fragment.start + fragment.duration > first and fragment.start < last
        ]
        if last > first and fragments:
            found.append(_Shown(video_id, index["codecs"], first, last, fragments))
    return found


def _numbered(shown: Sequence[_Shown]) -> list[tuple[_Shown, Fragment, float]]:
    """Return all fragments in the order of playback, with the start of each in seconds."""
    found: list[tuple[_Shown, Fragment, float]] = []
    at = FIRST_AT_S
    for one in shown:
        for fragment in one.fragments:
            found.append((one, fragment, at))
            at += fragment.duration
    return found


def _end_to_end(shown: Sequence[_Shown]) -> list[float]:
    """Return the seconds by which the times of each range are shifted, so that the ranges are consecutive."""
    shifts: list[float] = []
    at = shown[0].fragments[0].start - shown[0].start
    for one in shown:
        shifts.append(at - one.fragments[0].start)
        at = one.fragments[-1].start + one.fragments[-1].duration + shifts[-1]
    return shifts
