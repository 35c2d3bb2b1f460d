"""The engine as one object: everything the API offers, as typed calls. The rooms behind it do the work."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.engine.journal import Journal
from rtstream.models import (
    Alert,
    Collection,
    ConnectStream,
    CreateAlert,
    CreateEvent,
    CreateIndex,
    EngineInfo,
    Event,
    Playback,
    Scene,
    SceneIndex,
    Stream,
)
from rtstream.perception.protocols import Picture
from rtstream.store.database import Database


class Engine:
    """``async with Engine(config) as engine:`` runs it. Every call raises ``rtstream.errors.RTStreamError``."""

    config: EngineConfig
    api_key: str
    base_url: str  # of playback links; set before serving
    db: Database
    journal: Journal

    async def info(self) -> EngineInfo: ...

    # collections; "default" is an alias that always resolves
    async def get_collection(self, collection_id: str) -> Collection: ...
    async def list_collections(self) -> list[Collection]: ...
    async def create_collection(self, name: str, description: str, is_public: bool) -> Collection: ...
    async def update_collection(
        self, collection_id: str, *, name: str | None = None, description: str | None = None, is_public: bool | None = None
    ) -> Collection: ...

    # streams
    async def connect_stream(self, request: ConnectStream) -> Stream: ...
    async def get_stream(self, stream_id: str) -> Stream: ...
    async def list_streams(
        self,
        *,
        limit: int = 10,
        offset: int = 0,
        status: str | None = None,
        name: str | None = None,
        ordering: str = "-created_at",
        collection_id: str | None = None,
    ) -> tuple[list[Stream], int]:
        """One page and the total number that matches."""
        ...

    async def start_stream(self, stream_id: str) -> Stream: ...
    async def stop_stream(self, stream_id: str) -> Stream: ...
    async def generate_stream(
        self, stream_id: str, start: float | None, end: float | None, *, title: str = "", description: str = ""
    ) -> Playback: ...
    async def frame(self, stream_id: str, at: float | None, max_side: int | None = None) -> Picture: ...

    # scene indexes
    async def create_index(self, stream_id: str, request: CreateIndex) -> SceneIndex: ...
    async def list_indexes(self, stream_id: str) -> list[SceneIndex]: ...
    async def get_index(self, stream_id: str, index_id: str) -> SceneIndex: ...
    async def update_index(self, stream_id: str, index_id: str, *, prompt: str) -> SceneIndex: ...
    async def start_index(self, stream_id: str, index_id: str) -> SceneIndex: ...
    async def stop_index(self, stream_id: str, index_id: str) -> SceneIndex: ...
    async def get_scenes(
        self, stream_id: str, index_id: str, *, start: float | None, end: float | None, page: int, page_size: int
    ) -> tuple[list[Scene], bool]:
        """One page, newest first, and whether there is a next one."""
        ...

    # events and alerts
    async def create_event(self, request: CreateEvent) -> Event: ...
    async def list_events(self) -> list[Event]: ...
    async def create_alert(self, stream_id: str, index_id: str, request: CreateAlert) -> Alert: ...
    async def list_alerts(self, stream_id: str, index_id: str) -> list[Alert]: ...
    async def enable_alert(self, stream_id: str, index_id: str, alert_id: str) -> Alert: ...
    async def disable_alert(self, stream_id: str, index_id: str, alert_id: str) -> Alert: ...
