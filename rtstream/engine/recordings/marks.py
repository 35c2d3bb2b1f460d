"""Marks on the timeline of the player, which are the alerts and scenes of a window."""

from __future__ import annotations

from collections.abc import Sequence

from rtstream.json_types import JsonObject
from rtstream.rules.text_safety import clean
from rtstream.store import marks as rows
from rtstream.store.database import Database

MAX_MARKS = 500
MAX_LABEL = 120


class TimelineMarks:
    """Reads marks from the journal and the scenes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def between(self, stream_id: str, start: float, end: float) -> list[JsonObject]:
        """Return at most ``MAX_MARKS`` marks of a window, oldest first. Alerts take precedence over scenes.

        Each has ``kind`` (``alert`` or ``scene``), ``start`` and ``end`` (Unix seconds) and ``label``, which is
        untrusted stream text.
        """
        alerts = await self._db.read(rows.alerts, stream_id, start, end, MAX_MARKS)
        scenes = _changes(await self._db.read(rows.scenes, stream_id, start, end))
        return sorted([*alerts, *scenes[: MAX_MARKS - len(alerts)]], key=lambda mark: mark["start"])


def marks_within(marks: Sequence[JsonObject], ranges: Sequence[tuple[float, float]]) -> list[JsonObject]:
    """Return the marks that overlap the ranges (Unix seconds), cut to them, so that no time outside is shown."""
    return [
        {**mark, "start": max(mark["start"], start), "end": min(mark["end"], end)}
        for mark in marks
        for start, end in ranges
        if mark["start"] < end and mark["end"] > start
    ]


def _changes(scenes: Sequence[tuple[float, float, str]]) -> list[JsonObject]:
    """Return the scenes that differ from the preceding one."""
    found: list[JsonObject] = []
    for start, end, text in scenes:
        label = clean(" ".join(text.split()), MAX_LABEL)
        if label and (not found or found[-1]["label"] != label):
            found.append({"kind": "scene", "start": start, "end": end, "label": label})
    return found
