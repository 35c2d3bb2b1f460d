"""Add the table of playback links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("target_hash", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE")),
        sa.Column("video_id", sa.String, sa.ForeignKey("videos.id", ondelete="CASCADE")),
        sa.Column("start", sa.Float),
        sa.Column("end", sa.Float),
        sa.Column("ranges", sa.JSON),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
    )
    op.create_index("links_by_target", "links", ["target_hash"], unique=True)
    op.create_index("links_by_age", "links", ["created_at"])
    op.create_index("ix_links_stream_id", "links", ["stream_id"])
    op.create_index("ix_links_video_id", "links", ["video_id"])
    op.create_index("ix_links_expires_at", "links", ["expires_at"])
