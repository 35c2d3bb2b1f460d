"""Databases with known rows, and ways to damage them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text

from rtstream.store import streams
from rtstream.store.database import Database

SENTENCES = 4000


def filled(data: Path, sentences: int = SENTENCES, *, names: tuple[str, ...] = ("Door", "Yard")) -> Path:
    """A closed database with streams and a long transcript. Returns its path."""
    db = Database.below(data)

    def fill(conn: Connection) -> None:
        streams.ensure_default_collection(conn, 0.0)
        for name in names:
            streams.insert(
                conn,
                id=f"rts-{name.lower()}",
                name=name,
                url="rtsp://h/x",
                collection_id="default",
                created_at=0,
                media_types=[],
                sample_rate=1,
                store=True,
                enable_transcript=False,
                desired="stopped",
                health={},
            )
        insert = text(
            'INSERT INTO transcript_segments (stream_id, engine, start, "end", text, kind, detail, created_at) '
            "VALUES ('rts-door', 'local', :at, :at, :words, 'speech', '{}', 0)"
        )
        conn.execute(insert, [{"at": at, "words": f"sentence {at} " + "word " * 20} for at in range(sentences)])

    with db._engine.begin() as conn:
        fill(conn)
    db.close()
    path = data / "rtstream.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path


def pages_of(path: Path, table: str) -> list[int]:
    """Numbers of the leaf pages of a table, by looking for its text."""
    size = 4096
    data = path.read_bytes()
    marks = {"transcript_segments": b"sentence ", "streams": b"rtsp://h/x"}[table]
    return [at // size + 1 for at in range(0, len(data), size) if marks in data[at : at + size]]


def overwrite(path: Path, page: int, count: int = 1) -> None:
    """Fill pages with bytes that do not form a page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096 * count)


def sentences_of(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        return [int(row[0]) for row in db.execute("SELECT start FROM transcript_segments ORDER BY start")]


def names_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT name FROM streams ORDER BY name")]
