"""Create the tables of search. The engine indexes stored results after it has started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "search_places",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("index_id", sa.String, nullable=False),
        sa.UniqueConstraint("kind", "stream_id", "index_id"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "search_docs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("origin", sa.Integer, nullable=False),
        sa.Column("ref", sa.Integer, nullable=False),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("model", sa.Integer),
        sa.Column("bits", sa.LargeBinary),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("search_docs_by_ref", "search_docs", ["ref", "origin"], unique=True, if_not_exists=True)
    op.create_table(
        "search_vectors",
        sa.Column("doc_id", sa.Integer, sa.ForeignKey("search_docs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model", sa.Integer, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "search_models",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        if_not_exists=True,
    )
    op.create_table(
        "search_cursors",
        sa.Column("origin", sa.Integer, primary_key=True),
        sa.Column("reached", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table("search_removed", sa.Column("id", sa.Integer, primary_key=True), if_not_exists=True)
    op.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(\n"
        "    text, content='', columnsize=0, prefix='2 3', tokenize='porter unicode61 remove_diacritics 2'\n)"
    )
