"""Add the media start, which orders the recordings of a stream even if the clock was set back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("recordings", sa.Column("media_start", sa.Float()))
