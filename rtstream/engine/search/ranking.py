"""Runs a search: finds coarse candidates by words and sign bits, scores them exactly, and merges the hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from rtstream.imports import LateModule
from rtstream.json_types import JsonObject, JsonValue
from rtstream.rules import fusion
from rtstream.rules.conditions import holds
from rtstream.rules.fusion import HitMoment
from rtstream.rules.query import Query
from rtstream.store import search as rows
from rtstream.store.documents import FAR, Documents, View, sign_bits
from rtstream.store.search import Detail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LateModule("numpy")

CANDIDATES = (250, 1000, 5000)
"""Numbers of candidates to score exactly. The next is used only if too few hits remain and nearly all were good."""
GOOD_SHARE = 0.9
"""Share of candidates that must be good for more to be scored."""
POSTINGS = 3_000
"""Documents read per word, newest first. For a more common word, older documents count only if they are candidates."""
PHRASE_POSTINGS = 50_000
"""Documents read per quoted phrase, newest first. Older documents are not found by it."""


@dataclass(frozen=True)
class SearchQuery:
    """A checked search. ``places`` are the numbers of the places to search, or None for all."""

    query: Query
    places: Sequence[int] | None
    start: float | None
    end: float | None
    limit: int
    score_threshold: float | None
    dynamic_score_percentage: float | None
    filter: JsonValue


@dataclass(frozen=True)
class Meaning:
    """The query as a vector (float32, unit length) and the number of its model."""

    vector: NDArray[np.float32]
    model: int


@dataclass(frozen=True)
class Words:
    """The rows in which each word of the query occurs. ``weights`` sum to 1."""

    weights: list[float]
    rows: list[NDArray[np.int64]]
    horizons: list[int]
    """Per word, the first row that was searched."""

    def shares(self, size: int) -> NDArray[np.float32]:
        """Return the weighted share of the query's words known to be in each row, as float32 [size]."""
        shares = np.zeros(size, np.float32)
        for weight, found in zip(self.weights, self.rows, strict=True):
            shares[found] += weight
        return shares


def find(
    conn: Connection, documents: Documents, ask: SearchQuery, meaning: Meaning | None
) -> list[tuple[HitMoment, Detail]]:
    """Return the hits, best first, each with the details of its origin."""
    view = documents.view()
    mask = view.allowed(ask.places, ask.start, ask.end)
    if not mask.any():
        return []
    first, last = 0, len(mask) - 1
    if ask.places is not None or ask.start is not None or ask.end is not None:
        first, last = np.flatnonzero(mask)[[0, -1]].tolist()
    for phrase in ask.query.required:
        found = rows.postings(conn, phrase.match, PHRASE_POSTINGS, int(view.ids[first]), int(view.ids[last]))
        held = np.zeros(len(mask), np.bool_)
        held[view.rows(found)] = True
        mask &= held
    words = _look_up(conn, view, ask.query, mask, first, last, search_older=meaning is None)
    shares = words.shares(len(mask))
    order = _order(view, mask, words, shares, meaning)
    hits: list[tuple[HitMoment, Detail]] = []
    for size in CANDIDATES:
        chosen = _best(order, size)
        hits, all_good = _hits(conn, ask, meaning, view, words, shares, chosen)
        if len(hits) >= ask.limit or len(chosen) < size or not all_good:
            break
    hits = hits[: ask.limit]
    least = fusion.cut((moment.score for moment, _ in hits), ask.score_threshold, ask.dynamic_score_percentage)
    return [hit for hit in hits if hit[0].score >= least]


def _look_up(
    conn: Connection,
    view: View,
    query: Query,
    mask: NDArray[np.bool_],
    first: int,
    last: int,
    *,
    search_older: bool,
) -> Words:
    """Find the words in the rows ``first`` to ``last``.

    With ``search_older``, older documents that contain all common words are also found. A search by meaning finds them
    without it.
    """
    found_rows: list[NDArray[np.int64]] = []
    horizons: list[int] = []
    counts: list[float] = []
    span = last - first + 1
    for term in query.terms:
        found = rows.postings(conn, term.match, POSTINGS, int(view.ids[first]), int(view.ids[last]))
        horizon = first
        count = float(len(found))
        if len(found) == POSTINGS:
            horizon = int(np.searchsorted(view.ids, found[-1]))
            count *= span / max(1, last - horizon + 1)  # assumes the same frequency in older rows
        at = view.rows(found)
        found_rows.append(at[mask[at]])
        horizons.append(horizon)
        counts.append(count)
    common = [number for number, horizon in enumerate(horizons) if horizon > first]
    if search_older and len(common) > 1:
        match = " AND ".join(query.terms[number].match for number in common)
        both = view.rows(rows.postings(conn, match, POSTINGS, int(view.ids[first]), int(view.ids[last])))
        for number in common:
            found_rows[number] = np.union1d(found_rows[number], both[mask[both]])
    return Words(fusion.weights(counts, span), found_rows, horizons)


def _order(
    view: View, mask: NDArray[np.bool_], words: Words, shares: NDArray[np.float32], meaning: Meaning | None
) -> NDArray[np.int16]:
    """Return the estimated distance of each row in bits as int16 [rows]. Found words reduce it. ``FAR``: no hit."""
    if meaning is None:
        return np.where(mask & (shares > 0), np.rint(10_000 * (1 - shares)), FAR).astype(np.int16)
    dimensions = len(meaning.vector)
    order = view.distances(sign_bits(meaning.vector[None])[0], mask)
    worded = np.concatenate(words.rows)  # a row with several words occurs several times, with the same result
    known = order[worded].astype(np.float32)
    unembedded = known == FAR
    if unembedded.any():
        known[unembedded] = np.arccos(fusion.UNEMBEDDED * shares[worded[unembedded]]) * dimensions / math.pi
    # Near 90 degrees, one bit corresponds to a cosine of pi / dimensions.
    order[worded] = np.rint(known - fusion.WORD_WEIGHT * shares[worded] * dimensions / math.pi)
    return order


def _best(order: NDArray[np.int16], size: int) -> NDArray[np.int64]:
    """Return the rows of the ``size`` best candidates. Among equals, the newest come first."""
    limit = FAR - 1 if len(order) <= size else min(np.partition(order, size)[size], FAR - 1)
    close = np.flatnonzero(order <= limit)[::-1]
    return close[np.argsort(order[close], kind="stable")][:size]


def _hits(
    conn: Connection,
    ask: SearchQuery,
    meaning: Meaning | None,
    view: View,
    words: Words,
    shares: NDArray[np.float32],
    chosen: NDArray[np.int64],
) -> tuple[list[tuple[HitMoment, Detail]], bool]:
    """Score candidates exactly, drop noise and filtered ones, merge the rest, and add their details.

    Returns:
        The hits, and whether nearly all candidates were good, so that scoring more may find more hits.
    """
    cosines = _cosines(conn, view.ids[chosen].tolist(), meaning)
    scored: list[tuple[float, int, int]] = []
    for doc, row, share in zip(view.ids[chosen].tolist(), chosen.tolist(), shares[chosen].tolist(), strict=True):
        value = fusion.score(cosines.get(doc), share, by_meaning=meaning is not None)
        if ask.score_threshold is not None:
            noise = value < ask.score_threshold - fusion.WORD_WEIGHT  # common words may still increase the score
        else:
            noise = meaning is not None and fusion.is_noise(cosines.get(doc), share)
        if not noise:
            scored.append((value, doc, row))
    scored.sort(reverse=True)
    all_good = len(scored) >= GOOD_SHARE * len(chosen)
    if not ask.filter and len(chosen) <= CANDIDATES[0]:
        scored = scored[: max(50, 4 * ask.limit)]
    texts = rows.texts(conn, (doc for _, doc, _ in scored))
    common = _older_words(conn, words, ask.query, scored, texts)
    moments: list[HitMoment] = []
    for _, doc, row in scored:
        if doc in texts:
            share = float(shares[row]) + common.get(doc, 0.0)
            value = fusion.score(cosines.get(doc), share, by_meaning=meaning is not None)
            place, start, end = int(view.places[row]), float(view.starts[row]), float(view.ends[row])
            moments.append(HitMoment(doc, place, start, end, texts[doc], value))
    if ask.filter:
        facts = rows.details(conn, (moment.doc for moment in moments))
        moments = [m for m in moments if m.doc in facts and holds(ask.filter, record(m, facts[m.doc]))]
    joined = fusion.merge(moments)[: ask.limit]
    facts = rows.details(conn, (moment.doc for moment in joined))
    return [(moment, facts[moment.doc]) for moment in joined if moment.doc in facts], all_good


def _cosines(conn: Connection, ids: Sequence[int], meaning: Meaning | None) -> dict[int, float]:
    if meaning is None:
        return {}
    found, vectors = rows.vectors(conn, ids, meaning.model, len(meaning.vector))
    return dict(zip(found, (vectors.astype(np.float32) @ meaning.vector).tolist(), strict=True))


def _older_words(
    conn: Connection,
    words: Words,
    query: Query,
    scored: Sequence[tuple[float, int, int]],
    texts: dict[int, str],
) -> dict[int, float]:
    """Return the uncounted weights of common words in candidates that are older than the postings read."""
    common = [number for number, horizon in enumerate(words.horizons) if any(row < horizon for _, _, row in scored)]
    if not common:
        return {}
    oldest = max(words.horizons[number] for number in common)
    old = {doc: row for _, doc, row in scored if row < oldest and doc in texts}
    found = rows.matching(conn, {doc: texts[doc] for doc in old}, [query.terms[number].match for number in common])
    missing: dict[int, float] = {}
    for number, docs in zip(common, found, strict=True):
        counted = set(words.rows[number].tolist())
        for doc in docs:
            if old[doc] not in counted:
                missing[doc] = missing.get(doc, 0.0) + words.weights[number]
    return missing


def record(moment: HitMoment, detail: Detail) -> JsonObject:
    """Return the fields of a hit that a filter may use."""
    return {
        **detail.metadata.get("data", {}),
        "kind": detail.kind,
        "stream_id": detail.stream_id,
        "stream_name": detail.stream_name,
        "index_id": detail.index_id,
        "index_name": detail.index_name,
        "start": moment.start,
        "end": moment.end,
        "text": moment.text,
        "metadata": detail.metadata,
    }
