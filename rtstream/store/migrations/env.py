"""Environment of Alembic, which runs this module for each command on the connection and transaction of its caller."""

from __future__ import annotations

from alembic import context

from rtstream.store import gap_tables, search_tables, tables

# All of these modules fill the same metadata.
assert search_tables.search_docs.metadata is gap_tables.gaps.metadata is tables.metadata


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out the tables of the word index, which SQLAlchemy cannot describe."""
    return kind != "table" or not (name or "").startswith("search_words")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
    include_name=ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
