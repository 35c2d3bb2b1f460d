"""The tables of search: documents, their words (FTS5), their vectors, and what keeps them true to their sources.

The text of a document stays where it was written (scenes, transcript segments); the word index is contentless, so no
text is stored twice. Only an alert's text, which is put together from several rows, is kept with its document.

SQLite only: another database needs its own word index behind ``rtstream.store.search``.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy.engine import Connection

from rtstream.store.tables import metadata

SCENES, TRANSCRIPTS, DECISIONS, SPOKEN = 0, 1, 2, 3
"""Origins: the table a document comes from."""

search_places = Table(
    "search_places",
    metadata,
    Column("id", Integer, primary_key=True),
    # "visual", "audio", "transcript", "alert" of a stream; "video": what is said in an exported video
    Column("kind", String, nullable=False),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE")),
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE")),
    # Empty for a transcript and a video.
    Column("index_id", String, nullable=False),
    # Of the two columns that name its owner the other one is null, and nulls are never equal.
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
    # Row of the origin that holds the text: the newest one when equal scenes in a row became one document.
    Column("ref", Integer, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text),
    # Sign bits of its vector and the model they are of: read into memory at start, so they stay in this narrow table.
    Column("model", Integer),
    Column("bits", LargeBinary),
    Index("search_docs_by_ref", "ref", "origin", unique=True),
    # A number is never given twice: it is also the row number of the word index.
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

# How far each origin was read.
search_cursors = Table(
    "search_cursors",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("reached", Integer, nullable=False),
)

# Documents that went away, with the text their words must be taken out with. Taking words out of the index is slow
# (0.3 ms a document), so it is not done in the transaction that removes a stream with all its scenes.
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

# Row numbers of the origins may be given again after the newest rows were removed: the cursor goes back with them.
_REMOVED = """
CREATE TRIGGER IF NOT EXISTS search_removed_{table} AFTER DELETE ON {table} BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, {text} FROM search_docs WHERE ref = old.id AND origin = {origin};
    DELETE FROM search_docs WHERE ref = old.id AND origin = {origin};
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM {table}), 0))
        WHERE origin = {origin};
END"""


def create(conn: Connection) -> None:
    """Create what SQLAlchemy cannot describe: the word index, and the triggers that follow removals (any cascade)."""
    if conn.dialect.name != "sqlite":
        return
    conn.exec_driver_sql(_WORDS)
    for origin, table, text in (
        (SCENES, "scenes", "old.text"),
        (TRANSCRIPTS, "transcript_segments", "old.text"),
        (DECISIONS, "decisions", "text"),
        (SPOKEN, "video_segments", "old.text"),
    ):
        conn.exec_driver_sql(_REMOVED.format(origin=origin, table=table, text=text))
        conn.exec_driver_sql("INSERT OR IGNORE INTO search_cursors(origin, reached) VALUES (?, 0)", (origin,))
