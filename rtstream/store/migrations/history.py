"""Recognises the schema of databases from before revisions were recorded in them.

All of them have ``user_version`` 1, and a newer program may have added its new tables beside old ones. The existing
tables, columns and indexes therefore decide. A database counts as the last revision that it contains completely, and
every migration up to 0008 skips objects that already exist.
"""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.errors import Conflict

NOT_OURS = "The database is not one of rtstream-mcp. Use another data folder, or move the file away."

OURS = ("streams", "recordings", "segments", "journal")
"""Tables that every database of this program has had from the beginning."""

_ADDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("0002", ("recordings.closed", "alerts.judged_scene", "deliveries.url")),
    ("0003", ("streams.retention", "streams.recorded_bytes", "pins")),
    (
        "0004",
        (
            *("search_places", "search_docs", "search_vectors", "search_models", "search_cursors", "search_removed"),
            "search_words",
        ),
    ),
    ("0005", ("kept", "deliveries_pending")),
    ("0006", ("search_removed.text",)),
    ("0007", ("search_places.video_id", "video_transcripts", "video_segments")),
    ("0008", ("video_transcripts.sound",)),
)
"""Names of tables, indexes and columns (as table.column) that each revision added."""


def present(conn: Connection) -> set[str]:
    """List the names of all tables and indexes, and of all columns as ``table.column``."""
    objects = conn.exec_driver_sql("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index')").all()
    names = {name for _, name in objects}
    columns = conn.exec_driver_sql(
        "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    return names | set(columns.scalars())


def baseline(conn: Connection) -> str:
    """Find the revision of a database that does not record it.

    Raises:
        Conflict: The database was not written by this program, or by a version that is newer than the record.
    """
    names = present(conn)
    if not names.issuperset(OURS):
        raise Conflict(NOT_OURS)
    version = conn.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > 1:
        raise Conflict(
            f"The database has version {version} but no record of its schema. "
            "Restore one of the copies beside it, or use another data folder."
        )
    found = "0001"
    for revision, added in _ADDED:
        if not names.issuperset(added):
            break
        found = revision
    return found
