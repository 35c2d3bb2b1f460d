"""Mark finished recordings, and store the newest evaluated scene of an alert and the URL of a delivery."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rtstream.store.migrations.history import present

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    names = present(op.get_bind())
    if "recordings.closed" not in names:
        _close_recordings()
    if "alerts.judged_scene" not in names:
        op.add_column("alerts", sa.Column("judged_scene", sa.Integer()))
        # Scenes from before the upgrade are not evaluated again.
        op.execute(
            "UPDATE alerts SET judged_scene = coalesce("
            "(SELECT max(id) FROM scenes WHERE scenes.index_id = alerts.index_id), 0)"
        )
        with op.batch_alter_table("alerts", partial_reordering=[("state", "judged_scene", "fired")]) as batch:
            batch.alter_column("judged_scene", nullable=False)
    if "deliveries.url" not in names:
        op.add_column("deliveries", sa.Column("url", sa.Text()))
        op.execute(
            "UPDATE deliveries SET url = coalesce("
            "(SELECT callback_url FROM alerts WHERE alerts.id = deliveries.alert_id), '')"
        )
        op.execute("UPDATE deliveries SET state = 'dead' WHERE url = '' AND state = 'pending'")
        with op.batch_alter_table("deliveries", partial_reordering=[("seq", "url", "payload")]) as batch:
            batch.alter_column("url", nullable=False)


def _close_recordings() -> None:
    op.add_column("recordings", sa.Column("closed", sa.Boolean()))
    op.execute(
        "UPDATE recordings SET closed = 1, ended_at = coalesce(ended_at, (SELECT max(start + duration) FROM segments "
        "WHERE segments.stream_id = recordings.stream_id AND segments.recording_id = recordings.id), started_at)"
    )
    with op.batch_alter_table("recordings", partial_reordering=[("ended_at", "closed", "init")]) as batch:
        batch.alter_column("closed", nullable=False)
        batch.alter_column("ended_at", nullable=False)
