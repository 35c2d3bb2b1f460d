"""Names of the groups of tools, and what a user's choice of them means."""

from __future__ import annotations

GROUPS = ("streams", "recordings", "indexes", "events", "alerts", "transcripts", "search", "videos", "live")
DEFAULT = "default"
"""The few tools of the main job, of all groups: what a conversation can afford to load."""
ALL = "all"


def chosen(text: str) -> frozenset[str]:
    """The groups in a comma-separated choice. Raises ValueError with a sentence for one that does not exist."""
    names = frozenset(part.strip() for part in text.split(",") if part.strip()) or frozenset({DEFAULT})
    unknown = sorted(names - {*GROUPS, DEFAULT, ALL})
    if unknown:
        raise ValueError(f"there is no group of tools '{unknown[0][:50]}': use {', '.join((DEFAULT, ALL, *GROUPS))}")
    return names
