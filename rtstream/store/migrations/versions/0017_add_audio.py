"""Add whether the audio of a stream is read, which its media types no longer decide."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("streams", sa.Column("audio", sa.Boolean()))
    # Audio that was not recorded stays off, because the user may have wanted it so.
    op.execute("UPDATE streams SET audio = (media_types LIKE '%audio%')")
    with op.batch_alter_table("streams") as batch:
        batch.alter_column("audio", nullable=False)
