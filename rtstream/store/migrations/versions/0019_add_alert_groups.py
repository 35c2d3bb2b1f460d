"""Add alerts on several streams, which are also created for later ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "alert_groups",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, sa.ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
        sa.Column("streams", sa.JSON(none_as_null=True)),
        sa.Column("callback_url", sa.Text),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "alert_group_streams",
        sa.Column("group_id", sa.String, sa.ForeignKey("alert_groups.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("alert_id", sa.String, sa.ForeignKey("alerts.id", ondelete="SET NULL")),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_group_streams_alert_id", "alert_group_streams", ["alert_id"])
