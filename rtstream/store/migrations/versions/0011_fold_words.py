"""Rebuild the word index from folded texts, so that case, width and ligatures do not matter."""

from __future__ import annotations

from alembic import op

from rtstream.rules.text_folding import fold

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    driver.create_function("fold", 1, fold, deterministic=True)  # pyright: ignore[reportOptionalMemberAccess]
    op.execute("DROP TABLE search_words")
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING fts5(\n"
        "    text, content='', columnsize=0, prefix='2 3', tokenize='porter unicode61 remove_diacritics 2'\n)"
    )
    # Includes removed documents, because their words are deleted from the index later, which requires them to be in it.
    op.execute(
        "INSERT INTO search_words(rowid, text) SELECT id, fold(text) FROM ("
        "SELECT d.id, coalesce(d.text, s.text, t.text, v.text, '') AS text FROM search_docs d "
        "LEFT JOIN scenes s ON d.origin = 0 AND s.id = d.ref "
        "LEFT JOIN transcript_segments t ON d.origin = 1 AND t.id = d.ref "
        "LEFT JOIN video_segments v ON d.origin = 3 AND v.id = d.ref "
        "UNION ALL SELECT id, text FROM search_removed) ORDER BY id"
    )
