"""Add the tracks that the user prefers of a stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("streams", sa.Column("tracks", sa.String()))
