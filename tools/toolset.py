"""All tools, in the order a client lists them."""

from __future__ import annotations

from mcp.server.mcpserver.tools import Tool

from tools import events, indexes, live, recordings, streams
from tools.define import defined_in

FAMILIES = (streams, recordings, indexes, events, live)


def toolset() -> list[Tool]:
    """The tools of every family."""
    return [built for family in FAMILIES for built in defined_in(family.__name__)]
