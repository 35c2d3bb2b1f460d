"""Runs searches by meaning in batches: waiting queries are embedded together and then run one after another.

A model reads all its weights for each batch, so ten queries together cost a quarter of ten single ones. Python threads
compete for the interpreter lock, so a few threads that share the waiting queries finish sooner than one per query.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast, log_failure
from rtstream.engine.search.ranking import Meaning
from rtstream.errors import Unavailable
from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.store.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 2
"""Number of threads for searches. They are reading threads of the database, which other work also needs."""
BATCH = 16
MAX_WAITING = 64
EMBED_TIMEOUT_S = 5.0
"""Time limit in seconds for embedding queries. After it, the search continues by words only."""
SEARCH_TIMEOUT_S = 30.0
CACHED_QUERIES = 256

TOO_MANY = "Too many searches are waiting. Try again in a moment."

NoMeaning = str
"""The reason why a query has no vector, as a sentence."""
# Any, because each search has its own type of result.
_Waiting = tuple[str, Callable[[Connection, Meaning | NoMeaning], object], asyncio.Future[Any]]


class QueryVectors:
    """Caches the vectors of recent queries, so that a repeated or paginated query is not embedded again."""

    def __init__(self) -> None:
        self.provider: EmbeddingProvider | None = None
        self.model = 0
        self._known: OrderedDict[tuple[int, str], NDArray[np.float32]] = OrderedDict()

    async def meanings(self, texts: Sequence[str]) -> list[Meaning | NoMeaning]:
        """Return the vector of each text for the current model, or the reason why there is none."""
        provider, model = self.provider, self.model
        if provider is None:
            return ["The embeddings model was removed. Configure one to search by meaning." for _ in texts]
        reasons: dict[str, str] = {}
        found = {text: self._known[model, text] for text in texts if (model, text) in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        with anyio.move_on_after(EMBED_TIMEOUT_S):
            try:
                if new:
                    found |= zip(new, await provider.embed(new), strict=True)
            except ProviderError as exc:
                reasons = {text: str(exc) for text in new}
                # A text that the model refuses must not keep the other queries from their vectors.
                for text in new if len(new) > 1 else ():
                    try:
                        [found[text]] = await provider.embed([text])
                    except ProviderError as alone:
                        reasons[text] = str(alone)
        self._known |= {(model, text): found[text] for text in new if text in found}
        while len(self._known) > CACHED_QUERIES:
            self._known.popitem(last=False)
        late = f"{provider.name} did not respond within {EMBED_TIMEOUT_S:g} s."
        return [Meaning(found[text], model) if text in found else reasons.get(text) or late for text in texts]


class SearchBatches:
    """Queues searches and runs them in batches, in the order of their arrival. Call ``start`` before ``search``."""

    def __init__(self, db: Database, vectors: QueryVectors) -> None:
        self._db = db
        self._vectors = vectors
        self._waiting: deque[_Waiting] = deque()
        self._running = 0
        self._arrived = Broadcast()

    def start(self, tasks: TaskGroup) -> None:
        """Start running searches in a task group."""
        for _ in range(THREADS):
            tasks.start_soon(self._run)

    async def search(self, text: str, find: Callable[[Connection, Meaning | NoMeaning], T]) -> T:
        """Run a search in a batch.

        Args:
            text: The query.
            find: Called with the meaning of ``text``, in a reading transaction in a thread.

        Returns:
            The result of ``find``.

        Raises:
            Unavailable: Too many searches wait, or the search took too long.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable(TOO_MANY)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, find, future))
        self._arrived.notify()
        try:
            with anyio.fail_after(SEARCH_TIMEOUT_S):
                return await future
        except TimeoutError:
            raise Unavailable(
                f"The search did not finish within {SEARCH_TIMEOUT_S:g} s. Try again in a moment."
            ) from None

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                await self._arrived.wait()
            share = math.ceil((len(self._waiting) + self._running) / THREADS)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), share, BATCH))]
            batch = [query for query in batch if not query[2].done()]  # skip abandoned searches
            self._running += len(batch)
            try:
                meanings = await self._vectors.meanings([text for text, _, _ in batch])
                outcomes = await self._db.read(_find_all, batch, meanings)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "searches failed", exc)
                outcomes = [exc] * len(batch)
            self._running -= len(batch)
            for (_, _, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
            await anyio.lowlevel.checkpoint()  # clients with results may search again and join the next batch


def _find_all(conn: Connection, batch: Sequence[_Waiting], meanings: Sequence[Meaning | NoMeaning]) -> list[object]:
    """Return the result of each search, or the exception that it raised."""
    outcomes: list[object] = []
    for (_, find, _), meaning in zip(batch, meanings, strict=True):
        try:
            outcomes.append(find(conn, meaning))
        except Exception as exc:  # noqa: BLE001 - raised again in the caller
            outcomes.append(exc)
    return outcomes
