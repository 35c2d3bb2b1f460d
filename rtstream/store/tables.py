"""The tables. Times are Unix seconds (float); JSON columns hold plain lists and objects."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
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
    text,
)

metadata = MetaData()

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("description", String, nullable=False, default=""),
    Column("is_public", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    # With credentials. It leaves the store only for the recorder that opens it.
    Column("url", Text, nullable=False),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("media_types", JSON, nullable=False),  # as the client named them; they limit nothing
    Column("audio", Boolean, nullable=False, default=True),  # whether it is read
    Column("sample_rate", Float, nullable=False),
    Column("store", Boolean, nullable=False),
    Column("enable_transcript", Boolean, nullable=False),
    # State requested by the user. After a restart, streams with "running" are started again.
    Column("desired", String, nullable=False),
    Column("health", JSON, nullable=False),
    Column("media", JSON),
    # Limits of this stream, {"max_age_s", "max_bytes"}. For absent ones, those of the engine apply.
    Column("retention", JSON, nullable=False, default=dict),
    Column("tracks", String),  # that the user prefers, as rules.track_choice reads them
    Column("detect_url", Text),  # of the sub stream, with credentials
    Column("vocabulary", JSON(none_as_null=True)),  # terms that are said on it
    # Bytes of all its segments, updated with them, because summing millions of rows would take seconds.
    Column("recorded_bytes", Integer, nullable=False, default=0),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("started_at", Float, nullable=False),
    # End of its last segment, which grows while the recording continues. ``closed``: no more segments follow.
    Column("ended_at", Float, nullable=False),
    Column("closed", Boolean, nullable=False, default=False),
    # The fMP4 init segment (ftyp + moov) of the recording, and its codecs as in RFC 6381.
    Column("init", LargeBinary, nullable=False),
    Column("codecs", String, nullable=False),
    # Bytes of its log that these rows reflect; null for recordings from before logs.
    Column("log_position", BigInteger),
    # Media seconds of its first sample, which grow from recording to recording even if the clock is set back.
    # Null for recordings from before this column, which are in the order of ``started_at``.
    Column("media_start", Float),
)

segments = Table(
    "segments",
    metadata,
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("start", Float, primary_key=True),
    Column("duration", Float, nullable=False),
    Column("recording_id", ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False),
    # File below the media folder, byte offset and length. Fragments are complete (moof + mdat).
    Column("path", String, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    sqlite_with_rowid=False,
)

scene_indexes = Table(
    "scene_indexes",
    metadata,
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String),
    Column("extraction_type", String, nullable=False),
    Column("extraction_config", JSON, nullable=False),
    Column("prompt", Text),
    Column("model_name", String),
    Column("model_config", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("status_reason", String, nullable=False, default=""),
    Column("counters", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    # When it was last started by request, in Unix seconds. Windows before it do not belong to a gap.
    Column("looked_from", Float),
    # Scenes up to this one are from before the clock was last set back. They may have the times of later windows.
    Column("after_scene", Integer),
)

scenes = Table(
    "scenes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE"), nullable=False),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("model", String, nullable=False),
    Column("data", JSON),
    # Facts besides the text: lines read on screen, changes, frame times, latency.
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    # The gap that was analysed afterwards, if the window was not looked at live. The row of the gap may be gone.
    Column("gap_id", Integer),
    Index("scenes_by_index", "index_id", "start"),
    Index("scenes_by_stream", "stream_id", "start"),
)

transcript_jobs = Table(
    "transcript_jobs",
    metadata,
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("language", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

transcript_segments = Table(
    "transcript_segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("engine", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    # "speech", or "gap" for audio that was skipped so as not to fall behind live.
    Column("kind", String, nullable=False, default="speech"),
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("transcripts_by_stream", "stream_id", "engine", "start"),
)

events = Table(
    "events",
    metadata,
    Column("id", String, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("label", String, nullable=False),
    Column("rule", JSON),
    Column("created_at", Float, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("index_id", ForeignKey("scene_indexes.id", ondelete="CASCADE"), index=True),  # null: on the stream itself
    Column("event_id", ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("callback_url", Text),
    Column("status", String, nullable=False),
    Column("options", JSON, nullable=False),
    # State of the alert (last match, consecutive hits) and the newest scene or segment of a transcript that it has
    # evaluated, so that a restart neither repeats nor forgets a firing.
    Column("state", JSON, nullable=False),
    Column("judged_scene", Integer, nullable=False, default=0),
    Column("fired", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
)

alert_groups = Table(
    "alert_groups",
    metadata,
    # An alert on several streams. Each stream has an alert of its own.
    Column("id", String, primary_key=True),
    Column("event_id", ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    # Ids of the streams. Null stands for all streams, later ones included.
    Column("streams", JSON(none_as_null=True)),
    Column("callback_url", Text),
    Column("status", String, nullable=False),
    Column("options", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

alert_group_streams = Table(
    "alert_group_streams",
    metadata,
    Column("group_id", ForeignKey("alert_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    # Null: it was deleted, or it could not be created for the reason in ``note``.
    Column("alert_id", ForeignKey("alerts.id", ondelete="SET NULL"), index=True),
    Column("note", Text, nullable=False, default=""),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("scene_id", Integer, nullable=False),
    Column("segment_id", Integer),  # of a transcript
    Column("at", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("confidence", Float),
    Column("explanation", Text, nullable=False, default=""),
    # Journal number of the firing, if the alert fired.
    Column("seq", Integer),
    Index("decisions_by_alert", "alert_id", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("deliveries_by_alert", "alert_id", "seq"),
    # The outbox. This index stays small, because it contains only pending webhooks. For PostgreSQL, it would import
    # the dialect at every start, which takes 0.1 s.
    Index("deliveries_pending", "alert_id", "seq", sqlite_where=text("state = 'pending'")),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("status", Integer),
    Column("latency_s", Float, nullable=False),
    Column("error", String, nullable=False, default=""),
)

pins = Table(
    "pins",
    metadata,
    # Ranges that retention must not delete, such as evidence of alerts. They are deleted with their stream.
    Column("id", Integer, primary_key=True),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("owner_kind", String, nullable=False),  # a ``PinKind``
    Column("owner_id", String, nullable=False),
    Index("pins_by_stream", "stream_id", "start"),
)

videos = Table(
    "videos",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    # No foreign key, because an exported video outlives its stream.
    Column("stream_id", String, index=True),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

video_transcripts = Table(
    "video_transcripts",
    metadata,
    # The transcript of an exported video. It has no segments if there is no speech or no audio.
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String, nullable=False),
    Column("language", String),
    Column("sound", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
)

unfinished_transcripts = Table(
    "unfinished_transcripts",
    metadata,
    # The transcription of a video that has not ended, or was interrupted.
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String, nullable=False),
    Column("language", String),
    Column("job_id", String, nullable=False),
    # Whether it continues when the engine starts.
    Column("wanted", Boolean, nullable=False),
)

unfinished_utterances = Table(
    "unfinished_utterances",
    metadata,
    # One utterance of such a transcription. ``start`` and ``end`` are seconds from the start of the video.
    Column("id", Integer, primary_key=True),
    Column("video_id", ForeignKey("unfinished_transcripts.video_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    # [{"word", "start", "end"}]
    Column("words", JSON, nullable=False),
)

video_segments = Table(
    "video_segments",
    metadata,
    # One sentence. ``start``, ``end`` and those of the words are seconds from the start of the video.
    Column("id", Integer, primary_key=True),
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    # [{"word", "start", "end"}]
    Column("words", JSON, nullable=False),
    Index("video_segments_by_video", "video_id", "start"),
    sqlite_autoincrement=True,
)

links = Table(
    "links",
    metadata,
    # 22 random URL-safe characters. Knowing the id is the permission.
    Column("id", String, primary_key=True),
    # SHA-256 of target, titles and purpose, so that the same request yields the same link. Null once a link was
    # revoked or has expired: the next request for its target creates another one.
    Column("target_hash", String),
    # "window" of a stream, whole "video", "ranges" of streams and videos, "picture" of a stream or a video
    Column("kind", String, nullable=False),
    Column("stream_id", ForeignKey("streams.id", ondelete="CASCADE"), index=True),
    # Of a video, or of all ranges; null for ranges of streams or of several videos.
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), index=True),
    # Of a window, or of the picture of a stream: Unix seconds. Of the picture of a video: seconds of the video.
    Column("start", Float),
    Column("end", Float),
    # [[id, start, end]]: of a video in seconds of the video, of a stream in Unix seconds
    Column("ranges", JSON),
    Column("title", String, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    Column("purpose", String, nullable=False),
    Column("created_at", Float, nullable=False),
    # Null: as long as its stream or video.
    Column("expires_at", Float, index=True),
    Column("revoked_at", Float),
    Index("links_by_target", "target_hash", unique=True),
    Index("links_by_age", "created_at"),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("channel", String, nullable=False),
    # No foreign keys, because the journal outlives the streams and indexes that it mentions.
    Column("stream_id", String, nullable=False, default=""),
    Column("stream_name", String, nullable=False, default=""),
    Column("index_id", String, nullable=False, default=""),
    Column("alert_id", String, nullable=False, default=""),
    Column("data", JSON, nullable=False),
    Index("journal_by_stream", "stream_id", "channel", "seq"),
    # A number is never reused, even when the newest rows are deleted.
    sqlite_autoincrement=True,
)

kept = Table(
    "kept",
    metadata,
    # Single values that survive a restart, by name.
    Column("key", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

ws_bindings = Table(
    "ws_bindings",
    metadata,
    Column("connection_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("target_id", String, primary_key=True),
    Column("created_at", Float, nullable=False),
)
