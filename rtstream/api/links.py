"""The playback links that exist: list and revoke them."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import base_url
from rtstream.api.envelope import ok, query
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import Slice


class ListLinks(Slice):
    """Query of ``GET rtstream/links``."""

    stream_id: str | None = None
    video_id: str | None = None


class RevokeLinks(BaseModel):
    """Query of ``DELETE rtstream/links``."""

    stream_id: str | None = None
    video_id: str | None = None


async def list_links(request: Request) -> Response:
    """One page of links, newest first."""
    wanted = query(request, ListLinks)
    links = engine_of(request).links
    return ok(await links.list(base_url(request), wanted, stream_id=wanted.stream_id, video_id=wanted.video_id))


async def revoke_link(request: Request) -> Response:
    """End one link at once."""
    await engine_of(request).links.revoke(request.path_params["link_id"])
    return ok({"revoked": 1})


async def revoke_links(request: Request) -> Response:
    """End all links of a stream or a video at once."""
    wanted = query(request, RevokeLinks)
    if (wanted.stream_id is None) == (wanted.video_id is None):
        raise InvalidRequest("Give stream_id or video_id: all its links are revoked.")
    return ok({"revoked": await engine_of(request).links.revoke_all(**wanted.model_dump())})
