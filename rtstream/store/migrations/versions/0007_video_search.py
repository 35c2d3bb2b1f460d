"""Let a place of search belong to a video, and store the transcripts of videos."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rtstream.store.migrations.history import present

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    if "search_places.video_id" not in present(op.get_bind()):
        _replace_places()
    op.create_index(
        "search_places_of_streams",
        "search_places",
        ["stream_id", "kind", "index_id"],
        unique=True,
        if_not_exists=True,
    )
    op.create_index("search_places_of_videos", "search_places", ["video_id"], unique=True, if_not_exists=True)
    op.create_table(
        "video_transcripts",
        sa.Column("video_id", sa.String, sa.ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("engine", sa.String, nullable=False),
        sa.Column("language", sa.String),
        sa.Column("created_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "video_segments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("video_id", sa.String, sa.ForeignKey("videos.id", ondelete="CASCADE"), nullable=False),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("words", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("video_segments_by_video", "video_segments", ["video_id", "start"], if_not_exists=True)


def _replace_places() -> None:
    """In SQL, because Alembic's batch mode cannot remove a constraint without a name."""
    op.create_table(
        "search_places_new",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE")),
        sa.Column("video_id", sa.String, sa.ForeignKey("videos.id", ondelete="CASCADE")),
        sa.Column("index_id", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO search_places_new(id, kind, stream_id, index_id) "
        "SELECT id, kind, stream_id, index_id FROM search_places"
    )
    op.drop_table("search_places")
    op.rename_table("search_places_new", "search_places")
