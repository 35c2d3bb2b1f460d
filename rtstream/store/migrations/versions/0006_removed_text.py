"""Store the text of removed documents, so that their words leave the index in the background."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rtstream.store.migrations.history import present

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    if "search_removed.text" in present(op.get_bind()):
        return
    for table in ("scenes", "transcript_segments", "decisions"):
        op.execute(f"DROP TRIGGER IF EXISTS search_removed_{table}")
    # Its rows only notified the running engine of documents whose words had already been removed from the index.
    op.drop_table("search_removed")
    op.create_table(
        "search_removed",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
