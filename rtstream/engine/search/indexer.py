"""Keeps search up to date: reads what was written by cursor, follows removals, gives documents their vectors.

The writers of scenes, transcripts and alerts know nothing of it. Documents, words and cursor are written in one
transaction, so a kill neither loses a document nor adds it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.store import search as rows
from rtstream.store.database import Database
from rtstream.store.documents import Documents, sign_bits
from rtstream.store.search import DocumentSource
from rtstream.store.search_tables import DECISIONS, SCENES, SPOKEN, TRANSCRIPTS

BATCH = 300
"""Rows of one transaction."""
LOAD_PAGE = 50_000
EMBED_BATCH = 32
ATTEMPTS = 3
"""Batches that may fail in a row before their texts are tried one by one."""
GAP_S = 2.0
"""Equal scenes become one document when the pause between them is at most one window, or this if that is shorter."""


@dataclass
class _Run:
    """The newest document of an index: it goes on while its scenes say the same."""

    doc: int
    text: str
    end: float


class DocumentIndexer:
    """Makes rows searchable by their words. ``tick`` is called by one task."""

    def __init__(self, db: Database, documents: Documents) -> None:
        self._db = db
        self._documents = documents
        self._runs: dict[rows.Place, _Run] = {}

    async def load(self, model: int | None) -> None:
        """Read what is stored into memory; called again after a failure, it goes on."""
        after: int | None = self._documents.last
        while after is not None:
            after = await self._db.read(self._load_page, after, model)

    def _load_page(self, conn: Connection, after: int, model: int | None) -> int | None:
        page = rows.page(conn, after, LOAD_PAGE, model)
        if not page:
            return None
        ids, places, starts, ends, bits = zip(*page, strict=True)
        self._documents.add(ids, places, starts, ends)
        embed_stored(self._documents, ids, bits)
        return ids[-1]

    async def tick(self) -> bool:
        """Read the next batch of each origin; True when there is more."""
        pending = await self._db.read(rows.pending)
        if pending.removed:
            self._documents.remove(await self._db.write(rows.take_removed, BATCH))
        if pending.unread:
            for origin in (SPOKEN, TRANSCRIPTS, DECISIONS, SCENES):
                await self._add(origin)
        return any(pending) and any(await self._db.read(rows.pending))

    async def _add(self, origin: int) -> None:
        added, extended, runs = await self._db.write(self._store, origin)
        if added:
            self._documents.add(*zip(*added, strict=True))
        for doc, end in extended.items():
            self._documents.extend(doc, end)
        self._runs |= runs

    def _store(
        self, conn: Connection, origin: int
    ) -> tuple[list[tuple[int, int, float, float]], dict[int, float], dict[rows.Place, _Run]]:
        """Write documents and cursor; nothing of this object changes before it is committed."""
        sources = rows.new_sources(conn, origin, BATCH)
        places = rows.place_ids(conn, (source.place for source in sources if source.text.strip()))
        added: list[tuple[int, int, float, float]] = []
        extended: dict[int, float] = {}
        runs: dict[rows.Place, _Run] = {}
        for source in sources:
            if not source.text.strip():
                continue
            run = runs.get(source.place) or self._runs.get(source.place) if origin == SCENES else None
            if run is not None and _goes_on(run, source) and rows.extend_document(conn, run.doc, source):
                extended[run.doc] = source.end
                runs[source.place] = _Run(run.doc, run.text, source.end)
                continue
            doc = rows.add_document(conn, origin, places[source.place], source)
            added.append((doc, places[source.place], source.start, source.end))
            if origin == SCENES:
                runs[source.place] = _Run(doc, source.text, source.end)
        if sources:
            rows.set_reached(conn, origin, sources[-1].ref)
        return added, extended, runs


def _goes_on(run: _Run, source: DocumentSource) -> bool:
    pause = source.start - run.end
    longest = max(GAP_S, source.end - source.start)
    return run.text == source.text and -longest <= pause <= longest


def embed_stored(documents: Documents, ids: Sequence[int], bits: Sequence[bytes | None]) -> None:
    """Put stored sign bits into memory."""
    have = [(doc, blob) for doc, blob in zip(ids, bits, strict=True) if blob is not None]
    if have:
        known, blobs = zip(*have, strict=True)
        documents.embed(known, np.frombuffer(b"".join(blobs), np.uint64).reshape(len(known), -1))


class VectorIndexer:
    """Gives documents their vectors, newest first. The table is the queue: nothing piles up in memory."""

    def __init__(self, db: Database, documents: Documents) -> None:
        self._db = db
        self._documents = documents
        self._failures = 0
        self.refused = 0
        """Documents that got no vector because the model refused them alone."""

    async def step(self, provider: EmbeddingProvider, model: int) -> bool:
        """Embed a batch; False when no document waits. Raises ProviderError: the same documents wait on.

        Cancelled in the middle, it leaves documents that wait.
        """
        ids = self._documents.next_waiting(EMBED_BATCH)
        if not ids:
            return False
        found = await self._db.read(rows.texts, ids)
        self._documents.give_up([doc for doc in ids if doc not in found])
        texts = {doc: found[doc] for doc in ids if doc in found}
        if not texts:
            return True
        try:
            await self._keep(model, list(texts), await provider.embed(list(texts.values())))
        except ProviderError as exc:
            self._failures += 1
            if exc.permanent or self._failures < ATTEMPTS:
                raise
            await self._one_by_one(provider, model, texts)
        self._failures = 0
        return True

    async def _one_by_one(self, provider: EmbeddingProvider, model: int, texts: dict[int, str]) -> None:
        """A text that the model refuses must not keep the others from their vectors. Raises when it refuses all."""
        refused: list[int] = []
        trouble: ProviderError | None = None
        for doc, text in texts.items():
            try:
                await self._keep(model, [doc], await provider.embed([text]))
            except ProviderError as exc:
                refused.append(doc)
                trouble = exc
        if trouble is not None and len(refused) == len(texts):
            raise trouble
        self._documents.give_up(refused)
        self.refused += len(refused)

    async def _keep(self, model: int, ids: list[int], vectors: NDArray[np.float32]) -> None:
        await self._db.write(rows.set_vectors, model, ids, vectors)
        self._documents.embed(ids, sign_bits(vectors))
