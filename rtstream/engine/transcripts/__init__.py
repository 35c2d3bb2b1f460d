"""Transcripts of streams and of exported videos."""
