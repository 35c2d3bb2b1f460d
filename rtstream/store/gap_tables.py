"""The tables of recorded footage that is analysed later: gaps, backfills, and the audio that was transcribed."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table

from rtstream.store.tables import metadata

gaps = Table(
    "gaps",
    metadata,
    # A range in which windows of an index, or the speech of a transcript, are still to be analysed.
    Column("id", Integer, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE"), index=True),
    # Speech engine of a transcript; empty for the gap of an index.
    Column("engine", String, nullable=False, default=""),
    Column("start", Float, nullable=False),
    # Null until live analysis has begun again.
    Column("end", Float),
    # Everything before it is done.
    Column("reached", Float, nullable=False),
    Column("reason", String, nullable=False),
    # Number of windows that were not looked at live, where it is known.
    Column("dropped", Integer, nullable=False, default=0),
    # Whether everything was analysed. Alerts may still have to be evaluated.
    Column("analysed", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
    # Only later scenes are of its windows; see ``scene_indexes.after_scene``.
    Column("after_scene", Integer),
    # Only recordings with a larger ``media_start`` are in it. Earlier ones are from before the clock was set back.
    Column("after_media", Float),
    # The backfill that it is a part of, if a user asked for it. The row of the backfill may be gone.
    Column("backfill_id", String),
    # The numbers of gaps are in scenes, so they are never used again.
    sqlite_autoincrement=True,
)

gap_alerts = Table(
    "gap_alerts",
    metadata,
    # The state of an alert in a gap. It begins with the state that the alert had when the gap began.
    Column("gap_id", ForeignKey("gaps.id", ondelete="CASCADE"), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    # Null: the alert does not evaluate this gap, because it was created or changed later.
    Column("state", JSON(none_as_null=True)),
    Column("judged_scene", Integer, nullable=False, default=0),
)

transcript_progress = Table(
    "transcript_progress",
    metadata,
    # All speech before ``heard_until`` is in the transcript or in a gap.
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String, primary_key=True),
    Column("heard_until", Float, nullable=False),
    # The last segment at that time. Earlier ones may be from before the clock was set back.
    Column("after_segment", Integer),
)

backfills = Table(
    "backfills",
    metadata,
    # An analysis of recorded footage that a user asked for. The row goes with the end of its job, whose id it has.
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    # Null: the backfill of a transcript.
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE")),
    # Speech engine, if speech is transcribed.
    Column("engine", String, nullable=False),
    Column("language", String),
    Column("start", Float, nullable=False),
    # Null: up to the first live result.
    Column("end", Float),
    # Counts of the report: windows by result and reason, seconds of audio, tokens.
    Column("counters", JSON, nullable=False),
    # The most that its models may cost, in US dollars, if the user agreed to a sum.
    Column("most_cost", Float),
    Column("created_at", Float, nullable=False),
)

speech_ranges = Table(
    "speech_ranges",
    metadata,
    # A range whose speech is in a transcript.
    Column("id", Integer, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("engine", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Index("speech_by_stream", "stream_id", "engine", "start"),
)
