"""The engine: creates the services, and offers the operations that need several of them."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from rtstream import __version__, keys
from rtstream.concurrency import every
from rtstream.config import EngineConfig
from rtstream.engine.alerts import (
    AlertGroups,
    AlertIndexes,
    AlertService,
    AlertTranscripts,
    EventMatcher,
    Firings,
    FiringWriter,
    IndexKinds,
    SceneEvaluator,
)
from rtstream.engine.backfill import BackfillService
from rtstream.engine.collections import Collections
from rtstream.engine.indexes import (
    AudioIndexes,
    GapLog,
    IndexBackfill,
    IndexRunner,
    IndexService,
    VideoScenes,
    VisualIndexes,
)
from rtstream.engine.jobs import BackfillStates, Jobs
from rtstream.engine.journal import Journal
from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.questions import Questions
from rtstream.engine.recordings import (
    ClipService,
    DiskBound,
    ExportService,
    FootageReader,
    LinkService,
    MediaAccess,
    PlaybackService,
    RecordingProjection,
    Retention,
    ScreenEdges,
    TimelineMarks,
    VideoService,
)
from rtstream.engine.search import NO_MODEL, SearchService, TextEdges, TimelineService, VideoSearchService
from rtstream.engine.streams import (
    Addresses,
    CameraDiscovery,
    HealthLog,
    Metrics,
    RecorderEvents,
    RecorderLauncher,
    StallWatch,
    StorageHealth,
    StreamPictures,
    StreamRecorders,
    StreamService,
    Supervisor,
    choose_launcher,
)
from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts import OnPartial, TranscriptRunner, TranscriptService, VideoTranscriptService
from rtstream.engine.webhooks import HealthWebhook, WebhookSender, WebhookService
from rtstream.errors import DatabaseUnavailable, InvalidRequest, RTStreamError
from rtstream.ipc.sockets import SUPPORTED, run_folder
from rtstream.local_clock import local_zone_name
from rtstream.models import ConnectStream, EngineInfo, Playback, Stream
from rtstream.perception import registry
from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.rules.link_targets import LinkOrigin
from rtstream.storage import DiskReserve, Storage
from rtstream.storage.folder import FolderStorage
from rtstream.store import backups
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store.backup_schedule import BackupSchedule
from rtstream.store.database import Database
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

HOUSEKEEPING_S = 60.0
AGREE_AGAIN_S = 5.0
DRAIN_S = 8.0
"""Longest wait at shutdown for results that are not in the database yet, in seconds."""


class Engine:
    """The services of a running engine. Every call raises ``rtstream.errors.RTStreamError``.

    ``async with Engine(config) as engine:`` runs it. Its services, such as ``engine.streams``, exist from then on.
    """

    def __init__(self, config: EngineConfig, *, outlived: bool = False) -> None:
        """Prepare an engine.

        Args:
            config: The settings.
            outlived: Whether recorders outlive the engine on systems that allow it, unless ``end_recorders`` is called.
                False suits an engine that is embedded in another program.
        """
        self.config = config
        self._outlived = outlived and SUPPORTED
        self._release_s: float | None = None
        self._recorders_stay = self._outlived
        self.api_key = ""
        self.identity_secret = secrets.token_hex(32)
        """Secret of this run of the engine, part of its proof of identity; see ``rtstream.rules.identity``."""
        self._base_url = config.public_url or f"http://{config.host}:{config.port}"
        self._on_partial: OnPartial = lambda entry: None
        self._last_used = time.monotonic()
        self._exit = AsyncExitStack()

    def bind(self, *, base_url: str | None = None, on_partial: OnPartial | None = None) -> None:
        """Connect the engine to the server in front of it.

        Args:
            base_url: Base of playback links: the URL at which the engine can be reached. The setting ``public_url``
                takes precedence.
            on_partial: Called with each partial transcript. Partial transcripts are sent to current listeners and never
                stored.
        """
        if base_url is not None:
            self._base_url = (self.config.public_url or base_url).rstrip("/")
        if on_partial is not None:
            self._on_partial = on_partial

    @property
    def base_url(self) -> str:
        """Base of playback links."""
        return self._base_url

    def release_recorders(self, limit_s: float) -> None:
        """Limit the time that recorders wait for another engine after this one, in seconds."""
        self._release_s = limit_s

    def end_recorders(self) -> None:
        """Let the recorders end with the engine."""
        self._recorders_stay = False

    def mark_used(self) -> None:
        """Record that a client is using the engine. An idle engine may be stopped."""
        self._last_used = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since a client last used the engine."""
        return time.monotonic() - self._last_used

    async def __aenter__(self) -> Engine:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.__aexit__(kind, exc, trace)

    async def _open(self, stack: AsyncExitStack) -> None:
        data_dir = Path(self.config.data_dir)
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240 - once, before anything runs
        self.api_key = keys.load_or_create(data_dir, self.config.api_key)
        media, exported = (FolderStorage.create(data_dir / name) for name in ("media", "videos"))
        await self._open_store(data_dir, stack)
        self.bound = DiskBound(self.config, self.db, media, partial(backups.total_bytes, data_dir))
        await self.bound.load(created=media.created and self.db.created)
        await self._open_models(stack)
        self.links = LinkService(self.db, self.config.link_ttl_s)
        self._addresses, self.cameras = Addresses(self.config), CameraDiscovery(self.config)
        self.playback = PlaybackService(self.db, self.links, media)
        self.footage = FootageReader(self.db, media, lambda stream_id: self.projection.behind(stream_id))
        self._edges = ScreenEdges(self.db, media)
        self.timeline = TimelineService(self.db, self.links, self._edges)
        for reader in (self.playback, self.footage, self._edges):
            stack.push_async_callback(reader.aclose)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        stack.push_async_callback(self._write_the_rest)
        tasks.start_soon(self.queue.run)
        # Recorders are stopped or detached before the other services, so that their last segments are stored.
        self.health = HealthLog(self.queue, self.journal)
        self.metrics = Metrics(self.db, self.health, self.queue)
        self._storage = StorageHealth(tasks, self.db, self.queue, self.health)
        self.projection = RecordingProjection(self.db, media, self._storage.files_failed)
        self._open_alerts(tasks)
        self._open_streams(tasks, media)
        self._open_videos(tasks, media, exported)
        stack.push_async_callback(self.media.aclose)
        self.retention = Retention(self.config, self.db, self.projection, self.bound)
        room = int(self.config.min_free_gb * 1e9)
        tasks.start_soon(BackupSchedule(self.db, data_dir, self.config.keep_backups, room).run)
        reserve = DiskReserve(data_dir / "reserve")
        self._storage.watch_disk(media, exported, reserve, room, self.retention.make_room)
        stack.push_async_callback(self._end_recorders)
        await self._start(tasks)

    async def _open_store(self, data_dir: Path, stack: AsyncExitStack) -> None:
        self.db = Database.below(data_dir)
        stack.push_async_callback(self.db.aclose)
        self.queue = WriteQueue(self.db)
        await self.db.write(stream_rows.ensure_default_collection, time.time())
        self.journal = Journal(self.db)
        self.subscriptions = Subscriptions(self.db)
        self.collections = Collections(self.db)

    async def _open_models(self, stack: AsyncExitStack) -> None:
        self.model_calls = ModelCalls(self.config, self.db)
        stack.push_async_callback(self.model_calls.aclose)
        await self.model_calls.load()
        no_model = "" if self.config.embedding_model == registry.NO_EMBEDDINGS else NO_MODEL
        self.search = SearchService(self.db, self.journal, self._embeddings(stack), no_model)

    def _open_alerts(self, tasks: TaskGroup) -> None:
        config, check = self.config, self._addresses.webhook
        sender = WebhookSender(check, keys.webhook_secret(self.api_key), config.webhook_timeout_s)
        self.webhooks = WebhookService(tasks, self.db, sender)
        tasks.start_soon(HealthWebhook(config.health_webhook_url, self.db, self.journal, self.health, sender).run)
        calls = self.model_calls
        matcher = EventMatcher(calls.language, calls.call, config.model_similarity, calls.sounds)
        writer = FiringWriter(self.links.evidence(lambda: self.base_url), config.evidence_pre_s, config.evidence_post_s)
        firings = Firings(self.db, self.journal, writer, self.webhooks.wake)
        self._speech = speech = AlertTranscripts(self.db, lambda: self.transcripts)
        self.evaluator = SceneEvaluator(tasks, self.db, self.journal, matcher, firings, speech.engine)
        self._matcher, self._kinds = matcher, IndexKinds(self.model_calls, config)
        self.alerts = AlertService(
            self.db, matcher, self.evaluator, self.subscriptions, check, self.webhooks.wake, speech, self._kinds.kind
        )

    def _open_streams(self, tasks: TaskGroup, media: Storage) -> None:
        """Create the services for streams, indexes and transcripts, and route the recorders' messages to them."""
        config = self.config
        self._supervisor = Supervisor(
            tasks,
            lambda recorder, message: self._recorders.handle(recorder, message),
            lambda recorder: self._recorders.taken_over(recorder),
            self._launcher(),
        )
        check = self._addresses.stored_source
        self._recorders = StreamRecorders(self._supervisor, self.health, lambda: self.recorder_events, check)
        self.pictures = StreamPictures(self.db, self.playback, self._recorders, config.max_image_side)
        self.questions = Questions(self.model_calls, self.pictures.frame, self.pictures.sheet)
        self.text_edges = TextEdges(self.db, self._edges, self.pictures.frame, self.model_calls)
        gaps, self._past = GapLog(self.queue), BackfillStates()
        indexing = IndexRunner(tasks, self.queue, gaps, self.journal, self.model_calls, self.evaluator)
        visual = VisualIndexes(indexing, gaps, self._recorders.set_pictures, config.max_image_side)
        audio = AudioIndexes(indexing, gaps)
        backfill = IndexBackfill(self.db, self.footage, gaps, visual, audio, indexing, self._past)
        tasks.start_soon(backfill.run)
        transcribers = TranscriptRunner(
            tasks, self.queue, self.journal, audio, lambda entry: self._on_partial(entry), config.transcript_max_lag_s
        )
        self.transcripts = TranscriptService(
            self.db,
            self.subscriptions,
            transcribers,
            self.model_calls.speech,
            self.model_calls.speech_note,
            self.model_calls.sounds,
            config,
            self._supervisor.set_audio,
        )
        self.indexes = IndexService(
            self.db, self.journal, visual, audio, self.transcripts, self.subscriptions, self.model_calls, gaps, backfill
        )
        for_alerts = AlertIndexes(self.db, self._matcher, self._kinds, self.indexes, self.transcripts, self._speech)
        self.alert_groups = AlertGroups(self.db, self.journal, self.alerts, for_alerts, self.subscriptions)
        self.recorder_events = RecorderEvents(self.queue, self.health, visual, transcribers, self.projection)
        failures = self.alert_groups.failures.problems
        tasks.start_soon(StallWatch(self.health, visual, transcribers, self.webhooks, failures).run)
        self.streams = StreamService(
            config,
            self.db,
            self.journal,
            self._recorders,
            self.health,
            self.recorder_events,
            transcribers,
            self._addresses,
            media,
            self.indexes.progress,
            self.bound,
        )

    def _open_videos(self, tasks: TaskGroup, media: Storage, exported: Storage) -> None:
        config = self.config
        self.jobs = Jobs(tasks, self.db, self.queue, self.journal)
        self.videos = VideoService(self.db, self.journal, self.links, exported)
        self.clips = ClipService(self.db, self.links)
        room = int(config.min_free_gb * 1e9)
        self.exports = ExportService(self.jobs, self.db, self.journal, media, exported, self.videos, room)
        self.media = MediaAccess(self.db, self.links, media, exported, TimelineMarks(self.db).between)
        engine, language = config.speech_engine or registry.LOCAL, config.speech_language
        self.video_transcripts = VideoTranscriptService(
            self.db, self.jobs, self.search, self.model_calls.speech, engine, language, exported
        )
        self.video_search = VideoSearchService(self.db, self.search)
        self.video_scenes = VideoScenes(self.db)
        services = (self.db, self.jobs, self.footage, self.indexes, self.transcripts, self.subscriptions)
        self.backfills = BackfillService(*services, self.model_calls.prices, config.max_image_side, self._past)

    async def _start(self, tasks: TaskGroup) -> None:
        """Reconcile files and rows, then resume everything that was running when the engine ended."""
        try:
            await self._agree(frozenset())
        except (DatabaseUnavailable, OSError) as exc:
            log.warning("cannot compare recorded files with the database yet, will retry: %s", exc)
            tasks.start_soon(self._agree_later)
        tasks.start_soon(self.projection.run)
        self.webhooks.start()
        await self.evaluator.start()
        await self.indexes.resume()
        await self.transcripts.resume()
        await self.alerts.settle()
        self.transcripts.analyse_gaps(tasks, self.footage, self.evaluator.speech_gaps, self._past)
        await self.streams.resume(tasks, self.api_key, lambda: self._base_url)
        await self.alert_groups.start(tasks)
        self.search.start(tasks)
        await self.video_transcripts.resume()
        await self.backfills.resume()
        await self.jobs.recover()
        tasks.start_soon(every, HOUSEKEEPING_S, self._keep_house, "housekeeping failed")
        tasks.start_soon(self.retention.run)

    async def _agree(self, running: frozenset[str]) -> None:
        await self.projection.scan(running)
        if not running:
            await self.db.write(recording_rows.close_all)  # recordings without a log, from earlier versions
        await self.exports.agree()

    async def _agree_later(self) -> None:
        """Reconcile files and rows once the database works, while streams run."""
        while True:
            await anyio.sleep(AGREE_AGAIN_S)
            try:
                await self._agree(frozenset(self._recorders.running))
            except (DatabaseUnavailable, OSError):
                continue
            return

    async def _write_the_rest(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.queue.drain(DRAIN_S)

    def _embeddings(self, stack: AsyncExitStack) -> EmbeddingProvider | None:
        try:
            provider = registry.embeddings(self.config)
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        if provider is not None:
            stack.push_async_callback(provider.aclose)
        return provider

    def _launcher(self) -> RecorderLauncher:
        launcher = choose_launcher(run_folder(self.config.data_dir), outlives=self._outlived)
        if not launcher.outlives:
            self._outlived = self._recorders_stay = False
        return launcher

    async def _end_recorders(self) -> None:
        with anyio.CancelScope(shield=True):
            recorders = self._supervisor
            await (recorders.release_all(self._release_s) if self._recorders_stay else recorders.stop_all())

    async def _keep_house(self) -> None:
        await self.db.write(journal_rows.trim, self.config.journal_keep)
        await self.subscriptions.trim()
        await self.links.keep_house()
        await self.model_calls.save()
        if not self.search.by_meaning and (installed := self._embeddings(self._exit)):
            await self.search.use(installed)  # a model was put into the data folder since

    async def info(self) -> EngineInfo:
        """Return the version, the models in use and the number of streams."""
        total, running = await self.db.read(stream_rows.counts)
        return EngineInfo(
            version=__version__,
            vision=self.model_calls.vision(None).name,
            screen_text=registry.screen_text(self.config),
            speech=self.transcripts.usable(),
            language_model="" if self.model_calls.language.name == "local" else self.model_calls.language.name,
            search=await self.search.progress(),
            reasons=self.health.problems,
            retain_percent=self.bound.percent,
            timezone=local_zone_name(self.config.timezone),
            streams=total,
            streams_running=running,
        )

    @property
    def busy(self) -> bool:
        """Whether a stream, a job or other background work is running."""
        return bool(self._supervisor.running) or self.jobs.busy

    # streams

    async def connect_stream(self, request: ConnectStream) -> Stream:
        """Add a stream and start it. If ``enable_transcript`` fails, it is not added."""
        self.subscriptions.check(request.ws_connection_id)
        if request.enable_transcript:
            self.transcripts.check_request(request)
        stream = await self.streams.connect(request)
        await self.subscriptions.bind(request.ws_connection_id, "stream", stream.id)
        if request.enable_transcript:
            try:
                await self.transcripts.start(stream.id, None, from_start=not stream.existing)
            except RTStreamError:
                if not stream.existing:
                    await self.delete_stream(stream.id)
                raise
        return stream

    async def delete_stream(self, stream_id: str) -> None:
        """Delete a stream with its recordings and results. Exported videos remain."""
        indexes = await self.indexes.list(stream_id)
        await self.indexes.stop_all(stream_id)
        await self.transcripts.stop_all(stream_id)
        await self.streams.delete(stream_id)
        self.links.forget()
        await self.alerts.forget([index.rtstream_index_id for index in indexes])

    async def generate_stream(
        self,
        stream_id: str,
        start: float | None,
        end: float | None,
        *,
        title: str = "",
        description: str = "",
        origin: LinkOrigin | None = None,
    ) -> Playback:
        """Create links that play [start, end] (Unix seconds). ``origin`` defaults to the engine's own base URL."""
        from_here = origin or LinkOrigin(self.base_url)
        return await self.playback.playback(from_here, stream_id, start, end, title, description)
