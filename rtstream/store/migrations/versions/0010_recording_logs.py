"""Store the position up to which the log of each recording is applied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("log_position", sa.BigInteger(), nullable=True))
