"""Playback links, as typed calls: create those of several parts, list and revoke them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtstream.client.transport import Transport
from rtstream.client.validation import as_model, path_id
from rtstream.json_types import JsonObject
from rtstream.models import ClipLinks, LinkPage
from rtstream.rules.link_targets import ClipRange, is_stream


class LinkCalls:
    """The links of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def compile(self, ranges: Sequence[ClipRange], collections: Mapping[str, str] | None = None) -> ClipLinks:
        """Return links that play ranges of streams and videos, one after the other.

        Args:
            ranges: Of videos in seconds of each, of streams in Unix seconds.
            collections: The collections of videos by their ids, which the hosted service needs.
        """
        body: list[JsonObject] = []
        for source, start, end in ranges:
            place: JsonObject = {"rtstream_id": source}
            if not is_stream(source):
                place = {"video_id": source, "collection_id": (collections or {}).get(source, "default")}
            body.append({**place, "shots": [(start, end)]})
        return as_model(ClipLinks, await self._transport.data("POST", "/compile", body=body))

    async def list(
        self, stream_id: str | None = None, video_id: str | None = None, *, limit: int = 100, offset: int = 0
    ) -> LinkPage:
        """Return one page of links (of a stream, or of a video and its parts), newest first."""
        wanted = {"stream_id": stream_id, "video_id": video_id, "limit": limit, "offset": offset}
        params: JsonObject = {key: value for key, value in wanted.items() if value is not None}
        return as_model(LinkPage, await self._transport.data("GET", "/rtstream/links", params=params))

    async def revoke(self, link_id: str) -> None:
        """End one link at once. Raises NotFound."""
        await self._transport.data("DELETE", f"/rtstream/links/{path_id(link_id)}")

    async def revoke_all(self, *, stream_id: str | None = None, video_id: str | None = None) -> int:
        """End all links of a stream or video at once. Returns the number of links that were valid before."""
        wanted = {"stream_id": stream_id, "video_id": video_id}
        params: JsonObject = {key: value for key, value in wanted.items() if value is not None}
        data = await self._transport.data("DELETE", "/rtstream/links", params=params)
        return int(data["revoked"]) if isinstance(data, dict) and "revoked" in data else 0
