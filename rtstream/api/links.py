"""The playback links that exist: list and revoke them."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request

from rtstream.api.base_url import base_url
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import LinkPage, Slice


class ListLinks(Slice):
    """Query of ``GET rtstream/links``."""

    stream_id: str | None = None
    video_id: str | None = None


class RevokeLinks(BaseModel):
    """Query of ``DELETE rtstream/links``."""

    stream_id: str | None = None
    video_id: str | None = None


class RevokedData(BaseModel):
    """Number of links that were revoked."""

    revoked: int


async def list_links(request: Request, query: ListLinks) -> LinkPage:
    """List a page of links, newest first."""
    links = engine_of(request).links
    return await links.list(base_url(request), query, stream_id=query.stream_id, video_id=query.video_id)


async def revoke_link(request: Request) -> RevokedData:
    """Revoke one link at once."""
    await engine_of(request).links.revoke(request.path_params["link_id"])
    return RevokedData(revoked=1)


async def revoke_links(request: Request, query: RevokeLinks) -> RevokedData:
    """Revoke all links of a stream or a video at once."""
    if (query.stream_id is None) == (query.video_id is None):
        raise InvalidRequest("Send stream_id or video_id. All its links are revoked.")
    return RevokedData(revoked=await engine_of(request).links.revoke_all(**query.model_dump()))
