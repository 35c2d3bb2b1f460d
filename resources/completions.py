"""Completions: ids of streams, indexes and events, and names of channels, for resource templates and prompts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from resources import uris
from rtstream.client import RTStreamClient
from rtstream.client.messages import LIVE_CHANNELS
from rtstream.errors import RTStreamError

MAX_VALUES = 100
MAX_STREAMS = 200
TIMEOUT_S = 3.0
TEMPLATES = (uris.STREAM_TEMPLATE, uris.CHANNEL_TEMPLATE, uris.JOB_TEMPLATE)


# Any: a server with any state.
def install_completions(mcp: MCPServer[Any], client: RTStreamClient) -> None:
    """Install the completion of arguments. It never starts an engine."""

    @mcp.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        if isinstance(ref, ResourceTemplateReference) and ref.uri not in TEMPLATES:
            return None
        given = (context.arguments if context is not None else None) or {}
        try:
            with anyio.move_on_after(TIMEOUT_S):
                return _matching(argument.value, await _choices(client, argument.name, given.get("stream_id", "")))
        except RTStreamError:
            pass
        return None


async def _choices(client: RTStreamClient, name: str, stream_id: str) -> list[tuple[str, str]]:
    """Values of an argument, each with its display name."""
    if name == "channel":
        return [(channel, "") for channel in LIVE_CHANNELS]
    if name == "stream_id":
        streams, _ = await client.list_streams(limit=MAX_STREAMS, start=False)
        return [(stream.id, stream.name) for stream in streams]
    await client.endpoint(start=False)
    if name == "job_id":
        return [(job.job_id, job.name) for job in await client.jobs.list()]
    if name == "event_id":
        return [(event.event_id, event.label) for event in await client.alerts.list_events()]
    if name == "index_id" and stream_id:
        return [(index.rtstream_index_id, index.name or "") for index in await client.indexes.list(stream_id)]
    return []


def _matching(typed: str, choices: Iterable[tuple[str, str]]) -> Completion:
    """Choices whose value starts with the typed text, or whose name contains it."""
    wanted = typed.casefold()
    found = [value for value, name in choices if value.casefold().startswith(wanted) or wanted in name.casefold()]
    return Completion(values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES)
