"""Store whether a transcribed video has audio."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rtstream.store.migrations.history import present

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    if "video_transcripts.sound" in present(op.get_bind()):
        return
    op.add_column("video_transcripts", sa.Column("sound", sa.Boolean()))
    op.execute("UPDATE video_transcripts SET sound = 1")
    with op.batch_alter_table("video_transcripts", partial_reordering=[("language", "sound", "created_at")]) as batch:
        batch.alter_column("sound", nullable=False)
