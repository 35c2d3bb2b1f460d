"""Typed calls for scene indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtstream.client.transport import Transport
from rtstream.client.validation import as_changed, as_model, body_of, path_id
from rtstream.models import BackfillForecast, CreateIndex, ForecastRequest, Scene, SceneIndex


@dataclass(frozen=True)
class ScenePage:
    """A page of scenes, newest first."""

    scenes: Sequence[Scene]
    next_page: bool


class IndexCalls:
    """The scene indexes of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, stream_id: str, request: CreateIndex, *, key: str | None = None) -> SceneIndex:
        """Create an index, which starts at once. With an idempotency ``key``, a repeated call returns the first one."""
        # The published API requires these keys, with null for missing values.
        always = {"extraction_config": None, "prompt": None, "model_name": None, "model_config": {}, "name": None}
        path = f"/rtstream/{path_id(stream_id)}/index/scene"
        response = await self._transport.envelope("POST", path, body=always | body_of(request), key=key)
        known = {"rtstream_id": stream_id}
        return as_model(SceneIndex, {**known, **(response.get("data") or {})}).marked(response.get("repeated"))

    async def forecast(self, stream_id: str, request: ForecastRequest) -> BackfillForecast:
        """Return the expected work of an analysis of the past, and its cost, without starting it."""
        path = f"/rtstream/{path_id(stream_id)}/backfill/forecast"
        return as_model(BackfillForecast, await self._transport.data("POST", path, body=body_of(request)))

    async def list(self, stream_id: str) -> list[SceneIndex]:
        """Return all indexes of a stream."""
        data = await self._transport.data("GET", f"/rtstream/{path_id(stream_id)}/index/scene")
        rows = [{"rtstream_id": stream_id, **row} for row in (data or {}).get("scene_indexes") or []]
        return [as_model(SceneIndex, row) for row in rows]

    async def get(self, stream_id: str, index_id: str) -> SceneIndex:
        """Return an index."""
        data = await self._transport.data("GET", f"/rtstream/{path_id(stream_id)}/index/{path_id(index_id)}")
        return as_model(SceneIndex, {"rtstream_id": stream_id, **(data or {})})

    async def update(self, stream_id: str, index_id: str, *, prompt: str) -> SceneIndex:
        """Change the prompt of an index."""
        path = f"/rtstream/{path_id(stream_id)}/index/scene/{path_id(index_id)}"
        data = await self._transport.data("PATCH", path, body={"prompt": prompt})
        return as_changed(SceneIndex, data, "windows_done") or await self.get(stream_id, index_id)

    async def start(self, stream_id: str, index_id: str) -> SceneIndex:
        """Start an index. Does nothing if it is running."""
        return await self._set_status(stream_id, index_id, "start")

    async def stop(self, stream_id: str, index_id: str) -> SceneIndex:
        """Stop an index. Its scenes remain."""
        return await self._set_status(stream_id, index_id, "stop")

    async def delete(self, stream_id: str, index_id: str) -> None:
        """Delete an index with its scenes and alerts."""
        await self._transport.data("DELETE", f"/rtstream/{path_id(stream_id)}/index/scene/{path_id(index_id)}")

    async def _set_status(self, stream_id: str, index_id: str, action: str) -> SceneIndex:
        path = f"/rtstream/{path_id(stream_id)}/index/scene/{path_id(index_id)}/status"
        data = await self._transport.data("PATCH", path, body={"action": action})
        return as_changed(SceneIndex, data, "windows_done") or await self.get(stream_id, index_id)

    async def list_scenes(
        self,
        stream_id: str,
        index_id: str,
        *,
        start: float | None = None,
        end: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> ScenePage:
        """Return one page of scenes, newest first.

        Args:
            stream_id: The stream.
            index_id: The index.
            start: Return only scenes after this Unix time.
            end: Return only scenes before this Unix time.
            page: Number of the page, from 1.
            page_size: Scenes per page.
        """
        params = {"page": page, "page_size": page_size, "start": start, "end": end}
        data = await self._transport.data(
            "GET", f"/rtstream/{path_id(stream_id)}/index/scene/{path_id(index_id)}", params=params
        )
        rows = []
        for row in (data or {}).get("scene_index_records") or []:
            text = row.get("text") or row.get("description") or ""
            rows.append(as_model(Scene, {**row, "text": text, "description": text}))
        return ScenePage(rows, bool((data or {}).get("next_page")))
