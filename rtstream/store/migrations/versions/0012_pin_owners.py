"""Store the kind of the owner of each pinned range in a column instead of a prefix of its id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("pins", sa.Column("owner_kind", sa.String(), nullable=True))
    op.execute("UPDATE pins SET owner_kind = CASE WHEN alert_id LIKE 'export:%' THEN 'export' ELSE 'alert' END")
    op.execute("UPDATE pins SET alert_id = substr(alert_id, 8) WHERE owner_kind = 'export'")
    with op.batch_alter_table("pins") as batch:
        batch.alter_column("owner_kind", nullable=False)
        batch.alter_column("alert_id", new_column_name="owner_id")
