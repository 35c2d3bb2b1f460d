"""Backfills: recorded footage that is analysed because a user asked for it."""

from rtstream.engine.backfill.service import BackfillService

__all__ = ["BackfillService"]
