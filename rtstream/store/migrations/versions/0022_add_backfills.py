"""Add backfills, the analysis of recorded footage on request, and the ranges that were transcribed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

# Before this revision, only the speech itself is known. Pauses of a minute are taken for parts that were not heard.
_HEARD = """
INSERT INTO speech_ranges (stream_id, engine, start, "end")
SELECT stream_id, engine, min(start), max("end") FROM (
    SELECT *, sum(begins) OVER (PARTITION BY stream_id, engine ORDER BY start, id) AS part FROM (
        SELECT id, stream_id, engine, start, "end",
            start - lag("end", 1, -1e9) OVER (PARTITION BY stream_id, engine ORDER BY start, id) > 60 AS begins
        FROM transcript_segments WHERE kind = 'speech'
    )
)
GROUP BY stream_id, engine, part
"""


def upgrade() -> None:
    op.create_table(
        "backfills",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("stream_id", sa.String(), sa.ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("index_id", sa.String(), sa.ForeignKey("scene_indexes.id", ondelete="CASCADE")),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("language", sa.String()),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float()),
        sa.Column("counters", sa.JSON(), nullable=False),
        sa.Column("most_cost", sa.Float()),
        sa.Column("created_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "speech_ranges",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("stream_id", sa.String(), sa.ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
    )
    op.create_index("speech_by_stream", "speech_ranges", ["stream_id", "engine", "start"])
    op.add_column("gaps", sa.Column("backfill_id", sa.String()))
    op.execute(_HEARD)
