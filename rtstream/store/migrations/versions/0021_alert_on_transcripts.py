"""Let alerts watch a stream without an index, and store the vocabulary of each stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("streams", sa.Column("vocabulary", sa.JSON(none_as_null=True)))
    op.add_column("decisions", sa.Column("segment_id", sa.Integer()))
    op.add_column("alerts", sa.Column("stream_id", sa.String()))
    op.execute(
        "UPDATE alerts SET stream_id = (SELECT stream_id FROM scene_indexes WHERE scene_indexes.id = alerts.index_id)"
    )
    op.execute("DELETE FROM alerts WHERE stream_id IS NULL")  # their index is gone
    with op.batch_alter_table("alerts") as batch:
        batch.alter_column("stream_id", nullable=False)
        batch.alter_column("index_id", nullable=True)
        batch.create_foreign_key("alerts_stream", "streams", ["stream_id"], ["id"], ondelete="CASCADE")
        batch.create_index("ix_alerts_stream_id", ["stream_id"])
    # It removes the words of sentences, which now may have been corrected. It is created again after the migrations.
    op.execute("DROP TRIGGER IF EXISTS search_removed_transcript_segments")
