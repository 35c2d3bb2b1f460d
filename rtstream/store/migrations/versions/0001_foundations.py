"""Create the tables of the first schema: streams, recordings, indexes, alerts, transcripts, journal."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

revision = "0001"
down_revision = None

_TABLES = MetaData()

Table(
    "collections",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("description", String, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
)
Table(
    "streams",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("url", Text, nullable=False),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("media_types", JSON, nullable=False),
    Column("sample_rate", Float, nullable=False),
    Column("store", Boolean, nullable=False),
    Column("enable_transcript", Boolean, nullable=False),
    Column("desired", String, nullable=False),
    Column("health", JSON, nullable=False),
    Column("media", JSON),
)
Table(
    "recordings",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("init", LargeBinary, nullable=False),
    Column("codecs", String, nullable=False),
)
Table(
    "segments",
    _TABLES,
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("start", Float, primary_key=True),
    Column("duration", Float, nullable=False),
    Column("recording_id", ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False),
    Column("path", String, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Table(
    "scene_indexes",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String),
    Column("extraction_type", String, nullable=False),
    Column("extraction_config", JSON, nullable=False),
    Column("prompt", Text),
    Column("model_name", String),
    Column("model_config", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("status_reason", String, nullable=False),
    Column("counters", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)
Table(
    "scenes",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE"), nullable=False),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("model", String, nullable=False),
    Column("data", JSON),
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("scenes_by_index", "index_id", "start"),
    Index("scenes_by_stream", "stream_id", "start"),
)
Table(
    "transcript_jobs",
    _TABLES,
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("language", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)
Table(
    "transcript_segments",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("engine", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("transcripts_by_stream", "stream_id", "engine", "start"),
)
Table(
    "events",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("label", String, nullable=False),
    Column("rule", JSON),
    Column("created_at", Float, nullable=False),
)
Table(
    "alerts",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event_id", ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("callback_url", Text),
    Column("status", String, nullable=False),
    Column("options", JSON, nullable=False),
    Column("state", JSON, nullable=False),
    Column("fired", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)
Table(
    "decisions",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("scene_id", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("confidence", Float),
    Column("explanation", Text, nullable=False),
    Column("seq", Integer),
    Index("decisions_by_alert", "alert_id", "at"),
)
Table(
    "deliveries",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("deliveries_due", "state", "next_at"),
    Index("deliveries_by_alert", "alert_id", "seq"),
)
Table(
    "delivery_attempts",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("status", Integer),
    Column("latency_s", Float, nullable=False),
    Column("error", String, nullable=False),
)
Table(
    "videos",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    Column("stream_id", String, index=True),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)
Table(
    "journal",
    _TABLES,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("channel", String, nullable=False),
    Column("stream_id", String, nullable=False),
    Column("stream_name", String, nullable=False),
    Column("index_id", String, nullable=False),
    Column("alert_id", String, nullable=False),
    Column("data", JSON, nullable=False),
    Index("journal_by_stream", "stream_id", "channel", "seq"),
    sqlite_autoincrement=True,
)
Table(
    "ws_bindings",
    _TABLES,
    Column("connection_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("target_id", String, primary_key=True),
    Column("created_at", Float, nullable=False),
)


def upgrade() -> None:
    _TABLES.create_all(op.get_bind())
