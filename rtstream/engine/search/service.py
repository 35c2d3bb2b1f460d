"""Search over everything that was seen, said and alerted: one object that runs the indexing and answers queries."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.engine.journal import Journal
from rtstream.engine.search.batches import (
    AT_ONCE,
    MAX_WAITING,
    TOO_MANY,
    NoMeaning,
    QueryVectors,
    SearchBatches,
)
from rtstream.engine.search.indexer import DocumentIndexer, VectorIndexer, embed_stored
from rtstream.engine.search.ranking import Ask, Meaning, find
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
"""Characters of a query that are looked at."""
MAX_LIMIT = 200
POLL_S = 0.5
"""Longest time until new rows are seen when nobody says that there are some."""
PAUSE_S = 0.1
"""Between two readings of new rows: a burst becomes one transaction."""
RETRY_S = 5.0
MAX_RETRY_S = 60.0
LOAD_TIMEOUT_S = 20.0

NO_MODEL = "No embeddings model is installed: run `rtstream-mcp install-embeddings` to search by meaning as well."


@dataclass(frozen=True)
class ScoredHit:
    """A moment that was found. ``score`` is 0 to 1; ``text`` is untrusted stream text.

    Times are Unix seconds, in videos seconds from their start.
    """

    stream_id: str
    """Of kind ``video`` the exported video."""
    stream_name: str
    index_id: str
    """Empty for a transcript or a video."""
    index_name: str
    kind: str
    start: float
    end: float
    text: str
    score: float
    ref: int
    """The scene, the transcript segment, or the journal number of the alert."""
    metadata: JsonObject = field(default_factory=dict)
    """``model``, ``data`` (parsed JSON) of a scene; ``engine`` of a transcript; ``alert_id``, ``label`` of an alert."""


@dataclass(frozen=True)
class SearchResult:
    """Hits, best first. ``note``: what the user should know about them, in plain words; often empty."""

    hits: list[ScoredHit]
    by: Literal["words", "words and meaning"]
    note: str = ""


class SearchService:
    """``start`` it in a task group, then ``search``. Whoever gives an embeddings provider also closes it."""

    def __init__(
        self, db: Database, journal: Journal, embeddings: EmbeddingProvider | None = None, no_model: str = NO_MODEL
    ) -> None:
        self._db = db
        self._no_model = no_model  # told with every search that goes without one
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
        # Readings of new rows: how many began, the newest that left nothing unread, and an event for each such one.
        self._readings = self._settled = 0
        self._read_all = Broadcast()
        self._embedded = Broadcast()
        self._changing = anyio.Lock()
        self._embedding: anyio.CancelScope | None = None
        self._slots = anyio.CapacityLimiter(AT_ONCE)  # of searches by words

    def start(self, tasks: TaskGroup) -> None:
        """Begin indexing; searches wait until what is stored is in memory."""
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
        """There is an embeddings model."""
        return self._provider is not None

    async def use(self, embeddings: EmbeddingProvider | None) -> None:
        """Another embeddings model from now on: documents get new vectors in the background, newest first.

        Searches go on; until a document has its new vector it is found by its words.
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
        """Wait until all that is stored by now is found by its words, or by meaning, too, where there is a model."""
        goal = self._readings + 1  # one that is under way may have passed what was just stored
        self._journal.wake()
        while self._settled < goal:
            await self._read_all.wait()
        while by_meaning and self._provider is not None and self._documents.waiting:
            await self._embedded.wait()

    async def progress(self) -> SearchState:
        """Where the indexing stands."""
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
    ) -> SearchResult:
        """Find moments. None does not restrict; ``start`` and ``end`` are Unix seconds a hit shares time with.

        ``streams``, ``indexes``, ``videos`` and ``collection`` are ids: with ``videos`` only these exported videos are
        searched, without it only streams. ``limit`` is the API's ``result_threshold``; see ``rules.fusion.cut`` for the
        two score limits and ``rules.conditions`` for ``filter``. Raises InvalidRequest, NotFound (an id), Unavailable.
        """
        parsed = parse(clean(query, MAX_QUERY))
        _check(start, end, kinds, limit, score_threshold, dynamic_score_percentage)
        if filter:
            conditions.check(filter)
        with anyio.move_on_after(LOAD_TIMEOUT_S):
            await self._loaded.wait()
        if not self._loaded.is_set():
            raise Unavailable("Search is still reading what is stored. Try again in a minute.")

        def run(conn: Connection, meaning: Meaning | NoMeaning) -> tuple[list[ScoredHit], Meaning | NoMeaning]:
            if videos is not None:
                places = [place.id for place in rows.all_places(conn) if place.video_id in videos]
            else:
                places = _places(conn, streams, indexes, collection, kinds)
            ask = Ask(parsed, places, start, end, limit, score_threshold, dynamic_score_percentage, filter)
            found = find(conn, self._documents, ask, meaning if isinstance(meaning, Meaning) else None)
            hits = [
                ScoredHit(
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
                )
                for moment, detail in found
            ]
            return hits, meaning

        if by_words or self._provider is None:
            if self._slots.statistics().tasks_waiting >= MAX_WAITING:
                raise Unavailable(TOO_MANY)
            async with self._slots:
                hits, meaning = await self._db.read(run, "" if by_words else self._no_model)
        else:
            hits, meaning = await self._batches.ask(parsed.text, run)
        notes = [] if by_words else self._notes(meaning)
        if isinstance(meaning, Meaning) and hits and fusion.is_weak(hits[0].score):
            notes.append("Only weak matches: there may be no answer to this.")
        return SearchResult(hits, "words and meaning" if isinstance(meaning, Meaning) else "words", " ".join(notes))

    def _notes(self, meaning: Meaning | NoMeaning) -> list[str]:
        """What the user should know."""
        notes: list[str] = []
        if self._documents.dropped:
            notes.append(f"The oldest {self._documents.dropped} results are beyond what search can hold.")
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
        """Read what is stored, then what is new, for ever."""
        while True:
            try:
                if not self._loaded.is_set():
                    self._queries.model = await self._number(self._provider)
                    await self._indexer.load(self._model)
                    self._loaded.set()
                arrived = self._journal.grown  # taken before reading: what is written in between is not missed
                self._readings += 1
                more = await self._indexer.tick()
                if self._documents.waiting:
                    self._wake()
                if not more:
                    self._settled = self._readings
                    self._read_all.notify()
                    with anyio.move_on_after(POLL_S):
                        await arrived.wait()
                    await anyio.sleep(PAUSE_S)
            except Exception:
                log.exception("results could not be made searchable")
                await anyio.sleep(RETRY_S)

    async def _embed(self) -> None:
        """Give documents their vectors, for ever; after a failure wait longer and longer."""
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
                    log.warning("documents get no vectors: %s", exc)
                self._trouble = str(exc)
            except Exception:
                log.exception("documents could not be embedded")
                pause = RETRY_S
            if pause == math.inf:
                await grown.wait()
            else:
                await anyio.sleep(pause)

    async def _embed_batch(self) -> bool:
        """One batch; ``use`` cancels it, so that no vector of the old model comes after."""
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
    limit: int,
    score_threshold: float | None,
    dynamic_score_percentage: float | None,
) -> None:
    """Raise InvalidRequest for what cannot be meant."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"The number of results must be from 1 to {MAX_LIMIT}.")
    numbers = [start, end, score_threshold, dynamic_score_percentage]
    if any(number is not None and not math.isfinite(number) for number in numbers):
        raise InvalidRequest("Times and score limits must be finite numbers.")
    if start is not None and end is not None and start > end:
        raise InvalidRequest("The search range ends before it starts. Swap start and end.")
    if dynamic_score_percentage is not None and not 0 <= dynamic_score_percentage <= 100:
        raise InvalidRequest("dynamic_score_percentage must be from 0 to 100.")
    if kinds is not None and not set(kinds) <= set(get_args(Kind)):
        raise InvalidRequest(f"Kinds of results are {', '.join(get_args(Kind))}.")


def _places(
    conn: Connection,
    streams: Sequence[str] | None,
    indexes: Sequence[str] | None,
    collection: str | None,
    kinds: Sequence[str] | None,
) -> list[int] | None:
    """Numbers of the places to look in; None: all. Raises NotFound for an unknown stream, index or collection."""
    for stream_id in streams or ():
        stream_rows.get(conn, stream_id)
    for index_id in indexes or ():
        index_rows.get(conn, index_id)
    if collection is not None:
        inside = set(stream_rows.ids_of(conn, stream_rows.get_collection(conn, collection).id))
        streams = list(inside if streams is None else inside.intersection(streams))
    every = rows.all_places(conn)
    if streams is None and indexes is None and kinds is None and all(place.kind != rows.VIDEO for place in every):
        return None
    return [
        place.id
        for place in every
        if place.kind != rows.VIDEO
        and (streams is None or place.stream_id in streams)
        and (indexes is None or place.index_id in indexes)
        and (kinds is None or place.kind in kinds)
    ]
