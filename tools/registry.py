"""All tools, in the order a client lists them, and those of a user's choice."""

from __future__ import annotations

from mcp.server.mcpserver.tools import Tool

from tools import alerts, events, indexes, recordings, search, streams, transcripts
from tools import video_transcripts as spoken
from tools import videos as exports
from tools import wait as live
from tools._framework.definition import Definition, build, defined_in
from tools._framework.groups import ALL, DEFAULT, chosen

FAMILIES = (streams, recordings, exports, spoken, indexes, transcripts, search, events, alerts, live)


def definitions() -> list[Definition]:
    """Every tool there is."""
    return [definition for family in FAMILIES for definition in defined_in(family.__name__)]


def toolset(groups: str = ALL, *, read_only: bool = False) -> list[Tool]:
    """The tools of the groups (comma-separated; ``default``: the few of the main job; ``all``).

    ``read_only`` leaves out every tool that changes something, whatever was chosen.
    """
    names = chosen(groups)
    return [
        build(definition)
        for definition in definitions()
        if (ALL in names or definition.group in names or (DEFAULT in names and definition.default))
        and (definition.annotations.read_only_hint or not read_only)
    ]


def group_of(name: str) -> str | None:
    """The group of a tool; None when there is no such tool."""
    return next((definition.group for definition in definitions() if definition.fn.__name__ == name), None)
