"""Transcripts of streams and of exported videos."""

from rtstream.engine.transcripts.runner import OnPartial, TranscriptRunner
from rtstream.engine.transcripts.service import TranscriptService, checked_vocabulary
from rtstream.engine.transcripts.videos import VideoTranscriptService

__all__ = ["OnPartial", "TranscriptRunner", "TranscriptService", "VideoTranscriptService", "checked_vocabulary"]
