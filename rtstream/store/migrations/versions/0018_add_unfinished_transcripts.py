"""Add the transcriptions of videos that have not ended, so that they continue where they were interrupted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "unfinished_transcripts",
        sa.Column("video_id", sa.String(), sa.ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("language", sa.String()),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "unfinished_utterances",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "video_id",
            sa.String(),
            sa.ForeignKey("unfinished_transcripts.video_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
    )
    op.create_index("ix_unfinished_utterances_video_id", "unfinished_utterances", ["video_id"])
