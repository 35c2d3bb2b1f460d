"""Keeps search up to date: reads new rows by cursor, follows deletions, and embeds documents.

The writers of scenes, transcripts and alerts do not depend on it. Documents, words and cursor are written in one
transaction, so a kill neither loses a document nor adds it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from rtstream.imports import LateModule
from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.store import search as rows
from rtstream.store.database import Database
from rtstream.store.documents import Documents, sign_bits
from rtstream.store.search import DocumentSource
from rtstream.store.search_tables import DECISIONS, SCENES, SPOKEN, TRANSCRIPTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LateModule("numpy")

BATCH = 300
"""Number of rows per transaction."""
LOAD_PAGE = 50_000
EMBED_BATCH = 32
ATTEMPTS = 3
"""Consecutive failed batches before each of their texts is embedded alone."""
GAP_S = 2.0
"""Longest pause in seconds between equal scenes that become one document. With longer windows, it is one window."""


@dataclass
class _OpenDocument:
    """The newest document of an index, which is extended while its scenes have the same text."""

    doc: int
    text: str
    end: float


class DocumentIndexer:
    """Makes rows searchable by words. Only one task may call ``tick``."""

    def __init__(self, db: Database, documents: Documents) -> None:
        self._db = db
        self._documents = documents
        self._open: dict[rows.Place, _OpenDocument] = {}

    async def load(self, model: int | None) -> None:
        """Load the stored documents into memory. A call after a failure continues where that one stopped."""
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
        """Read the next batch of each origin. Returns whether more rows are unread."""
        pending = await self._db.read(rows.pending)
        if pending.removed:
            self._documents.remove(await self._db.write(rows.take_removed, BATCH))
        if pending.unread:
            for origin in (SPOKEN, TRANSCRIPTS, DECISIONS, SCENES):
                await self._add(origin)
        return any(pending) and any(await self._db.read(rows.pending))

    async def _add(self, origin: int) -> None:
        added, extended, opened = await self._db.write(self._store, origin)
        if added:
            self._documents.add(*zip(*added, strict=True))
        for doc, end in extended.items():
            self._documents.extend(doc, end)
        self._open |= opened

    def _store(
        self, conn: Connection, origin: int
    ) -> tuple[list[tuple[int, int, float, float]], dict[int, float], dict[rows.Place, _OpenDocument]]:
        """Write documents and cursor. This object is changed only after the commit."""
        sources = rows.new_sources(conn, origin, BATCH)
        places = rows.place_ids(conn, (source.place for source in sources if source.text.strip()))
        added: list[tuple[int, int, float, float]] = []
        extended: dict[int, float] = {}
        opened: dict[rows.Place, _OpenDocument] = {}
        for source in sources:
            if not source.text.strip():
                continue
            document = opened.get(source.place) or self._open.get(source.place) if origin == SCENES else None
            if document is not None and _extends(document, source) and rows.extend_document(conn, document.doc, source):
                extended[document.doc] = source.end
                opened[source.place] = _OpenDocument(document.doc, document.text, source.end)
                continue
            doc = rows.add_document(conn, origin, places[source.place], source)
            added.append((doc, places[source.place], source.start, source.end))
            if origin == SCENES:
                opened[source.place] = _OpenDocument(doc, source.text, source.end)
        if sources:
            rows.set_reached(conn, origin, sources[-1].ref)
        return added, extended, opened


def _extends(document: _OpenDocument, source: DocumentSource) -> bool:
    pause = source.start - document.end
    longest = max(GAP_S, source.end - source.start)
    return document.text == source.text and -longest <= pause <= longest


def embed_stored(documents: Documents, ids: Sequence[int], bits: Sequence[bytes | None]) -> None:
    """Load stored sign bits into memory."""
    have = [(doc, blob) for doc, blob in zip(ids, bits, strict=True) if blob is not None]
    if have:
        known, blobs = zip(*have, strict=True)
        documents.embed(known, np.frombuffer(b"".join(blobs), np.uint64).reshape(len(known), -1))


class VectorIndexer:
    """Embeds documents, newest first. The table is the queue, so nothing accumulates in memory."""

    def __init__(self, db: Database, documents: Documents) -> None:
        self._db = db
        self._documents = documents
        self._failures = 0
        self.refused = 0
        """Number of documents without a vector because the model refused them individually."""

    async def step(self, provider: EmbeddingProvider, model: int) -> bool:
        """Embed a batch of documents. After a cancellation or failure, its documents still wait.

        Returns:
            Whether any documents waited.

        Raises:
            ProviderError: The model failed.
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
            await self._store_vectors(model, list(texts), await provider.embed(list(texts.values()), background=True))
        except ProviderError as exc:
            self._failures += 1
            if exc.permanent or self._failures < ATTEMPTS:
                raise
            await self._one_by_one(provider, model, texts)
        self._failures = 0
        return True

    async def _one_by_one(self, provider: EmbeddingProvider, model: int, texts: dict[int, str]) -> None:
        """Embed texts one by one, so that a refused text does not keep the others from their vectors.

        Raises:
            ProviderError: The model refused all of them.
        """
        refused: list[int] = []
        failure: ProviderError | None = None
        for doc, text in texts.items():
            try:
                await self._store_vectors(model, [doc], await provider.embed([text], background=True))
            except ProviderError as exc:
                refused.append(doc)
                failure = exc
        if failure is not None and len(refused) == len(texts):
            raise failure
        self._documents.give_up(refused)
        self.refused += len(refused)

    async def _store_vectors(self, model: int, ids: list[int], vectors: NDArray[np.float32]) -> None:
        await self._db.write(rows.set_vectors, model, ids, vectors)
        self._documents.embed(ids, sign_bits(vectors))
