"""Queries of search: new documents, matching words, vectors, and the details of hits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from rtstream.imports import LateModule
from rtstream.json_types import JsonObject
from rtstream.rules.text_folding import fold
from rtstream.store import documents as memory
from rtstream.store.search_tables import (
    DECISIONS,
    SCENES,
    SPOKEN,
    TOKENIZER,
    TRANSCRIPTS,
    search_cursors,
    search_docs,
    search_models,
    search_places,
    search_removed,
)
from rtstream.store.tables import (
    alerts,
    decisions,
    events,
    scene_indexes,
    scenes,
    transcript_segments,
    video_segments,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LateModule("numpy")

VIDEO = "video"
"""Kind of the transcripts of exported videos."""

Place = tuple[str, str, str]
"""Kind, owner (a stream, or a video for the kind ``video``) and index (empty for transcripts and videos)."""


@dataclass(frozen=True)
class DocumentSource:
    """A row of an origin that becomes a document, unless its ``text`` is empty."""

    ref: int
    place: Place
    start: float
    end: float
    text: str
    stored_text: str | None = None
    """The text, if no other row contains it."""


def new_sources(conn: Connection, origin: int, limit: int) -> list[DocumentSource]:
    """Return the next unread rows of an origin, in the order in which they were written."""
    reached = conn.execute(select(search_cursors.c.reached).where(search_cursors.c.origin == origin)).scalar_one()
    return _READ[origin](conn, reached, limit)


def _new_scenes(conn: Connection, reached: int, limit: int) -> list[DocumentSource]:
    rows = conn.execute(
        select(
            scenes.c.id,
            scenes.c.stream_id,
            scenes.c.index_id,
            scenes.c.start,
            scenes.c.end,
            scenes.c.text,
            scenes.c.status,
            scene_indexes.c.extraction_type,
        )
        .join(scene_indexes, scene_indexes.c.id == scenes.c.index_id)
        .where(scenes.c.id > reached)
        .order_by(scenes.c.id)
        .limit(limit)
    ).all()
    return [
        DocumentSource(
            row.id,
            ("audio" if row.extraction_type == "transcript" else "visual", row.stream_id, row.index_id),
            row.start,
            row.end,
            row.text if row.status == "ok" else "",
        )
        for row in rows
    ]


def _new_transcripts(conn: Connection, reached: int, limit: int) -> list[DocumentSource]:
    rows = conn.execute(
        select(transcript_segments)
        .where(transcript_segments.c.id > reached)
        .order_by(transcript_segments.c.id)
        .limit(limit)
    ).all()
    sources: list[DocumentSource] = []
    for row in rows:
        heard = (row.detail or {}).get("heard")
        both = f"{row.text} (heard as: {heard})" if heard else None  # a correction is found by either text
        text = (both or row.text) if row.kind == "speech" else ""
        sources.append(DocumentSource(row.id, ("transcript", row.stream_id, ""), row.start, row.end, text, both))
    return sources


def _new_alerts(conn: Connection, reached: int, limit: int) -> list[DocumentSource]:
    rows = conn.execute(
        select(
            decisions.c.id,
            decisions.c.outcome,
            decisions.c.explanation,
            events.c.label,
            func.coalesce(alerts.c.index_id, "").label("index_id"),
            alerts.c.stream_id,
            # An alert may outlive its scene or sentence, or never had one.
            func.coalesce(scenes.c.start, transcript_segments.c.start, decisions.c.at).label("start"),
            func.coalesce(scenes.c.end, transcript_segments.c.end, decisions.c.at).label("end"),
        )
        .join(alerts, alerts.c.id == decisions.c.alert_id)
        .join(events, events.c.id == alerts.c.event_id)
        .outerjoin(scenes, scenes.c.id == decisions.c.scene_id)
        .outerjoin(transcript_segments, transcript_segments.c.id == decisions.c.segment_id)
        .where(decisions.c.id > reached)
        .order_by(decisions.c.id)
        .limit(limit)
    ).all()
    sources: list[DocumentSource] = []
    for row in rows:
        text = f"{row.label}: {row.explanation}" if row.explanation else row.label
        place = ("alert", row.stream_id, row.index_id)
        sources.append(DocumentSource(row.id, place, row.start, row.end, text if row.outcome == "fired" else "", text))
    return sources


def _new_spoken(conn: Connection, reached: int, limit: int) -> list[DocumentSource]:
    rows = conn.execute(
        select(video_segments).where(video_segments.c.id > reached).order_by(video_segments.c.id).limit(limit)
    ).all()
    return [DocumentSource(row.id, (VIDEO, row.video_id, ""), row.start, row.end, row.text) for row in rows]


_READ: dict[int, Callable[[Connection, int, int], list[DocumentSource]]] = {
    SCENES: _new_scenes,
    TRANSCRIPTS: _new_transcripts,
    DECISIONS: _new_alerts,
    SPOKEN: _new_spoken,
}


def place_ids(conn: Connection, wanted: Iterable[Place]) -> dict[Place, int]:
    """Return the numbers of places. A place without a number gets one."""
    ids: dict[Place, int] = {}
    for place in set(wanted):
        kind, owner, index_id = place
        key = {"kind": kind, "index_id": index_id, "video_id" if kind == VIDEO else "stream_id": owner}
        conn.execute(insert(search_places).prefix_with("OR IGNORE", dialect="sqlite").values(**key))
        ids[place] = conn.execute(select(search_places.c.id).filter_by(**key)).scalar_one()
    return ids


class StoredPlace(NamedTuple):
    """A place with its number. Either ``stream_id`` or ``video_id`` is None."""

    id: int
    kind: str
    stream_id: str | None
    video_id: str | None
    index_id: str


def all_places(conn: Connection) -> list[StoredPlace]:
    """Return every place that has documents."""
    [(found,)] = _raw(
        conn, "SELECT json_group_array(json_array(id, kind, stream_id, video_id, index_id)) FROM search_places", ()
    )
    return [StoredPlace(*place) for place in json.loads(found)]


def add_document(conn: Connection, origin: int, place: int, source: DocumentSource) -> int:
    """Make a row of an origin searchable by its words. Returns the document's number, which only grows."""
    cursor = conn.connection.cursor()
    cursor.execute(
        'INSERT INTO search_docs(place, origin, ref, start, "end", text) VALUES (?, ?, ?, ?, ?, ?)',
        (place, origin, source.ref, source.start, source.end, source.stored_text),
    )
    doc = int(cursor.lastrowid)  # pyright: ignore[reportAttributeAccessIssue] - of SQLite's cursor
    cursor.execute("INSERT INTO search_words(rowid, text) VALUES (?, ?)", (doc, fold(source.text)))
    cursor.close()
    return doc


def extend_document(conn: Connection, doc: int, source: DocumentSource) -> bool:
    """Extend a document by a row with an equal text. Returns False if the document no longer exists."""
    changed = conn.execute(update(search_docs).where(search_docs.c.id == doc).values(end=source.end, ref=source.ref))
    return changed.rowcount > 0


def set_reached(conn: Connection, origin: int, ref: int) -> None:
    """Record that the rows of the origin up to this one have been read."""
    conn.execute(update(search_cursors).where(search_cursors.c.origin == origin).values(reached=ref))


def take_removed(conn: Connection, limit: int) -> list[int]:
    """Remove the words of deleted documents from the index. Returns the numbers of these documents, each once."""
    gone = _raw(conn, "SELECT id, text FROM search_removed ORDER BY id LIMIT ?", (limit,))
    if gone:
        cursor = conn.connection.cursor()
        words = [(doc, fold(text)) for doc, text in gone]  # a contentless index needs the text that was added
        cursor.executemany("INSERT INTO search_words(search_words, rowid, text) VALUES ('delete', ?, ?)", words)
        cursor.close()
        conn.execute(delete(search_removed).where(search_removed.c.id <= gone[-1][0]))
    return [doc for doc, _ in gone]


def model_id(conn: Connection, name: str) -> int:
    """Return the number that identifies this model in stored vectors."""
    conn.execute(insert(search_models).prefix_with("OR IGNORE", dialect="sqlite").values(name=name))
    return conn.execute(select(search_models.c.id).where(search_models.c.name == name)).scalar_one()


def page(
    conn: Connection, after: int, limit: int, model: int | None
) -> list[tuple[int, int, float, float, bytes | None]]:
    """Return the documents after this one as (id, place, start, end, sign bits of ``model`` or None)."""
    return _raw(
        conn,
        'SELECT id, place, start, "end", CASE WHEN model = ? THEN bits END FROM search_docs '
        "WHERE id > ? ORDER BY id LIMIT ?",
        (model, after, limit),
    )


def postings(conn: Connection, match: str, limit: int, first: int, last: int) -> NDArray[np.int64]:
    """Return up to ``limit`` documents from ``first`` to ``last`` that match an FTS5 expression, newest first."""
    [(found,)] = _raw(
        conn,
        "SELECT group_concat(doc) FROM (SELECT rowid AS doc FROM search_words WHERE search_words MATCH ? "
        "AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?)",
        (match, first, last, limit),
    )
    return np.fromstring(found, np.int64, sep=",") if found else np.zeros(0, np.int64)


def matching(conn: Connection, texts: dict[int, str], matches: Sequence[str]) -> list[set[int]]:
    """Return, for each FTS5 expression, which of a few texts match by the rules of the word index."""
    cursor = conn.connection.cursor()
    # A temporary table of this connection, which is empty outside this call.
    cursor.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_scratch "
        f"USING fts5(text, content='', columnsize=0, tokenize='{TOKENIZER}')"
    )
    cursor.execute("SAVEPOINT scratch")
    try:
        cursor.execute(
            "INSERT INTO search_scratch(rowid, text) SELECT CAST(key AS INTEGER), value FROM json_each(?)",
            (json.dumps({doc: fold(text) for doc, text in texts.items()}),),
        )
        found = "SELECT json_group_array(rowid) FROM search_scratch WHERE search_scratch MATCH ?"
        return [set(json.loads(cursor.execute(found, (match,)).fetchone()[0])) for match in matches]
    finally:
        cursor.execute("ROLLBACK TO scratch")
        cursor.execute("RELEASE scratch")
        cursor.close()


def vectors(conn: Connection, ids: Iterable[int], model: int, dimensions: int) -> tuple[list[int], NDArray[np.float16]]:
    """Return vectors, float16 [documents, dimensions], and the documents they belong to.

    Documents without a vector of this model and length are left out.
    """
    found = _raw(
        conn,
        "SELECT v.doc_id, v.vector FROM json_each(?) wanted CROSS JOIN search_vectors v "
        "ON v.doc_id = wanted.value AND v.model = ? AND length(v.vector) = ?",
        (_numbers(ids), model, 2 * dimensions),
    )
    blobs = b"".join(vector for _, vector in found)
    return [doc for doc, _ in found], np.frombuffer(blobs, "<f2").reshape(len(found), dimensions)


def set_vectors(conn: Connection, model: int, ids: Sequence[int], values: NDArray[np.float32]) -> None:
    """Store the vectors (float32 [documents, dimensions], unit length) of documents that still exist."""
    halves = values.astype("<f2")
    bits = memory.sign_bits(values)
    cursor = conn.connection.cursor()
    for doc, half, sign in zip(ids, halves, bits, strict=True):
        cursor.execute("UPDATE search_docs SET model = ?, bits = ? WHERE id = ?", (model, sign.tobytes(), int(doc)))
        if cursor.rowcount:
            cursor.execute(
                "INSERT OR REPLACE INTO search_vectors(doc_id, model, vector) VALUES (?, ?, ?)",
                (int(doc), model, half.tobytes()),
            )
    cursor.close()


_TEXTS = """
SELECT json_group_object(d.id, coalesce(d.text, s.text, t.text, v.text, ''))
FROM json_each(?) wanted
CROSS JOIN search_docs d ON d.id = wanted.value
LEFT JOIN scenes s ON d.origin = 0 AND s.id = d.ref
LEFT JOIN transcript_segments t ON d.origin = 1 AND t.id = d.ref
LEFT JOIN video_segments v ON d.origin = 3 AND v.id = d.ref"""

_DETAILS = """
SELECT d.id, p.kind, coalesce(p.stream_id, p.video_id), coalesce(st.name, vi.name),
    p.index_id, coalesce(i.name, ''), coalesce(c.seq, d.ref), s.model, s.data, t.engine, c.alert_id,
    e.label, c.segment_id,
    coalesce(json_extract(s.detail, '$.frame_times[#-1]'), json_extract(x.detail, '$.frame_times[#-1]'))
FROM search_docs d
JOIN search_places p ON p.id = d.place
LEFT JOIN streams st ON st.id = p.stream_id
LEFT JOIN videos vi ON vi.id = p.video_id
LEFT JOIN scene_indexes i ON i.id = p.index_id
LEFT JOIN scenes s ON d.origin = 0 AND s.id = d.ref
LEFT JOIN transcript_segments t ON d.origin = 1 AND t.id = d.ref
LEFT JOIN decisions c ON d.origin = 2 AND c.id = d.ref
LEFT JOIN scenes x ON x.id = c.scene_id
LEFT JOIN alerts a ON a.id = c.alert_id
LEFT JOIN events e ON e.id = a.event_id
WHERE d.id IN (SELECT value FROM json_each(?))"""


def texts(conn: Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the texts of documents. Deleted documents are left out."""
    [(found,)] = _raw(conn, _TEXTS, (_numbers(ids),))
    return {int(doc): text for doc, text in json.loads(found).items()}


@dataclass(frozen=True)
class Detail:
    """The details of a hit besides its text and times. For the kind ``video``, the stream is the exported video."""

    kind: str
    stream_id: str
    stream_name: str
    index_id: str
    index_name: str
    ref: int
    metadata: JsonObject
    of_sentence: bool = False
    """Whether it is an alert that fired on a sentence."""


def details(conn: Connection, ids: Iterable[int]) -> dict[int, Detail]:
    """Return the details of documents.

    ``ref`` is the scene, the transcript segment or the journal number of the alert.
    """
    rows = _raw(conn, _DETAILS, (_numbers(ids),))
    found: dict[int, Detail] = {}
    for doc, kind, stream_id, stream_name, index_id, index_name, ref, model, data, engine, *alert in rows:
        alert_id, label, segment_id, seen = alert
        facts = {"model": model, "engine": engine, "alert_id": alert_id, "label": label, "seen": seen}
        metadata = {key: value for key, value in facts.items() if value}
        parsed = json.loads(data) if data else None
        if parsed and isinstance(parsed, dict):
            metadata["data"] = parsed
        found[doc] = Detail(kind, stream_id, stream_name, index_id, index_name, ref, metadata, segment_id is not None)
    return found


_ORIGINS = {SCENES: scenes, TRANSCRIPTS: transcript_segments, DECISIONS: decisions, SPOKEN: video_segments}


_NEWEST = " UNION ALL ".join(
    f"SELECT {origin} AS origin, max(id) AS newest FROM {table.name}"  # noqa: S608 - names of ours
    for origin, table in _ORIGINS.items()
)
_PENDING = (
    "SELECT coalesce(sum(max(0, newest - reached)), 0), EXISTS (SELECT 1 FROM search_removed) "  # noqa: S608
    f"FROM search_cursors JOIN ({_NEWEST}) USING (origin)"
)


class Pending(NamedTuple):
    """The work that search has yet to do."""

    unread: int
    """Rows of the origins that are not documents yet. Approximate, because numbers may have gaps, but 0 is exact."""
    removed: bool
    """Whether documents have been deleted since ``take_removed``."""


def pending(conn: Connection) -> Pending:
    """Return the pending work. This is cheap, because it is called twice per second."""
    [(unread, removed)] = _raw(conn, _PENDING, ())
    return Pending(unread, bool(removed))


def _numbers(ids: Iterable[int]) -> str:
    """Return numbers for json_each, as a single parameter. They are sorted, so that neighbours are read together."""
    return json.dumps(sorted(int(doc) for doc in ids))


# Any: the columns are those of ``sql``, and each caller knows their types.
def _raw(conn: Connection, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """Return plain tuples, which are cheaper than SQLAlchemy's row objects.

    At each row, the driver releases Python's lock and waits for it while other threads are busy. Frequently read values
    therefore come as one row of JSON or of numbers with commas.
    """
    cursor = conn.connection.cursor()
    try:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
    finally:
        cursor.close()
