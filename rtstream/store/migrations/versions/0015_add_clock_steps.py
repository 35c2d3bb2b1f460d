"""Add how far results are from before the clock was set back, so that they say nothing about the time since then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("scene_indexes", sa.Column("after_scene", sa.Integer))
    op.add_column("gaps", sa.Column("after_scene", sa.Integer))
    op.add_column("gaps", sa.Column("after_media", sa.Float))
    op.add_column("transcript_progress", sa.Column("after_segment", sa.Integer))
