"""Serves media to the holder of a playback link, of recordings and of exported videos alike."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.link_limits import DOWNLOAD, PICTURE, LinkLimits
from rtstream.engine.recordings.links import LinkService
from rtstream.engine.recordings.marks import marks_within
from rtstream.engine.recordings.playback_audio import AudioSource, PlaybackAudio
from rtstream.engine.recordings.ranges_media import RangesMedia
from rtstream.engine.recordings.video_media import VideoMedia
from rtstream.engine.recordings.window_media import WindowMedia
from rtstream.errors import NotFound, RTStreamError
from rtstream.json_types import JsonObject
from rtstream.mp4.progressive import ProgressiveFile
from rtstream.rules.text_folding import is_mark
from rtstream.rules.text_safety import clean
from rtstream.storage import Storage, StoredFile
from rtstream.store.database import Database
from rtstream.store.links import Link

WAITING = 8
"""Maximum number of downloads that wait for planning. Their process is separate from the owner's."""

Marks = Callable[[str, float, float], Awaitable[list[JsonObject]]]
"""Returns the marks of [start, end] (Unix seconds) of a stream for the player's timeline, oldest first."""


@dataclass(frozen=True)
class Download:
    """An MP4 file to be saved as ``name``: a stored one, or one that is assembled while it is sent.

    ``size`` is in bytes. ``content`` may be called once; it ends early when a part is removed or the link is revoked.
    """

    name: str
    size: int
    content: Callable[[], AsyncGenerator[bytes]]
    file: StoredFile | None = None


class MediaAccess:
    """Serves the media of a link. In ``media`` and ``videos``, recordings and exported videos are stored.

    Every call takes the id of a link and raises LinkUnknown, LinkEnded, LinkBusy, and NotFound for media that
    is no longer stored.
    """

    def __init__(self, db: Database, links: LinkService, media: Storage, videos: Storage, marks: Marks) -> None:
        self._links = links
        self._marks = marks
        self._media, self._video_files = media, videos
        self._limits = LinkLimits()
        self._extractor = Extractor(1, WAITING)
        self._audio = PlaybackAudio()
        self._windows = WindowMedia(db, media, self._extractor)
        self._videos = VideoMedia(db, videos, self._extractor)
        self._ranges = RangesMedia(self._windows, self._videos, self._audio, links.generation)

    def open(self, link_id: str) -> AbstractContextManager[None]:
        """Return a context in which a request for a link is open. Entering it raises LinkBusy."""
        return self._limits.open(link_id)

    async def link(self, link_id: str) -> Link:
        """Return the link, if it is valid."""
        return await self._links.resolve(link_id)

    async def manifest(self, link_id: str) -> str:
        """Return the HLS playlist."""
        link = await self._spend(link_id, long=True)
        return await self._player(link).manifest(link)

    async def page(self, link_id: str) -> JsonObject:
        """Return everything that the player page shows: fragments, gaps, and alerts and scenes as marks."""
        link = await self._spend(link_id, long=True)
        window = link.target
        if window.kind == "window":
            marks = await self._marks(window.stream_id, window.start, window.end)
            return await self._windows.page(link, marks_within(marks, [(window.start, window.end)]))
        page = await self._ranges.page(link)
        if page["clock"] and (stream_id := await self._videos.stream_of(window.video_id)):
            # No marks between the ranges, because the link does not permit access to those times.
            page["marks"] = marks_within(await self._marks(stream_id, page["start"], page["end"]), page["covered"])
        return page

    async def init_segment(self, link_id: str, name: str) -> bytes:
        """Return the init segment of a recording or of a video, by its id."""
        link = await self._spend(link_id)
        return await self._player(link).init_segment(link, name)

    async def segment(self, link_id: str, recording_id: str, at: float) -> StoredFile:
        """Return the segment of a recording at Unix time ``at``, cut to the window."""
        link = await self._spend(link_id)
        if link.target.kind != "window":
            raise NotFound("This link plays a video.")
        return self._revocable(await self._windows.segment(link, recording_id, at), link)

    async def init_with_aac(self, link_id: str, name: str) -> bytes:
        """Return the init segment of a recording or of a video with AAC in place of audio that browsers do not play."""
        link = await self._spend(link_id)
        return await self._player(link).init_with_aac(link, name)

    async def segment_with_aac(self, link_id: str, recording_id: str, at: float) -> StoredFile:
        """Return the segment of a recording with AAC in place of its audio, or silence if it cannot be converted."""
        link, source = await self._window_source(link_id, recording_id, at)
        return self._revocable(await self._audio.segment(source), link)

    async def segment_audio(self, link_id: str, recording_id: str, at: float) -> bytes:
        """Return the audio of a segment of a recording as AAC. Raises Unavailable if it cannot be converted."""
        return await self._audio.audio((await self._window_source(link_id, recording_id, at))[1])

    async def _window_source(self, link_id: str, recording_id: str, at: float) -> tuple[Link, AudioSource]:
        link = await self._spend(link_id)
        if link.target.kind != "window":
            raise NotFound("This link plays a video.")
        return link, await self._windows.audio_source(link.target, recording_id, at)

    async def file(self, link_id: str, video_id: str) -> StoredFile:
        """Return the file of a whole video."""
        link = await self._spend(link_id)
        if link.target.kind != "video" or link.target.video_id != video_id:
            raise NotFound("The media file does not exist, or it has been deleted.")
        return self._revocable(await self._videos.file(link), link)

    async def fragment(self, link_id: str, place: int, at: int) -> bytes:
        """Return a fragment of ranges, by the position of its range and its start in microseconds."""
        return await self._ranges.fragment(await self._spend(link_id), place, at)

    async def fragment_with_aac(self, link_id: str, place: int, at: int) -> bytes:
        """Return a fragment of ranges with AAC in place of its audio, or silence if it cannot be converted."""
        return await self._ranges.fragment_with_aac(await self._spend(link_id), place, at)

    async def fragment_audio(self, link_id: str, place: int, at: int) -> bytes:
        """Return the audio of a fragment of ranges as AAC. Raises Unavailable if it cannot be converted."""
        return await self._ranges.fragment_audio(await self._spend(link_id), place, at)

    async def picture(self, link_id: str) -> bytes:
        """Return the picture of a stream or a video as JPEG."""
        link = await self._links.resolve(link_id)
        await self._limits.spend(link.id, PICTURE)
        if link.target.kind != "picture":
            raise NotFound("This link plays media. Open its player_url or stream_url instead.")
        return await (self._windows if link.target.stream_id else self._videos).picture(link)

    async def download(self, link_id: str) -> Download:
        """Return the window, the video or the range as a file."""
        link = await self._links.resolve(link_id)
        if link.target.kind == "picture":
            raise NotFound("This link shows a picture. Open its picture_url instead.")
        await self._limits.spend(link.id, 1.0 if link.target.kind == "video" else DOWNLOAD)
        window = link.target.kind == "window"
        name = f"{_file_name(await self._player(link).title(link)) or 'recording'}.mp4"
        if link.target.kind == "video":
            file = self._revocable(await self._videos.file(link), link)
            return Download(name, file.size, lambda: file.open_range(0, file.size), file)
        flat = await (self._windows if window else self._videos).flat(link)
        stored = self._media if window else self._video_files
        return Download(name, flat.size, lambda: self._until_revoked(_content(stored, flat), link))

    async def aclose(self) -> None:
        """End the media processes."""
        await self._extractor.aclose()
        await self._audio.aclose()

    def _player(self, link: Link) -> WindowMedia | RangesMedia:
        return self._windows if link.target.kind == "window" else self._ranges

    async def _spend(self, link_id: str, *, long: bool = False) -> Link:
        """Resolve a link and count the request. Playlists and pages cost more the longer the window or ranges are."""
        link = await self._links.resolve(link_id)
        hours = link.target.seconds / 3600
        await self._limits.spend(link.id, 1.0 + min(60.0, 2 * hours) if long else 1.0)
        return link

    def _revocable(self, file: StoredFile, link: Link) -> StoredFile:
        def open_range(offset: int, length: int) -> AsyncGenerator[bytes]:
            return self._until_revoked(file.open_range(offset, length), link)

        return StoredFile(file.key, file.size, file.modified, open_range)

    async def _until_revoked(self, content: AsyncGenerator[bytes], link: Link) -> AsyncGenerator[bytes]:
        """Yield chunks until the link ends.

        The connection is then aborted, so that the receiver notices that the file is incomplete.
        """
        generation = self._links.generation()
        async with aclosing(content) as chunks:
            async for chunk in chunks:
                if generation != self._links.generation():
                    generation = self._links.generation()
                    try:
                        await self._links.resolve(link.id)
                    except RTStreamError:
                        return
                yield chunk


async def _content(storage: Storage, flat: ProgressiveFile) -> AsyncGenerator[bytes]:
    """Yield the bytes of a planned file. Ends early if a part of it is deleted."""
    yield flat.header
    for stretch in flat.stretches:
        async with aclosing(storage.open_range(stretch.key, stretch.offset, stretch.length)) as chunks:
            async for chunk in chunks:
                yield chunk


def _file_name(title: str) -> str:
    """Return a title as a file name that is valid on every system."""
    # Combining marks, such as the vowel signs of Devanagari, are part of their letter.
    kept = "".join(char if char.isalnum() or is_mark(char) or char in " -_.()" else "_" for char in clean(title, 80))
    return kept.strip(" .")
