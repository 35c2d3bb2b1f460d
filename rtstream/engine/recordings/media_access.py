"""What a playback link gives: pages, playlists, files and downloads, of recordings and of exported videos alike."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from rtstream.engine.recordings.links import LinkRefused, Links
from rtstream.engine.recordings.playback import PlaybackService
from rtstream.engine.recordings.videos import VideoService
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from rtstream.rules.text_safety import clean
from rtstream.storage import StoredFile

Marks = Callable[[str, float, float], Awaitable[list[JsonObject]]]
"""Returns the marks of [start, end] (Unix seconds) of a stream for the player's time line, oldest first."""


@dataclass(frozen=True)
class Download:
    """An MP4 file to be saved as ``name``: a stored one, or one that is assembled while it is sent.

    ``size`` is in bytes. ``content`` may be called once; it ends early when a part is removed meanwhile.
    """

    name: str
    size: int
    content: Callable[[], AsyncGenerator[bytes]]
    file: StoredFile | None = None


class MediaAccess:
    """Serves media to the holder of a valid playback link, the only place that reads its token.

    Every call raises LinkRefused, LinkExpired, and NotFound for what is no longer stored.
    """

    def __init__(self, links: Links, recorded: PlaybackService, videos: VideoService, marks: Marks) -> None:
        self._links = links
        self._recorded = recorded
        self._videos = videos
        self._marks = marks

    async def window_manifest(self, stream_id: str, window: str, token: str) -> str:
        """HLS playlist of a granted window, which the URL has to name as well."""
        grant = self._links.read(token)
        if grant.stream_id != stream_id or window != f"{round(grant.start * 1e6)}-{round(grant.end * 1e6)}":
            raise LinkRefused("This playback link is not valid. Ask for a new one.")
        return await self._recorded.manifest(grant, token)

    async def manifest(self, token: str) -> str:
        """HLS playlist of granted videos."""
        return await self._videos.manifest(self._links.read(token))

    async def init_segment(self, token: str, name: str) -> bytes:
        """A granted initialisation segment: of a run of a stream, or of a video."""
        grant = self._links.read(token)
        if grant.clips:
            return await self._videos.init_segment(grant, name)
        return await self._recorded.init_segment(grant, name)

    async def fragment(self, token: str, number: int) -> bytes:
        """A fragment of granted videos that are played one after the other."""
        return await self._videos.fragment(self._links.read(token), number)

    async def file(self, token: str, path: str) -> StoredFile:
        """A granted media file."""
        grant = self._links.read(token)
        if grant.clips:
            return await self._videos.file(grant, path)
        return await self._recorded.file(grant, path)

    async def page(self, token: str) -> JsonObject:
        """What the player page shows: fragments, gaps, and the alerts and scenes as marks."""
        grant = self._links.read(token)
        if not grant.clips:
            marks = await self._marks(grant.stream_id, grant.start, grant.end)
            return await self._recorded.page(grant, token, marks)
        page = await self._videos.page(grant, token)
        if page["clock"] and (stream_id := await self._videos.stream_of(grant)):
            page["marks"] = await self._marks(stream_id, page["start"], page["end"])
        return page

    async def download(self, token: str) -> Download:
        """The granted window, or the one granted video, as a file."""
        grant = self._links.read(token)
        name = f"{_file_name(grant.title) or 'recording'}.mp4"
        if not grant.clips:
            flat = await self._recorded.flat(grant)
            return Download(name, flat.size, lambda: self._recorded.content(flat))
        if len(grant.clips) > 1:
            raise InvalidRequest("Several parts cannot be downloaded as one file. Export them one by one.")
        video_id = next(iter(grant.clips))[0]
        file = await self._videos.file(grant, f"{video_id}.mp4")
        return Download(name, file.size, lambda: file.open_range(0, file.size), file)


def _file_name(title: str) -> str:
    """A title as a file may be called on any system."""
    kept = "".join(char if char.isalnum() or char in " -_.()" else "_" for char in clean(title, 80))
    return kept.strip(" .")
