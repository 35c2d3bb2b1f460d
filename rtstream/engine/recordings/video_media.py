"""Reads exported videos: their files, their pictures, and the sections that ranges of them show."""

from __future__ import annotations

import json
from collections import OrderedDict

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.playback_audio import AudioSource
from rtstream.engine.recordings.sections import Section, SectionPart
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.export import INDEX_FILE, VIDEO_FILE
from rtstream.extract.frames import frame_at
from rtstream.json_types import JsonObject
from rtstream.mp4.progressive import Fragment, Part, ProgressiveFile, plan
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.link_targets import ClipRange
from rtstream.storage import Storage, StoredFile, joined
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.links import Link

INDEXES_CACHED = 16
GONE = "The video was deleted, or its file is missing."
AROUND = 2
"""Fragments before and after one, for audio that is stored up to a second from the pictures of its time."""
NO_PART = "The video has no such part."
PICTURE_SIDE = 1280
"""Longest side of a picture in pixels."""


class VideoMedia:
    """Reads videos for link holders, who share ``extractor``. In ``storage``, a video's folder holds file and index."""

    def __init__(self, db: Database, storage: Storage, extractor: Extractor) -> None:
        self._db = db
        self._storage = storage
        self._extractor = extractor
        self._indexes: OrderedDict[str, JsonObject] = OrderedDict()

    @property
    def storage(self) -> Storage:
        """The storage of the files."""
        return self._storage

    async def sections(self, wanted: ClipRange) -> list[Section]:
        """Return the sections of a range (seconds of the video). Raises NotFound."""
        index = await self._index(wanted[0])
        return _cut(wanted, await self._init(wanted[0], index), index)

    async def section_audio(self, section: Section, number: int) -> AudioSource:
        """Return a part of a section, with the footage around it."""
        stored = [part.stored() for part in section.parts]
        return AudioSource(
            storage=self._storage,
            id=section.source,
            init=section.init,
            codecs=section.codecs,
            segment=stored[number],
            duration=section.parts[number].duration,
            around=stored[max(0, number - AROUND) : number + AROUND + 1],
            following=stored[number + 1] if number + 1 < len(stored) else None,
            begins=number == 0,
            ends=number == len(stored) - 1,
        )

    async def name(self, source_id: str) -> str:
        """Return the name of a video. Raises NotFound."""
        return (await self._db.read(rows.get, source_id)).name

    async def stream_of(self, video_id: str) -> str:
        """Return the id of the stream of a video, or an empty string if there is none. Raises NotFound."""
        return (await self._db.read(rows.get, video_id)).stream_id or ""

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
        shown = await self.sections(link.target.ranges[0])
        if not shown:
            raise NotFound("This part of the video is empty.")
        recordings = [StoredRecording(one.init, [part.stored() for part in one.parts]) for one in shown]
        async with self._storage.lease([joined(link.target.video_id, VIDEO_FILE)]) as files:
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
        init = await self._init(video_id, index)
        async with self._storage.lease([key]) as files:
            return (await self._extractor.run(frame_at, files, init, [piece], time, PICTURE_SIDE)).jpeg

    async def _init(self, video_id: str, index: JsonObject) -> bytes:
        try:
            return await self._storage.read(joined(video_id, VIDEO_FILE), *index["init"])
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


def _cut(wanted: ClipRange, init: bytes, index: JsonObject) -> list[Section]:
    """Return the section of each part of a video that a range shows."""
    video_id, start, end = wanted
    key = joined(video_id, VIDEO_FILE)
    found: list[Section] = []
    for number, values in enumerate(index["parts"]):
        part = Part(*values)
        # Convert seconds of the video to Unix seconds.
        first, last = max(part.start, part.start + start - part.at), min(part.end, part.start + end - part.at)
        parts = [
            SectionPart(one.start, one.duration, key, one.offset, one.length)
            for one in (Fragment(*row) for row in index["fragments"])
            if one.part == number and one.start + one.duration > first and one.start < last
        ]
        if last > first and parts:
            found.append(Section(video_id, video_id, init, index["codecs"], first, last, parts))
    return found
