"""The longest wait of a call for a job, after which it returns the id of the job in place of the result."""

from __future__ import annotations

import anyio
from mcp.server.session import ServerSession
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tools._framework.definition import ToolContext

TASKS = "io.modelcontextprotocol/tasks"
"""Identifier of the MCP extension by which a client accepts a task in place of a result."""
WAIT_S = 12.0
"""Longest wait of a call in seconds, so that it returns within 15 s."""
TASK_WAIT_S = 1.0
"""The same for a client that accepts tasks, which is better served by a task than by a wait."""


def accepts_tasks(session: ServerSession) -> bool:
    """Return whether the client of a request accepts tasks. Only clients of 2026-07-28 or later can."""
    capabilities = session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    return session.protocol_version in MODERN_PROTOCOL_VERSIONS and TASKS in (declared or {})


def job_deadline(ctx: ToolContext) -> float:
    """Return the time of ``anyio.current_time`` until which a call that begins now waits for its job."""
    return anyio.current_time() + (TASK_WAIT_S if accepts_tasks(ctx.request_context.session) else WAIT_S)


def seconds_until(deadline: float) -> float:
    """Return the seconds that are left of a deadline, at least 0."""
    return max(0.0, deadline - anyio.current_time())


def follow(job_id: str, kind: str) -> str:
    """Return the next step after a call whose job continues."""
    return f"The {kind} continues. Call jobs with job_id={job_id} for its state and result."
