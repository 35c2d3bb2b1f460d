"""Keeps every searchable document in memory as arrays, for filters and the coarse first pass of search by meaning.

Only the signs of a vector's components are stored here (one bit per dimension). The number h of differing bits out of d
estimates the cosine as cos(pi h / d) (Charikar, 2002). The best documents by that estimate are then scored with their
true vectors from the database. A document takes 33 bytes plus one bit per dimension, which is 81 bytes with 384
dimensions.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rtstream.imports import LateModule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits: TypeAlias = NDArray[np.uint64]
    Column: TypeAlias = NDArray[np.integer] | NDArray[np.floating] | Sequence[int] | Sequence[float]
else:
    np = LateModule("numpy")


MAX_DOCUMENTS = 4_000_000
"""Maximum number of documents in memory (about 330 MB with 384 dimensions). The oldest beyond it cannot be found."""
CHUNK = 16_384
"""Number of rows compared at a time, so that their bits and distances stay in the processor's cache."""
FAR = 0x7FFF
"""The largest int16."""


def sign_bits(vectors: NDArray[np.float32]) -> Bits:
    """Return the sign of each component as uint64 [rows, ceil(dimensions / 64)]."""
    packed = np.packbits(vectors > 0, axis=1)
    padding = -packed.shape[1] % 8
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, padding)))).view(np.uint64)


@dataclass(frozen=True)
class View:
    """The documents at one moment, in the order of their numbers. It stays valid while documents are added."""

    ids: NDArray[np.int64]
    places: NDArray[np.int32]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    alive: NDArray[np.bool_]
    embedded: NDArray[np.bool_]
    bits: Bits
    """[words, rows], with one row of memory per 64 dimensions."""

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row numbers of the documents that are here. Others are left out."""
        if not len(self.ids):
            return np.zeros(0, np.int64)
        first, last = int(self.ids[0]), int(self.ids[-1])
        # Without gaps, the row follows from the number. A lookup is ten times slower.
        found = ids - first if last - first == len(self.ids) - 1 else np.searchsorted(self.ids, ids)
        found = np.clip(found, 0, len(self.ids) - 1)
        return found[(self.ids[found] == ids) & self.alive[found]]

    def allowed(self, places: Sequence[int] | None, start: float | None, end: float | None) -> NDArray[np.bool_]:
        """Return bool [rows]: the rows of these places that overlap [start, end] (Unix seconds). None means any."""
        mask = self.alive.copy()
        if places is not None:
            size = int(self.places.max(initial=0)) + 1
            wanted = np.zeros(size, np.bool_)
            wanted[[place for place in places if place < size]] = True
            mask &= wanted[self.places]
        if start is not None:
            mask &= self.ends >= start
        if end is not None:
            mask &= self.starts <= end
        return mask

    def distances(self, query: Bits, mask: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Return the number of bits that differ from ``query`` as int16 [rows].

        The distance is ``FAR`` for rows that are masked out or have no vector.
        """
        usable = mask & self.embedded
        result = np.full(len(self.ids), FAR, np.int16)
        if len(self.bits) != len(query):
            return result
        for begin in range(0, len(self.ids), CHUNK):
            chunk = slice(begin, begin + CHUNK)
            here = usable[chunk]
            if here.any():
                differing = np.bitwise_count(self.bits[:, chunk] ^ query[:, None])
                np.copyto(result[chunk], np.add.reduce(differing, axis=0, dtype=np.int16), where=here)
        return result


class Documents:
    """A growing collection of documents. Only one thread may change it, but ``view`` may be called from any thread."""

    def __init__(self, limit: int = MAX_DOCUMENTS) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._count = 0
        self._dead = 0
        self.dropped = 0
        """Number of the oldest documents that were dropped because of the limit."""
        self._allocated = False
        """Whether there are arrays. An engine without documents does without numpy, which takes 12 MB and 0.1 s."""

    def _allocate(self) -> None:
        if self._allocated:
            return
        self._ids = np.zeros(0, np.int64)
        self._places = np.zeros(0, np.int32)
        self._starts = np.zeros(0, np.float64)
        self._ends = np.zeros(0, np.float64)
        self._alive = np.zeros(0, np.bool_)
        self._embedded = np.zeros(0, np.bool_)
        # Rows that wait for a vector, which are neither embedded nor given up.
        self._waiting = np.zeros(0, np.bool_)
        self._bits: Bits = np.zeros((0, 0), np.uint64)
        self._allocated = True

    def view(self) -> View:
        """Return the current documents."""
        with self._lock:
            self._allocate()
            end = self._count
            return View(
                self._ids[:end],
                self._places[:end],
                self._starts[:end],
                self._ends[:end],
                self._alive[:end],
                self._embedded[:end],
                self._bits[:, :end],
            )

    @property
    def count(self) -> int:
        """Number of documents that can be found."""
        return self._count - self._dead

    @property
    def last(self) -> int:
        """Number of the newest document, or 0 if there is none."""
        return int(self._ids[self._count - 1]) if self._count else 0

    @property
    def waiting(self) -> int:
        """Number of documents that are waiting for a vector."""
        return int(np.count_nonzero(self._waiting[: self._count])) if self._count else 0

    def add(self, ids: Column, places: Column, starts: Column, ends: Column) -> None:
        """Append documents, whose numbers must ascend and exceed all existing ones."""
        size = len(ids)
        with self._lock:
            self._allocate()
            if self._count + size > len(self._ids):
                self._grow(size)
            rows = slice(self._count, self._count + size)
            for array, values in (
                (self._ids, ids),
                (self._places, places),
                (self._starts, starts),
                (self._ends, ends),
                (self._alive, True),
                (self._embedded, False),
                (self._waiting, True),
            ):
                array[rows] = values
            self._count += size

    def extend(self, doc: int, end: float) -> None:
        """Move the end of a document to a later time."""
        with self._lock:
            self._allocate()
            rows = self._rows([doc])
            self._ends[rows] = end

    def embed(self, ids: Sequence[int], bits: Bits) -> None:
        """Set the sign bits [documents, words] of documents. Deleted documents are ignored."""
        with self._lock:
            self._allocate()
            if len(self._bits) != bits.shape[1]:
                if len(self._bits):
                    self._waiting[: self._count] = self._alive[: self._count]
                self._bits = np.zeros((bits.shape[1], len(self._ids)), np.uint64)
                self._embedded[:] = False
            rows = self._rows(ids)
            here = np.isin(np.asarray(ids), self._ids[rows])
            self._bits[:, rows] = bits[here].T
            self._embedded[rows] = True
            self._waiting[rows] = False

    def give_up(self, ids: Sequence[int]) -> None:
        """Mark documents as never getting a vector."""
        with self._lock:
            self._allocate()
            self._waiting[self._rows(ids)] = False

    def forget_vectors(self) -> None:
        """Make every document wait for a new vector, because the model has changed."""
        with self._lock:
            self._allocate()
            self._bits = np.zeros((0, len(self._ids)), np.uint64)
            self._embedded = np.zeros_like(self._embedded)
            self._waiting = self._alive.copy()

    def next_waiting(self, limit: int) -> list[int]:
        """Return the newest documents that wait for a vector, so that recent results can be found first."""
        with self._lock:
            end = self._count
            while end > 0:
                begin = max(0, end - CHUNK)
                rows = np.flatnonzero(self._waiting[begin:end])
                if len(rows):
                    return self._ids[begin + rows[::-1][:limit]].tolist()
                end = begin
        return []

    def remove(self, ids: Sequence[int]) -> None:
        """Remove documents."""
        with self._lock:
            self._allocate()
            rows = self._rows(ids)
            self._dead += int(np.count_nonzero(self._alive[rows]))
            self._alive[rows] = False
            self._waiting[rows] = False

    def _rows(self, ids: Sequence[int]) -> NDArray[np.int64]:
        known = self._ids[: self._count]
        if not len(known):
            return np.zeros(0, np.int64)
        wanted = np.asarray(ids, np.int64)
        found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return found[known[found] == wanted]

    def _grow(self, more: int) -> None:
        """Make room for ``more`` rows in new arrays, while views keep the old ones.

        Removed documents are dropped, and at the limit the oldest ones as well.
        """
        keep = np.flatnonzero(self._alive[: self._count])
        surplus = max(0, len(keep) + more - self._limit)
        if surplus:
            surplus = min(len(keep), surplus + self._limit // 20)  # not at every call
            keep = keep[surplus:]
            self.dropped += surplus
        room = max(len(keep) + more, min(int(len(keep) * 1.25) + CHUNK, self._limit))
        for name in ("_ids", "_places", "_starts", "_ends", "_alive", "_embedded", "_waiting"):
            old = getattr(self, name)
            new = np.zeros(room, old.dtype)
            new[: len(keep)] = old[keep]
            setattr(self, name, new)
        bits = np.zeros((len(self._bits), room), np.uint64)
        for word, old_word in zip(bits, self._bits, strict=True):
            word[: len(keep)] = old_word[keep]
        self._bits = bits
        self._count, self._dead = len(keep), 0
