"""Add gaps, which are analysed afterwards, and the state of alerts in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("index_id", sa.String, sa.ForeignKey("scene_indexes.id", ondelete="CASCADE")),
        sa.Column("engine", sa.String, nullable=False),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float),
        sa.Column("reached", sa.Float, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("dropped", sa.Integer, nullable=False),
        sa.Column("analysed", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_gaps_index_id", "gaps", ["index_id"])
    op.create_table(
        "gap_alerts",
        sa.Column("gap_id", sa.Integer, sa.ForeignKey("gaps.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("alert_id", sa.String, sa.ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.JSON(none_as_null=True)),
        sa.Column("judged_scene", sa.Integer, nullable=False),
    )
    op.create_table(
        "transcript_progress",
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("engine", sa.String, primary_key=True),
        sa.Column("heard_until", sa.Float, nullable=False),
    )
    op.add_column("scene_indexes", sa.Column("looked_from", sa.Float()))
    op.add_column("scenes", sa.Column("gap_id", sa.Integer()))
