"""Add the URL of a sub stream, which is analysed in place of the main one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("streams", sa.Column("detect_url", sa.Text()))
