"""The MCP extension Tasks (SEP-2663), by which a client receives a task in place of the id of a job.

A task is a job of the engine and has its id. It therefore outlives the connection and the MCP server, and ends with the
result of the tool that started the job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeAlias

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    RequestParams,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from rtstream.client.markdown import for_chat
from rtstream.errors import NotFound, RTStreamError
from rtstream.json_types import JsonObject
from rtstream.models import JobInfo, JobState
from rtstream.rules.text_safety import clean
from tools._framework.definition import Live, rendered
from tools._framework.job_wait import TASKS, accepts_tasks

POLL_MS = 2000
"""Interval in milliseconds at which clients should ask for the state of a task."""
KEPT_S = 3600.0
"""Seconds for which the engine remembers a job that has ended."""
MAX_MESSAGE = 500
STATUS = {
    JobState.QUEUED: "working",
    JobState.RUNNING: "working",
    JobState.DONE: "completed",
    JobState.FAILED: "completed",  # with a result that is an error: ``failed`` means that the protocol failed
    JobState.CANCELLED: "cancelled",
}

# Any: the request of whichever transport is used.
_Request: TypeAlias = ServerRequestContext[Live, Any]


class TaskParams(RequestParams):
    """Parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str = Field(max_length=200)


class TaskInput(TaskParams):
    """Parameters of ``tasks/update``. No task asks for input, so the responses are ignored."""

    input_responses: JsonObject = Field(default_factory=dict)


class Tasks(Extension):
    """Serves jobs as tasks to clients that declare the extension. Others get the id of the job.

    Args:
        finish: Completes the result of a task as that of a tool call.
    """

    identifier = TASKS

    def __init__(self, finish: Callable[[CallToolResult, Mapping[str, str] | None], CallToolResult]) -> None:
        self._finish = finish

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods of the extension."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", TaskInput, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: _Request, call_next: CallNext
    ) -> HandlerResult:
        """Return a task in place of a result that names a job which continues."""
        result = await call_next(ctx)
        if not isinstance(result, CallToolResult) or not accepts_tasks(ctx.session):
            return result
        job_id, note = _job_and_note(result.structured_content)
        if not job_id:
            return result
        with suppress(RTStreamError):  # the result with the id of the job is as good
            task = _task(await ctx.lifespan_context.client.jobs.get(job_id))
            message = clean(f"{task['statusMessage']} {note}", MAX_MESSAGE)
            return {"resultType": "task", **task, "statusMessage": message}
        return result

    async def _get(self, ctx: _Request, params: TaskParams) -> HandlerResult:
        job = await _job(ctx, params)
        task = _task(job)
        if STATUS[job.state] == "completed":
            result = self._finish(await _result(ctx.lifespan_context, job), _headers(ctx))
            task["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return task

    async def _update(self, ctx: _Request, params: TaskInput) -> HandlerResult:
        await _job(ctx, params)
        return EmptyResult()

    async def _cancel(self, ctx: _Request, params: TaskParams) -> HandlerResult:
        job = await _job(ctx, params)
        try:
            await ctx.lifespan_context.client.jobs.cancel(job.job_id)
        except RTStreamError as exc:
            raise MCPError(INTERNAL_ERROR, for_chat(exc.message)) from exc
        return EmptyResult()


def _job_and_note(content: object) -> tuple[str, str]:
    """Return the id of the job in the result of a tool and its note, or empty strings."""
    if not isinstance(content, dict):
        return "", ""
    job_id, note = content.get("job_id"), content.get("note")
    return (job_id if isinstance(job_id, str) else ""), (note if isinstance(note, str) else "")


async def _job(ctx: _Request, params: TaskParams) -> JobInfo:
    """Return the job of a task. Raises MCPError as the extension requires it."""
    require_client_extension(ctx, TASKS)
    headers = _headers(ctx)
    if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != params.task_id:
        raise MCPError(HEADER_MISMATCH, "The header Mcp-Name differs from taskId. Send the id of the task in both.")
    try:
        return await ctx.lifespan_context.client.jobs.get(params.task_id)
    except NotFound as exc:
        raise MCPError(INVALID_PARAMS, "There is no such task. Tasks are kept for an hour after their end.") from exc
    except RTStreamError as exc:
        raise MCPError(INTERNAL_ERROR, for_chat(exc.message)) from exc


def _headers(ctx: _Request) -> Mapping[str, str] | None:
    """Return the HTTP headers of a request, or None over stdio."""
    headers = getattr(ctx.request, "headers", None)
    return headers if isinstance(headers, Mapping) else None


def _task(job: JobInfo) -> JsonObject:
    """Return the common fields of a task."""
    ended = job.ended_at
    return {
        "taskId": job.job_id,
        "status": STATUS[job.state],
        "statusMessage": for_chat(clean(job.error, MAX_MESSAGE)) or f"{job.kind}: {job.state}, {job.percentage:.0f} %.",
        "createdAt": _iso(job.created_at),
        "lastUpdatedAt": _iso(time.time() if ended is None else ended),
        # While a job runs, there is no limit. Afterwards, the limit counts from the creation as well.
        "ttlMs": None if ended is None else round(1000 * (ended - job.created_at + KEPT_S)),
        "pollIntervalMs": POLL_MS,
    }


async def _result(state: Live, job: JobInfo) -> CallToolResult:
    """Return the result of a job that has ended, as the tool that started the job returns it."""
    from tools.jobs import job_result

    try:
        if job.state is JobState.DONE:
            return await rendered(await job_result(state.client, job), state.clock)
        message = job.error
    except RTStreamError as exc:  # the video was deleted, for example
        message = exc.message
    return CallToolResult(content=[TextContent(type="text", text=for_chat(message))], is_error=True)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
