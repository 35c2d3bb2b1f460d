"""The tables of search: documents, their words (FTS5) and vectors, and the triggers that keep them consistent.

The text of a document stays in the row where it was written (scenes, transcript segments). The word index is
contentless, so no text is stored twice. Only the text of an alert, which combines several rows, and that of a sentence
with corrections, which is found with them and without them, are stored with their documents.

This module supports SQLite only. Another database needs a word index of its own behind ``rtstream.store.search``.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy.engine import Connection

from rtstream.store.gap_tables import metadata

SCENES, TRANSCRIPTS, DECISIONS, SPOKEN = 0, 1, 2, 3
"""Origins, the tables that documents come from."""

search_places = Table(
    "search_places",
    metadata,
    Column("id", Integer, primary_key=True),
    # "visual", "audio", "transcript", "alert" of a stream, or "video" for the transcript of an exported video
    Column("kind", String, nullable=False),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE")),
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE")),
    # Empty for a transcript and a video.
    Column("index_id", String, nullable=False),
    # One of the two columns that name the owner is null, and nulls are never equal.
    Index("search_places_of_streams", "stream_id", "kind", "index_id", unique=True),
    Index("search_places_of_videos", "video_id", unique=True),
    sqlite_autoincrement=True,
)

search_docs = Table(
    "search_docs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("origin", Integer, nullable=False),
    # Row of the origin with the text, which is the newest one if consecutive equal scenes became one document.
    Column("ref", Integer, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text),
    # Sign bits of its vector and their model. They are in this narrow table because they are loaded at start.
    Column("model", Integer),
    Column("bits", LargeBinary),
    Index("search_docs_by_ref", "ref", "origin", unique=True),
    # A number is never reused, because it is also the row number in the word index.
    sqlite_autoincrement=True,
)

search_vectors = Table(
    "search_vectors",
    metadata,
    Column("doc_id", ForeignKey("search_docs.id", ondelete="CASCADE"), primary_key=True),
    Column("model", Integer, nullable=False),
    # float16, little-endian, unit length
    Column("vector", LargeBinary, nullable=False),
)

search_models = Table(
    "search_models",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

# The last row that was read from each origin.
search_cursors = Table(
    "search_cursors",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("reached", Integer, nullable=False),
)

# Deleted documents, with the text needed to remove their words. Removing words from the index is slow (0.3 ms per
# document), so it does not happen in the transaction that deletes a stream with all its scenes.
search_removed = Table(
    "search_removed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False),
)

TOKENIZER = "porter unicode61 remove_diacritics 2"

_WORDS = f"""
CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(
    text, content='', columnsize=0, prefix='2 3', tokenize='{TOKENIZER}'
)"""

# Row numbers of the origins may be reused after the newest rows are deleted, so the cursor goes back with them.
_REMOVED = """
CREATE TRIGGER IF NOT EXISTS search_removed_{table} AFTER DELETE ON {table} BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, {text} FROM search_docs WHERE ref = old.id AND origin = {origin};
    DELETE FROM search_docs WHERE ref = old.id AND origin = {origin};
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM {table}), 0))
        WHERE origin = {origin};
END"""


def create(conn: Connection) -> None:
    """Create the word index and the triggers for deletions, cascades included, which SQLAlchemy cannot describe."""
    if conn.dialect.name != "sqlite":
        return
    conn.exec_driver_sql(_WORDS)
    for origin, table, text in (
        (SCENES, "scenes", "old.text"),
        (TRANSCRIPTS, "transcript_segments", "coalesce(text, old.text)"),
        (DECISIONS, "decisions", "text"),
        (SPOKEN, "video_segments", "old.text"),
    ):
        conn.exec_driver_sql(_REMOVED.format(origin=origin, table=table, text=text))
        conn.exec_driver_sql("INSERT OR IGNORE INTO search_cursors(origin, reached) VALUES (?, 0)", (origin,))
