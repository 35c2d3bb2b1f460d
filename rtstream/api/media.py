"""Playlists, media files and the player page. The signed token in the address is the permission."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from rtstream.api.envelope import envelope
from rtstream.api.routing import engine_of
from rtstream.errors import NotFound
from rtstream.mp4.progressive import Flat

STATIC = Path(__file__).parent / "static"
PLAYLIST = "application/vnd.apple.mpegurl"
TYPES = {".mp4": "video/mp4", ".m4s": "video/mp4", ".m4a": "audio/mp4", ".m3u8": PLAYLIST, ".jpg": "image/jpeg"}
CHUNK = 64 * 1024

PAGE_HEADERS = {
    # The title comes from the link: whatever it holds, only our own files run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'"
    ),
    # The address holds the token: it must not travel on to other sites.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


async def manifest(request: Request) -> Response:
    """The playlist of a time range."""
    params = request.path_params
    text = await engine_of(request).manifest(
        params["stream_id"], params["window"], request.query_params.get("token", "")
    )
    return Response(text, media_type=PLAYLIST, headers={"cache-control": "no-cache"})


async def init_segment(request: Request) -> Response:
    """The initialisation segment of one continuous run."""
    found = await engine_of(request).init_segment(request.path_params["token"], request.path_params["recording_id"])
    return Response(found, media_type="video/mp4", headers={"cache-control": "private, max-age=86400"})


async def video_manifest(request: Request) -> Response:
    """The playlist of exported videos, or of parts of them."""
    text = await engine_of(request).played.manifest(request.path_params["token"])
    return Response(text, media_type=PLAYLIST, headers={"cache-control": "no-cache"})


async def clip_fragment(request: Request) -> Response:
    """One fragment of videos that are played one after the other."""
    found = await engine_of(request).played.fragment(request.path_params["token"], request.path_params["number"])
    return Response(found, media_type="video/mp4", headers={"cache-control": "private, max-age=86400"})


async def download(request: Request) -> Response:
    """A recorded window, or an exported video, as an MP4 file to be saved."""
    found = await engine_of(request).played.download(request.path_params["token"])
    if found.path is not None:
        if not await anyio.Path(found.path).is_file():
            raise NotFound("This video was deleted, or its file is missing.")
        return FileResponse(found.path, media_type="video/mp4", filename=found.name)
    assert found.flat is not None
    headers = {
        "content-length": str(found.flat.size),
        "content-disposition": f"attachment; filename*=utf-8''{quote(found.name)}",
        "cache-control": "no-store",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="video/mp4")
    return StreamingResponse(_put_together(found.flat), media_type="video/mp4", headers=headers)


async def _put_together(flat: Flat) -> AsyncIterator[bytes]:
    yield flat.header
    for stretch in flat.stretches:
        # A file may have been removed meanwhile: the connection then ends early, and the receiver sees it.
        async with await anyio.open_file(stretch.path, "rb") as source:
            await source.seek(stretch.offset)
            left = stretch.length
            while left > 0 and (chunk := await source.read(min(4 * CHUNK, left))):
                left -= len(chunk)
                yield chunk


async def segment(request: Request) -> Response:
    """A media file, whole or the ranges asked for."""
    found = await engine_of(request).media_file(request.path_params["token"], request.path_params["path"])
    return await file_response(request, found)


async def file_response(request: Request, file: Path) -> Response:
    """A file with ranges. Raises NotFound when it has gone (recordings are removed when they are too old)."""
    try:
        found = await anyio.to_thread.run_sync(os.stat, file)
    except OSError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise NotFound("This part of the recording is no longer kept.")
    media_type = TYPES.get(file.suffix, "application/octet-stream")
    if "range" in request.headers or request.method == "HEAD":
        return FileResponse(file, media_type=media_type, stat_result=found)
    # A file may still be growing: send what there was when the length was announced, not more.
    headers = {"content-length": str(found.st_size), "accept-ranges": "bytes"}
    return StreamingResponse(_beginning(file, found.st_size), media_type=media_type, headers=headers)


async def _beginning(file: Path, size: int) -> AsyncIterator[bytes]:
    async with await anyio.open_file(file, "rb") as source:
        while size > 0 and (chunk := await source.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk


async def player(_request: Request) -> Response:
    """The page that plays a link; embedded and full it is the same page."""
    page = STATIC / "player.html"
    if not page.is_file():
        raise NotFound("The player page is not part of this installation. Open the stream_url in a player instead.")
    return FileResponse(page, media_type="text/html", headers=PAGE_HEADERS)


async def playback_data(request: Request) -> Response:
    """What the player page needs to know about its link."""
    data = await engine_of(request).playback_data(request.query_params.get("v", ""))
    return await anyio.to_thread.run_sync(envelope, data)  # a day is 10 MB
