"""All tools in the order in which clients list them, and the selection by groups."""

from __future__ import annotations

from mcp.server.mcpserver.tools import Tool

from tools import (
    alerts,
    camera,
    deletion,
    events,
    indexes,
    jobs,
    recordings,
    search,
    streams,
    timeline,
    transcripts,
    video_transcripts,
    videos,
    wait,
    webhooks,
)
from tools._framework.definition import Definition, build, defined_in
from tools._framework.groups import ALL, DEFAULT, chosen

FAMILIES = (
    streams,
    camera,
    recordings,
    videos,
    video_transcripts,
    jobs,
    indexes,
    transcripts,
    timeline,
    search,
    events,
    alerts,
    webhooks,
    wait,
    deletion,
)


def definitions() -> list[Definition]:
    """All tools."""
    return [definition for family in FAMILIES for definition in defined_in(family.__name__)]


def toolset(groups: str = ALL, *, read_only: bool = False) -> list[Tool]:
    """Build the tools of a selection.

    Args:
        groups: Comma-separated names of groups, ``default`` for the tools of the main job, or ``all``.
        read_only: Leave out every tool that changes something.

    Raises:
        ValueError: A group does not exist.
    """
    names = chosen(groups)
    return [
        build(definition)
        for definition in definitions()
        if (ALL in names or definition.group in names or (DEFAULT in names and definition.default))
        and (definition.annotations.read_only_hint or not read_only)
    ]


def group_of(name: str) -> str | None:
    """The group of a tool; None for an unknown tool."""
    return next((definition.group for definition in definitions() if definition.fn.__name__ == name), None)
