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
    alerts,
    camera,
    collections,
    docs,
    events,
    identity,
    indexes,
    jobs,
    journal,
    links,
    media,
    search,
    streams,
    timeline,
    transcripts,
    video_transcripts,
    videos,
    websocket,
)
from rtstream.api.authentication import BehindProxy, KeyCheck
from rtstream.api.cors import AllowedOrigins
from rtstream.api.envelope import failure, refusal
from rtstream.api.feed import JournalTail
from rtstream.api.idempotency import RepeatedRequests
from rtstream.api.routing import NormalPaths, check_key, link_path, monitoring_path, open_path, path
from rtstream.errors import InternalError, NotFound, RTStreamError
from rtstream.rules.identity import PATH

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

API_WORDS = frozenset(
    (
        *(
            "rtstream",
            "collection",
            "video",
            "audio",
            "image",
            "capture",
            "compile",
            "async-response",
            "job",
            "timeline",
        ),
        *("billing", "download", "editor", "sandbox", "transcode", "voice_clone"),
    )
)
"""First path components of the published API. Missing routes below them get an error that names the omission."""


def routes() -> list[BaseRoute]:
    """Return the routes in the order of matching, with literal components before ids (API reference 1.12)."""
    return [*_collections_and_journal(), *_streams(), *_indexes(), *_videos(), *_without_key(), *_links()]


def _collections_and_journal() -> list[BaseRoute]:
    """Routes of collections, of search in them, and of what concerns all streams."""
    return [
        path("/collection", GET=collections.list_collections, POST=collections.create_collection),
        path(
            "/collection/{collection_id}",
            GET=collections.get_collection,
            PATCH=collections.update_collection,
            DELETE=collections.delete_collection,
        ),
        path("/collection/{collection_id}/websocket", GET=websocket.get_websocket_url),
        path("/collection/{collection_id}/search", POST=video_transcripts.search_collection),
        path("/collection/{collection_id}/search/v2", POST=video_transcripts.search_collection_v2),
        path("/rtstream", GET=streams.list_streams, POST=streams.connect_stream),
        path("/rtstream/event", GET=events.list_events, POST=events.create_event),
        path("/rtstream/event/{event_id}", PATCH=events.update_event, DELETE=events.delete_event),
        path("/rtstream/alert", GET=alerts.list_alerts, POST=alerts.create_alert),
        path("/rtstream/alert/{alert_id}", GET=alerts.get_alert, PATCH=alerts.update_alert, DELETE=alerts.delete_alert),
        path("/rtstream/{stream_id}/alert", GET=events.list_stream_alerts),
        path("/rtstream/{stream_id}/alert/{alert_id}", DELETE=events.delete_stream_alert),
        path("/rtstream/{stream_id}/alert/{alert_id}/status", PATCH=events.set_alert_status),
        path("/rtstream/{stream_id}/alert/{alert_id}/decisions", GET=events.list_decisions),
        path("/rtstream/{stream_id}/alert/{alert_id}/deliveries", GET=events.list_deliveries),
        path("/rtstream/{stream_id}/alert/{alert_id}/redeliver", POST=events.redeliver),
        path("/rtstream/collection/{collection_id}/search", POST=search.search_streams),
        path("/rtstream/cameras", GET=camera.discover_cameras),
        path("/rtstream/engine", GET=journal.get_engine_info),
        path("/rtstream/links", GET=links.list_links, DELETE=links.revoke_links),
        path("/rtstream/links/{link_id}", DELETE=links.revoke_link),
        path("/rtstream/journal", GET=journal.read_journal),
        path("/rtstream/timeline", GET=timeline.read_timeline),
        monitoring_path("/metrics", GET=journal.get_metrics),
    ]


def _streams() -> list[BaseRoute]:
    """Routes of one stream."""
    stream = "/rtstream/{stream_id}"
    return [
        path(stream, GET=streams.get_stream, PATCH=streams.update_stream, DELETE=streams.delete_stream),
        path(stream + "/detail", GET=streams.get_stream_detail),
        path(stream + "/status", PATCH=streams.set_stream_status),
        path(stream + "/paid", GET=streams.list_paid, PATCH=streams.stop_paid),
        path(stream + "/stream", GET=streams.get_playback),
        path(stream + "/export", POST=videos.export_stream),
        path(stream + "/frame", GET=streams.get_frame),
        path(stream + "/sheet", GET=streams.get_sheet),
        path(stream + "/moment", GET=search.find_text),
        path(stream + "/look", POST=streams.look),
        path(stream + "/search", POST=search.search_stream),
        path(stream + "/transcription", GET=transcripts.get_transcript, POST=transcripts.set_transcript_status),
        path(stream + "/transcription/status", GET=transcripts.get_transcript_status),
        path(stream + "/event/test", POST=events.test_event),
    ]


def _indexes() -> list[BaseRoute]:
    """Routes of the indexes of a stream, and of the alerts on them."""
    stream = "/rtstream/{stream_id}"
    index = stream + "/index/{index_id}"
    return [
        path(stream + "/index/scene", GET=indexes.list_indexes, POST=indexes.create_index),
        path(stream + "/backfill/forecast", POST=indexes.forecast_backfill),
        path(
            stream + "/index/scene/{index_id}",
            GET=indexes.list_scenes,
            PATCH=indexes.update_index,
            DELETE=indexes.delete_index,
        ),
        path(stream + "/index/scene/{index_id}/status", PATCH=indexes.set_index_status),
        path(index, GET=indexes.get_index),
        path(index + "/alert", GET=events.list_alerts, POST=events.create_alert),
        path(index + "/alert/{alert_id}", DELETE=events.delete_alert),
        path(index + "/alert/{alert_id}/status", PATCH=events.set_alert_status),
        path(index + "/alert/{alert_id}/decisions", GET=events.list_decisions),
        path(index + "/alert/{alert_id}/deliveries", GET=events.list_deliveries),
        path(index + "/alert/{alert_id}/redeliver", POST=events.redeliver),
    ]


def _videos() -> list[BaseRoute]:
    """Routes of exported videos and of the jobs that create them."""
    return [
        path("/video", GET=videos.list_videos),
        path("/video/{video_id}", GET=videos.get_video, PATCH=videos.update_video, DELETE=videos.delete_video),
        path("/video/{video_id}/stream", POST=videos.play_ranges),
        path("/video/{video_id}/thumbnail", GET=videos.get_thumbnail, POST=videos.take_picture),
        path("/video/{video_id}/thumbnails", GET=videos.list_pictures),
        path("/video/{video_id}/index", GET=videos.list_scenes, POST=video_transcripts.index_video),
        path("/video/{video_id}/index/scene", GET=videos.list_scene_indexes, POST=videos.index_scenes),
        path("/video/{video_id}/index/scene/{index_id}", GET=videos.get_scene_index),
        path("/video/{video_id}/scenes", GET=videos.list_scene_collections, POST=videos.extract_scenes),
        path("/video/{video_id}/scenes/{index_id}", GET=videos.get_scene_collection),
        path(
            "/video/{video_id}/transcription",
            GET=video_transcripts.get_transcript,
            POST=video_transcripts.transcribe,
        ),
        path("/video/{video_id}/search", POST=video_transcripts.search_video),
        path("/video/{video_id}/search/v2", POST=video_transcripts.search_video_v2),
        path("/compile", POST=videos.play_shots),
        path("/audio", GET=videos.list_audio),
        path("/audio/{video_id}", GET=videos.get_video, DELETE=videos.delete_video),
        path(
            "/audio/{video_id}/transcription",
            GET=video_transcripts.get_transcript,
            POST=video_transcripts.transcribe,
        ),
        path("/audio/{video_id}/generate_url", POST=videos.get_download_url),
        path("/image/{image_id}", DELETE=videos.delete_picture),
        path("/image/{image_id}/generate_url", POST=videos.get_picture_url),
        path("/jobs", GET=jobs.list_jobs),
        path("/jobs/{job_id}", GET=jobs.get_job_info, DELETE=jobs.cancel_job_and_report),
        path("/async-response/{job_id}", GET=jobs.get_job, DELETE=jobs.cancel_job),
    ]


def _without_key() -> list[BaseRoute]:
    """Routes that check access themselves or need no key."""
    return [
        WebSocketRoute("/ws", websocket.connect),
        monitoring_path(PATH, key_needed=False, GET=identity.prove),  # before a client sends its key
        monitoring_path("/health", key_needed=False, GET=journal.get_health),
        open_path("/openapi.json", GET=docs.get_description),
        open_path("/docs", GET=docs.get_page),
    ]


def _links() -> list[BaseRoute]:
    """Routes of playback links, whose id is the key."""
    return [
        link_path("/m/{link_id}/index.m3u8", GET=media.manifest),
        link_path("/m/{link_id}/video.mp4", GET=media.download),
        link_path("/m/{link_id}/init/{name}.mp4", GET=media.init_segment),
        link_path("/m/{link_id}/segment/{recording_id}/{at:int}.m4s", GET=media.segment),
        link_path("/m/{link_id}/aac/init/{name}.mp4", GET=media.init_with_aac),
        link_path("/m/{link_id}/aac/segment/{recording_id}/{at:int}.m4s", GET=media.segment_with_aac),
        link_path("/m/{link_id}/audio/segment/{recording_id}/{at:int}.m4s", GET=media.segment_audio),
        link_path("/m/{link_id}/fragment/{place:int}/{at:int}.m4s", GET=media.fragment),
        link_path("/m/{link_id}/aac/fragment/{place:int}/{at:int}.m4s", GET=media.fragment_with_aac),
        link_path("/m/{link_id}/audio/fragment/{place:int}/{at:int}.m4s", GET=media.fragment_audio),
        link_path("/m/{link_id}/file/{video_id}.mp4", GET=media.video_file),
        open_path("/manifests/{rest:path}", GET=media.older),
        open_path("/media/{rest:path}", GET=media.older),
        link_path("/p/{link_id}", GET=media.picture),
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
    app.state.prover = identity.Prover(engine.api_key, engine.identity_secret)
    app.state.keys = KeyCheck(engine.api_key)
    app.state.feed = JournalTail(engine.journal)
    app.state.repeats = RepeatedRequests(lambda: engine.db)
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
    return refusal(InternalError("Internal error of the engine. Its log has the details."))
