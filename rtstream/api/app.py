"""The API as one Starlette application, with the table of its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from rtstream.api import (
    collections,
    events,
    identity,
    indexes,
    journal,
    links,
    media,
    search,
    streams,
    transcripts,
    videos,
    websocket,
)
from rtstream.api import video_transcripts as spoken
from rtstream.api.authentication import BehindProxy, KeyCheck
from rtstream.api.cors import AllowedOrigins
from rtstream.api.envelope import failure, refusal
from rtstream.api.feed import JournalTail
from rtstream.api.routing import NormalPaths, check_key, link_path, open_path, path
from rtstream.errors import NotFound, RTStreamError
from rtstream.rules.identity import PATH

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

API_WORDS = frozenset({"rtstream", "collection", "video", "audio", "capture", "compile", "async-response", "job"})
"""First path components of the published API. Missing routes below them get an error that names the omission."""


def routes() -> list[BaseRoute]:
    """The routes in the order of matching, with literal components before ids (API reference 1.12)."""
    stream = "/rtstream/{stream_id}"
    index = stream + "/index/{index_id}"
    return [
        path("/collection", GET=collections.listing, POST=collections.create),
        path("/collection/{collection_id}", GET=collections.show, PATCH=collections.update),
        path("/collection/{collection_id}/websocket", GET=websocket.address),
        path("/collection/{collection_id}/search", POST=spoken.search_collection),
        path("/collection/{collection_id}/search/v2", POST=spoken.search_collection_v2),
        path("/rtstream", GET=streams.listing, POST=streams.connect),
        path("/rtstream/event", GET=events.list_events, POST=events.create_event),
        path("/rtstream/event/{event_id}", PATCH=events.update_event, DELETE=events.delete_event),
        path("/rtstream/collection/{collection_id}/search", POST=search.streams),
        path("/rtstream/engine", GET=journal.info),
        path("/rtstream/links", GET=links.listing, DELETE=links.revoke_all),
        path("/rtstream/links/{link_id}", DELETE=links.revoke),
        path("/rtstream/journal", GET=journal.read),
        path(stream, GET=streams.show, PATCH=streams.update, DELETE=streams.delete),
        path(stream + "/status", PATCH=streams.switch),
        path(stream + "/stream", GET=streams.playback),
        path(stream + "/export", POST=videos.export),
        path(stream + "/frame", GET=streams.frame),
        path(stream + "/sheet", GET=streams.sheet),
        path(stream + "/look", POST=streams.look),
        path(stream + "/search", POST=search.one_stream),
        path(stream + "/transcription", GET=transcripts.read, POST=transcripts.switch),
        path(stream + "/transcription/status", GET=transcripts.status),
        path(stream + "/index/scene", GET=indexes.listing, POST=indexes.create),
        path(stream + "/index/scene/{index_id}", GET=indexes.records, PATCH=indexes.update),
        path(stream + "/index/scene/{index_id}/status", PATCH=indexes.switch),
        path(index, GET=indexes.show),
        path(index + "/alert", GET=events.list_alerts, POST=events.create_alert),
        path(index + "/alert/{alert_id}", DELETE=events.delete_alert),
        path(index + "/alert/{alert_id}/status", PATCH=events.switch_alert),
        path(index + "/alert/{alert_id}/decisions", GET=events.decisions),
        path(index + "/alert/{alert_id}/deliveries", GET=events.deliveries),
        path(index + "/alert/{alert_id}/redeliver", POST=events.redeliver),
        path(stream + "/event/test", POST=events.test_event),
        path("/video", GET=videos.listing),
        path("/video/{video_id}", GET=videos.show, PATCH=videos.update, DELETE=videos.delete),
        path("/video/{video_id}/stream", POST=videos.part),
        path("/video/{video_id}/index", POST=spoken.index),
        path("/video/{video_id}/transcription", GET=spoken.transcript, POST=spoken.transcribe),
        path("/video/{video_id}/search", POST=spoken.search_video),
        path("/video/{video_id}/search/v2", POST=spoken.search_video_v2),
        path("/compile", POST=videos.compile_shots),
        path("/audio", GET=videos.audio_listing),
        path("/audio/{video_id}", GET=videos.show, DELETE=videos.delete),
        path("/audio/{video_id}/transcription", GET=spoken.transcript, POST=spoken.transcribe),
        path("/audio/{video_id}/generate_url", POST=videos.file_address),
        path("/async-response/{job_id}", GET=videos.job, DELETE=videos.cancel),
        WebSocketRoute("/ws", websocket.connect),
        Route(PATH, identity.prove),  # before a client sends its key, so without one
        Route("/health", journal.health),  # monitoring does not count as use of the engine
        link_path("/m/{link_id}/index.m3u8", GET=media.manifest),
        link_path("/m/{link_id}/video.mp4", GET=media.download),
        link_path("/m/{link_id}/init/{name}.mp4", GET=media.init_segment),
        link_path("/m/{link_id}/segment/{recording_id}/{at:int}.m4s", GET=media.segment),
        link_path("/m/{link_id}/fragment/{number:int}.m4s", GET=media.fragment),
        link_path("/m/{link_id}/file/{video_id}.mp4", GET=media.video_file),
        open_path("/manifests/{rest:path}", GET=media.older),
        open_path("/media/{rest:path}", GET=media.older),
        link_path("/playback.json", GET=media.playback_data),
        link_path("/watch", GET=media.player),
        link_path("/embed", GET=media.player),
        Mount("/static", StaticFiles(directory=media.STATIC, check_dir=False)),
    ]


def create_app(
    engine: Engine,
    extra_routes: Sequence[BaseRoute] = (),
    *,
    stall_timeout_s: float = 30.0,
    allowed_origins: Sequence[str] = (),
) -> Starlette:
    """Create the API of a running engine. Its lifespan runs the WebSocket feed but not the engine.

    Args:
        engine: A running engine.
        extra_routes: Routes that are matched first. They receive unmodified paths and check access themselves.
        stall_timeout_s: Seconds after which a WebSocket client that reads nothing is disconnected.
        allowed_origins: Origins of web pages that may call the API and the extra routes with the key.
    """

    def foreign(scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in extra_routes)

    app = Starlette(
        routes=[*extra_routes, *routes(), Route("/{path:path}", _Unknown())],
        middleware=[
            *([Middleware(AllowedOrigins, origins=allowed_origins)] if allowed_origins else []),
            *([Middleware(BehindProxy)] if engine.config.behind_proxy else []),
            Middleware(NormalPaths, foreign=foreign),
        ],
        exception_handlers={
            RTStreamError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _crashed,
        },
        lifespan=_follow_journal,
    )
    app.router.redirect_slashes = False
    app.state.engine = engine
    app.state.keys = KeyCheck(engine.api_key)
    app.state.feed = JournalTail(engine.journal)
    app.state.closing = anyio.Event()
    app.state.websockets = set()
    app.state.stall_timeout_s = stall_timeout_s
    app.state.drop = lambda _client: None  # replaced by the server, see server.py
    return app


@asynccontextmanager
async def _follow_journal(app: Starlette) -> AsyncIterator[None]:
    app.state.engine.bind(on_partial=transcripts.show_partials(app.state.feed))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.state.feed.run)
        yield
        tasks.cancel_scope.cancel()


class _Unknown:
    """Handles all paths without a route, with any method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        word = request.url.path.strip("/").partition("/")[0]
        if word not in API_WORDS:
            raise _nothing_at(request)
        check_key(request)
        raise NotFound(f"This engine does not offer {request.method} {request.url.path[:200]}.")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RTStreamError)
    return refusal(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refusal(_nothing_at(request))
    return failure(error.status_code, f"{error.detail}.", "INVALID_REQUEST", error.headers)


def _nothing_at(request: Request) -> NotFound:
    return NotFound(f"There is nothing at {request.url.path[:200]}.")


async def _gone(_request: Request, _error: Exception) -> Response:
    return failure(400, "The request ended before its body did.", "INVALID_REQUEST")


async def _crashed(_request: Request, _error: Exception) -> Response:
    # The server logs the traceback, because the exception reaches it after this response.
    return failure(500, "Internal error of the engine. Its log has the details.", "INTERNAL")
