"""Store each stream's limits and recorded bytes, and the footage that retention must keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rtstream.store.migrations.history import present

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    names = present(op.get_bind())
    if "streams.retention" not in names:
        op.add_column("streams", sa.Column("retention", sa.JSON()))
        op.add_column("streams", sa.Column("recorded_bytes", sa.Integer()))
        op.execute(
            "UPDATE streams SET retention = '{}', recorded_bytes = "
            "coalesce((SELECT sum(length) FROM segments WHERE segments.stream_id = streams.id), 0)"
        )
        with op.batch_alter_table("streams") as batch:
            batch.alter_column("retention", nullable=False)
            batch.alter_column("recorded_bytes", nullable=False)
    op.create_table(
        "pins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("stream_id", sa.String, sa.ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("alert_id", sa.String, nullable=False),
        if_not_exists=True,
    )
    op.create_index("pins_by_stream", "pins", ["stream_id", "start"], if_not_exists=True)
