"""Groups of tools, and the parser of a choice of groups."""

from __future__ import annotations

GROUPS = ("events", "videos", "streams", "webhooks")
DEFAULT = "default"
"""The tools for the main job, small enough for every conversation to load."""
ALL = "all"
FORMER_GROUPS = frozenset({"recordings", "indexes", "alerts", "transcripts", "search", "live"})
"""Groups of earlier versions, whose tools belong to the default ones."""


def chosen(text: str) -> frozenset[str]:
    """The groups in a comma-separated choice. Raises ValueError for an unknown group."""
    names = frozenset(part.strip() for part in text.split(",") if part.strip()) or frozenset({DEFAULT})
    names = frozenset(DEFAULT if name in FORMER_GROUPS else name for name in names)
    unknown = sorted(names - {*GROUPS, DEFAULT, ALL})
    if unknown:
        raise ValueError(f"there is no group of tools '{unknown[0][:50]}'. Use {', '.join((DEFAULT, ALL, *GROUPS))}")
    return names
