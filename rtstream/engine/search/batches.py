"""Searches by meaning, answered some at a time: those that wait are embedded together and run one after the other.

A model reads all its weights for each batch, so ten queries together cost it a quarter of ten alone. And threads that
run Python fight for its lock: as many as there are cores, each with a share of what waits, get more done than one each.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import numpy as np
from anyio.abc import TaskGroup
from numpy.typing import NDArray
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.engine.search.ranking import Meaning
from rtstream.errors import Unavailable
from rtstream.perception.protocols import EmbeddingProvider, ProviderError
from rtstream.store.database import Database

log = logging.getLogger(__name__)
T = TypeVar("T")

AT_ONCE = 2
"""Threads; they are the database's reading threads, which everything else uses as well."""
BATCH = 16
MAX_WAITING = 64
EMBED_TIMEOUT_S = 5.0
"""For the vectors of queries; after it the search goes on by words only."""
ANSWER_TIMEOUT_S = 30.0
CACHED_QUERIES = 256

TOO_MANY = "Too many searches are waiting. Try again in a moment."

NoMeaning = str
"""Why a query has no vector, in a sentence."""
# Any: each search has a result of its own type.
_Asked = tuple[str, Callable[[Connection, Meaning | NoMeaning], object], asyncio.Future[Any]]


class QueryVectors:
    """Vectors of the newest queries, so that a question asked again (or page by page) is not embedded again."""

    def __init__(self) -> None:
        self.provider: EmbeddingProvider | None = None
        self.model = 0
        self._known: OrderedDict[tuple[int, str], NDArray[np.float32]] = OrderedDict()

    async def meanings(self, texts: Sequence[str]) -> list[Meaning | NoMeaning]:
        """What each text means to the model of now."""
        provider, model = self.provider, self.model
        if provider is None:
            return ["The embeddings model was taken away." for _ in texts]
        why: dict[str, str] = {}
        found = {text: self._known[model, text] for text in texts if (model, text) in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        with anyio.move_on_after(EMBED_TIMEOUT_S):
            try:
                if new:
                    found |= zip(new, await provider.embed(new), strict=True)
            except ProviderError as exc:
                why = {text: str(exc) for text in new}
                # One text that the model refuses must not take their meaning from the others.
                for text in new if len(new) > 1 else ():
                    try:
                        [found[text]] = await provider.embed([text])
                    except ProviderError as alone:
                        why[text] = str(alone)
        self._known |= {(model, text): found[text] for text in new if text in found}
        while len(self._known) > CACHED_QUERIES:
            self._known.popitem(last=False)
        late = f"{provider.name} did not answer within {EMBED_TIMEOUT_S:g} s."
        return [Meaning(found[text], model) if text in found else why.get(text) or late for text in texts]


class SearchBatches:
    """``start`` it in a task group, then ``ask``. First come, first served."""

    def __init__(self, db: Database, vectors: QueryVectors) -> None:
        self._db = db
        self._vectors = vectors
        self._waiting: deque[_Asked] = deque()
        self._running = 0
        self._arrived = Broadcast()

    def start(self, tasks: TaskGroup) -> None:
        """Begin to answer."""
        for _ in range(AT_ONCE):
            tasks.start_soon(self._answer)

    async def ask(self, text: str, find: Callable[[Connection, Meaning | NoMeaning], T]) -> T:
        """``find`` with the meaning of ``text``, in a reading transaction of a thread. Raises Unavailable."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable(TOO_MANY)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, find, future))
        self._arrived.notify()
        try:
            with anyio.fail_after(ANSWER_TIMEOUT_S):
                return await future
        except TimeoutError:
            raise Unavailable(
                f"The search was not done within {ANSWER_TIMEOUT_S:g} s. Try again in a moment."
            ) from None

    async def _answer(self) -> None:
        while True:
            while not self._waiting:
                await self._arrived.wait()
            share = math.ceil((len(self._waiting) + self._running) / AT_ONCE)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), share, BATCH))]
            batch = [asked for asked in batch if not asked[2].done()]  # where somebody still waits
            self._running += len(batch)
            try:
                meanings = await self._vectors.meanings([text for text, _, _ in batch])
                outcomes = await self._db.read(_find_all, batch, meanings)
            except Exception as exc:
                log.exception("searches failed")
                outcomes = [exc] * len(batch)
            self._running -= len(batch)
            for (_, _, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
            await anyio.lowlevel.checkpoint()  # who got an answer may ask on, and be in the next batch


def _find_all(conn: Connection, batch: Sequence[_Asked], meanings: Sequence[Meaning | NoMeaning]) -> list[object]:
    """What each one found, or the exception that it raised: the others go on."""
    outcomes: list[object] = []
    for (_, find, _), meaning in zip(batch, meanings, strict=True):
        try:
            outcomes.append(find(conn, meaning))
        except Exception as exc:  # noqa: BLE001 - raised again where it was asked
            outcomes.append(exc)
    return outcomes
