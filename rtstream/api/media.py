"""Playlists, media files and the player page, served to any client that presents the id of a valid link."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path, PurePosixPath
from typing import Annotated, NoReturn
from urllib.parse import quote

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from rtstream.api.envelope import envelope
from rtstream.api.operations import Html, Jpeg, JsonBody, MediaTypes
from rtstream.api.routing import engine_of
from rtstream.engine.recordings import older_version
from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.rules.byte_ranges import Unsatisfiable, requested
from rtstream.storage import StoredFile

LATEST_US = 10**17
"""Latest start of a segment, in microseconds. A larger number would overflow a float."""
CACHED = {"cache-control": "private, max-age=86400"}
STATIC = Path(__file__).parent / "static"
PLAYLIST = "application/vnd.apple.mpegurl"
TYPES = {".mp4": "video/mp4", ".m4s": "video/mp4", ".m4a": "audio/mp4", ".m3u8": PLAYLIST, ".jpg": "image/jpeg"}

Mp4 = Annotated[Response, MediaTypes(("video/mp4",), ranges=True)]
"""A file or a part of one."""
AudioFragment = Annotated[Response, MediaTypes(("audio/mp4",))]

PAGE_HEADERS = {
    # The title comes from the link. Whatever it contains, only files of the engine run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'"
    ),
    # The URL contains the id of the link, which must not be passed on to other sites.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


class OfLink(BaseModel):
    """Query of the pages of a link."""

    v: str = Field(description="The id of the link.")


async def manifest(request: Request) -> Annotated[Response, MediaTypes((PLAYLIST,))]:
    """Serve the HLS playlist of a link."""
    text = await engine_of(request).media.manifest(request.path_params["link_id"])
    return Response(text, media_type=PLAYLIST, headers={"cache-control": "no-cache"})


async def init_segment(request: Request) -> Mp4:
    """Serve the init segment of a recording or video."""
    params = request.path_params
    found = await engine_of(request).media.init_segment(params["link_id"], params["name"])
    return Response(found, media_type="video/mp4", headers=CACHED)


async def segment(request: Request) -> Mp4:
    """Serve a segment of a recording, cut to the window; ``at`` is its start in microseconds."""
    params = request.path_params
    found = await engine_of(request).media.segment(
        params["link_id"], params["recording_id"], min(params["at"], LATEST_US) / 1e6
    )
    return file_response(request, found)


async def init_with_aac(request: Request) -> Mp4:
    """Serve an init segment with AAC in place of audio that browsers do not play."""
    params = request.path_params
    found = await engine_of(request).media.init_with_aac(params["link_id"], params["name"])
    return Response(found, media_type="video/mp4", headers=CACHED)


async def segment_with_aac(request: Request) -> Mp4:
    """Serve a segment of a recording as ``segment`` does, with AAC in place of audio that browsers do not play."""
    params = request.path_params
    found = await engine_of(request).media.segment_with_aac(
        params["link_id"], params["recording_id"], min(params["at"], LATEST_US) / 1e6
    )
    return file_response(request, found)


async def segment_audio(request: Request) -> AudioFragment:
    """Serve the audio of a segment alone, as AAC."""
    params = request.path_params
    found = await engine_of(request).media.segment_audio(
        params["link_id"], params["recording_id"], min(params["at"], LATEST_US) / 1e6
    )
    return Response(found, media_type="audio/mp4", headers=CACHED)


async def fragment(request: Request) -> Mp4:
    """Serve one fragment of ranges, by the position of its range and its start in microseconds."""
    params = request.path_params
    found = await engine_of(request).media.fragment(params["link_id"], params["place"], params["at"])
    return Response(found, media_type="video/mp4", headers=CACHED)


async def fragment_with_aac(request: Request) -> Mp4:
    """Serve one fragment of ranges with AAC in place of audio that browsers do not play."""
    params = request.path_params
    found = await engine_of(request).media.fragment_with_aac(params["link_id"], params["place"], params["at"])
    return Response(found, media_type="video/mp4")  # not cached, because it is silent if it could not be converted


async def fragment_audio(request: Request) -> AudioFragment:
    """Serve the audio of one fragment of ranges alone, as AAC."""
    params = request.path_params
    found = await engine_of(request).media.fragment_audio(params["link_id"], params["place"], params["at"])
    return Response(found, media_type="audio/mp4", headers=CACHED)


async def picture(request: Request) -> Jpeg:
    """Serve the picture of a stream or a video."""
    jpeg = await engine_of(request).media.picture(request.path_params["link_id"])
    return Response(jpeg, media_type="image/jpeg", headers=CACHED)


async def video_file(request: Request) -> Mp4:
    """Serve the file of a whole video, for its playlist."""
    params = request.path_params
    return file_response(request, await engine_of(request).media.file(params["link_id"], params["video_id"]))


async def older(_request: Request) -> NoReturn:
    """Refuse the URLs of links that an older version created."""
    raise older_version()


async def download(request: Request) -> Mp4:
    """Serve a recorded window or an exported video as an MP4 file for download."""
    found = await engine_of(request).media.download(request.path_params["link_id"])
    saved_as = {"content-disposition": f"attachment; filename*=utf-8''{quote(found.name)}"}
    if found.file is not None:
        return file_response(request, found.file, saved_as)
    headers = {"content-length": str(found.size), "cache-control": "no-store", **saved_as}
    if request.method == "HEAD":
        return Response(headers=headers, media_type="video/mp4")
    return StreamingResponse(found.content(), media_type="video/mp4", headers=headers)


def file_response(request: Request, file: StoredFile, headers: Mapping[str, str] | None = None) -> Response:
    """Serve a stored file or the requested byte range.

    A file may still grow. It is sent with the length that it had when the request arrived.
    """
    media_type = TYPES.get(PurePosixPath(file.key).suffix, "application/octet-stream")
    tag = f'"{file.size:x}-{int(file.modified * 1e6):x}"'
    modified = formatdate(file.modified, usegmt=True)
    common = {"accept-ranges": "bytes", "etag": tag, "last-modified": modified, **(headers or {})}
    begin, end, status = 0, file.size, 200
    if "range" in request.headers and request.headers.get("if-range", tag) in (tag, modified):
        try:
            asked = requested(request.headers["range"], file.size)
        except Unsatisfiable:
            return Response(status_code=416, headers={**common, "content-range": f"bytes */{file.size}"})
        if asked is not None:
            (begin, end), status = asked, 206
            common["content-range"] = f"bytes {begin}-{end - 1}/{file.size}"
    common["content-length"] = str(end - begin)
    if request.method == "HEAD":
        return Response(status_code=status, media_type=media_type, headers=common)
    return StreamingResponse(file.open_range(begin, end - begin), status, common, media_type)


async def player(_request: Request, query: OfLink) -> Html:
    """Serve the page that plays a link, both as a full and as an embedded page."""
    page = STATIC / "player.html"
    if not page.is_file():
        raise NotFound("The player page is not part of this installation. Open the stream_url in a player instead.")
    return FileResponse(page, media_type="text/html", headers=PAGE_HEADERS)


async def playback_data(request: Request, query: OfLink) -> Annotated[Response, JsonBody(JsonObject)]:
    """Get the data of the player page about its link."""
    data = await engine_of(request).media.page(query.v)
    return await anyio.to_thread.run_sync(envelope, data)  # a day is 10 MB
