"""Index only the deliveries that are pending, and store small values by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("deliveries_due", if_exists=True)
    op.create_index(
        "deliveries_pending",
        "deliveries",
        ["alert_id", "seq"],
        sqlite_where=sa.text("state = 'pending'"),
        if_not_exists=True,
    )
    op.create_table(
        "kept",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        if_not_exists=True,
    )
